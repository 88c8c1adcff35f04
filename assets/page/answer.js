/** The answer: the finding and its side of the screening point, or the class, with its probability, scale and scope. */

import { attribute, make, say } from "./dom.js";
import { PER_CENT, perCent, share } from "./format.js";
import { calibrationWords, cutoffWords, nearestWords, refusalWords, stabilityWords } from "./meaning.js";
import { predictiveValues, shifted } from "./prior.js";

const STEPS = [
  "Choose an image, or use one of the examples.",
  "Read the rows: the bar shows how similar the image is to the symptom, and “towards” shows how much the symptom adds to the answer.",
  "Rewrite a symptom, or switch it off, and watch the prediction change.",
];
const SHOWN = 4; // classes of a task with more than two
const APART = 0.3; // of the scale: marks that are closer share a label
const NEAR = 0.12; // the same of the shorter ones without a prevalence

export class Answer {
  constructor(root, { onprevalence, first = false }) {
    this.onprevalence = onprevalence;
    this.prevalence = null;
    this.scores = null;
    this.first = first; // no result has been shown in this browser yet
    this.doubt = null; // of the image: {refer, low, high, views, wordings}, where the task measures it
    this.parts = {
      name: make("b", { class: "vip-class" }, "–"),
      probability: make("span", { class: "vip-probability" }),
      side: make("span", { class: "vip-side" }),
      called: make("span", { class: "vip-called" }),
      was: make("span", { class: "vip-was" }),
      chip: make("span", { class: "vip-chip" }),
      fill: make("i", { class: "vip-fill" }),
      ticks: make("div", { class: "vip-ticks" }),
      scale: make("div", { class: "vip-scale", "aria-hidden": "true" }),
      ends: make("div", { class: "vip-ends", "aria-hidden": "true" }),
      classes: make("ul", { class: "vip-classes" }),
      meaning: make("p", { class: "vip-meaning" }),
      scope: make("p", { class: "vip-scope" }),
      whom: make("span"),
      clinic: make("output", { class: "vip-clinic-result" }),
      message: make("p", { class: "vip-message", role: "alert" }),
    };
    this.box = make("input", { type: "text", inputmode: "decimal", maxlength: 8, class: "vip-prevalence", oninput: () => this.#prevalenceTyped() });
    const { parts } = this;
    this.clinic = make("label", { class: "vip-clinic" }, "In my clinic ", this.box, parts.whom, parts.clinic);
    parts.scale.append(parts.fill, parts.ticks);
    root.append(
      make(
        "div",
        { class: "vip-headline", "aria-live": "polite", "aria-atomic": "true" },
        ...["name", "probability", "side", "called", "was", "chip"].map(part => parts[part]),
      ),
      parts.scale,
      parts.ends,
      parts.classes,
      parts.meaning,
      parts.scope,
      this.clinic,
      parts.message,
    );
  }

  show(task) {
    this.task = task;
    this.scores = null;
    const two = task.finding !== null;
    for (const part of [this.parts.scale, this.parts.ends]) part.hidden = !two;
    this.parts.classes.hidden = two;
    this.clinic.hidden = !two || task.mix === null;
    this.box.setAttribute("aria-label", `Prevalence of ${two ? task.classes[task.finding] : "the finding"} in your clinic, in per cent`);
    if (two) {
      say(this.parts.whom, ` % have ${task.classes[task.finding]}. `);
      this.parts.fill.style.background = task.colours[task.finding];
      this.parts.ends.replaceChildren(make("span", {}, task.classes[1 - task.finding]), make("span", {}, task.classes[task.finding]));
    }
    this.box.value = "";
    this.#readPrevalence();
    this.paint(null);
  }

  /** Forget the prevalence: the probability is that of the calibration images. */
  clearPrevalence() {
    this.box.value = "";
    this.#prevalenceTyped();
  }

  #prevalenceTyped() {
    this.#readPrevalence();
    this.#again();
    this.onprevalence(this.prevalence);
  }

  /** Show what small changes of the image or the wording do to the answer; it comes after the scores. */
  tell(doubt) {
    this.doubt = doubt;
    if (this.scores) this.#again();
  }

  /** Paint what is shown once more, an error with it. */
  #again() {
    this.paint(this.scores, this.parts.message.textContent);
  }

  #readPrevalence() {
    const typed = this.box.value.replace("%", "").replace(",", ".").trim();
    const value = Number(typed);
    const known = typed !== "" && value > 0 && value < 100;
    this.prevalence = known ? value / 100 : null;
    this.invalid = typed !== "" && !known;
    attribute(this.box, "aria-invalid", this.invalid);
    this.#marks();
  }

  /** The cut-offs on the scale. They move with a prevalence as the bar does, so that an image keeps its side. */
  #marks() {
    const given = this.prevalence !== null;
    const number = value => share(value, value < 0.1 ? 3 : 2);
    const marks = this.task.cutoffs.map(({ kind, at }) => {
      const name = kind === "half" ? "½" : `screening ${number(at)}`;
      return { at: this.probability(at), label: given ? `${name} → ${number(this.probability(at))}` : name };
    });
    const [low, high] = [...marks].sort((a, b) => a.at - b.at);
    if (high && high.at - low.at < (given ? APART : NEAR)) [low.label, high.label] = [`${low.label} · ${high.label}`, ""];
    const edge = ({ at, label }) => (at < 0.2 || (label.includes("·") && at < 0.5) ? " vip-from" : at > 0.8 || label.includes("·") ? " vip-to" : "");
    this.parts.ticks.replaceChildren(
      ...marks.map(mark => make("span", { class: `vip-tick-mark${edge(mark)}`, style: `left:${100 * mark.at}%` }, make("small", {}, mark.label))),
    );
    this.parts.ends.classList.toggle("vip-lower", given); // the labels need the line
  }

  /** Probability of the finding as shown: at the clinic's prevalence if one is given. */
  probability(value) {
    return this.prevalence === null ? value : shifted(value, this.task.mix, this.prevalence);
  }

  paint(scores, message = "") {
    const { parts, task } = this;
    this.scores = scores;
    say(parts.message, message);
    say(parts.scope, task.scope);
    if (!scores) {
      say(parts.name, "No image yet");
      this.#blank();
      if (this.first) parts.meaning.replaceChildren(...STEPS.map((text, index) => make("span", { class: "vip-step" }, make("b", {}, `${index + 1} `), text)));
      else say(parts.meaning, "Drop, paste or choose an image, or use an example. Then rewrite a symptom and watch the prediction change.");
      return;
    }
    this.first = false;
    const height = scores.edited ? parts.meaning.offsetHeight : 0;
    parts.meaning.style.minHeight = height ? `${height}px` : ""; // an edit makes it shorter, and must not move the rows
    if (scores.domain && !scores.domain.in_domain) {
      say(parts.name, "No result");
      this.#blank();
      this.#chip("Out of distribution", "vip-foreign");
      say(parts.meaning, refusalWords(this));
      return;
    }
    if (task.finding === null) this.#many(scores);
    else this.#two(scores);
    if (this.doubt?.refer && stabilityWords(this, this.doubt)) this.#chip("Refer to a person", "vip-foreign");
    else this.#chip(scores.domain ? "" : "Not checked", "vip-unchecked");
    if (scores.domain) say(parts.scope, `${task.resembles} ${task.scope}`);
  }

  /** Show nothing that could be taken for a result. */
  #blank() {
    const { parts } = this;
    for (const part of ["probability", "side", "called", "was", "chip"]) say(parts[part], "");
    say(parts.clinic, this.#invalidWords());
    parts.fill.style.width = "0";
    parts.classes.replaceChildren();
  }

  #chip(text, kind) {
    say(this.parts.chip, text);
    attribute(this.parts.chip, "class", `vip-chip ${kind}`.trim());
  }

  #invalidWords() {
    return this.invalid ? "Enter a number between 0 and 100, such as 5.5." : "";
  }

  /** Headline: the class named, its probability, the side of the screening point, and the probability before an edit. */
  #headline({ name, value, before, side = "", positive = false, called = "", finding = "" }) {
    const { parts, scores } = this;
    say(parts.name, name);
    say(parts.probability, `${finding}${perCent(value)}`);
    say(parts.side, side);
    attribute(parts.side, "class", `vip-side${positive ? " vip-positive" : ""}`);
    say(parts.called, called);
    say(parts.was, scores.edited || Math.abs(value - before) > 0.005 ? `was ${perCent(before)}` : "");
  }

  #two(scores) {
    const { parts, task } = this;
    const raw = scores.probabilities[task.finding];
    const value = this.probability(raw);
    const before = this.probability(scores.original[task.finding]);
    const name = task.classes[task.finding];
    const screening = task.cutoffs.find(cutoff => cutoff.kind === "screening");
    const trained = scores.mode === "vip";
    const named = raw >= 0.5 ? task.finding : 1 - task.finding; // by the model itself, whatever the prevalence
    if (screening) {
      const positive = trained && raw >= screening.at;
      const side = trained ? `${positive ? "above" : "below"} the screening point of ${this.#point(this.probability(screening.at))}` : "untested";
      this.#headline({ name, value, before, side, positive: positive || !trained, called: `at ½: ${task.classes[named]}` });
    } else {
      const called = value >= 0.5;
      const side = trained ? "" : "untested";
      this.#headline({ name: called ? name : task.classes[1 - task.finding], finding: called ? "" : `${name} `, value, before, side, positive: !trained });
    }
    parts.fill.style.width = `${(100 * value).toFixed(1)}%`;
    this.#meaning(calibrationWords(this, value, name, before), nearestWords(this, named), cutoffWords(this, name));
    say(parts.clinic, this.#invalidWords() || this.#clinicWords(value, raw));
  }

  /** A cut-off in per cent, with a decimal where it is small. */
  #point(value) {
    return `${(100 * value).toFixed(value < 0.1 ? 1 : 0)}${PER_CENT}`;
  }

  /** The probability at the clinic's prevalence, and the predictive values of the cut-offs there. */
  #clinicWords(value, raw) {
    if (this.prevalence === null) return "";
    const worth = this.task.cutoffs
      .filter(cutoff => cutoff.found !== null && this.scores.mode === "vip")
      .map(({ kind, found, false_alarms }) => {
        const { ppv, npv } = predictiveValues(found, 1 - false_alarms, this.prevalence);
        const values = [ppv === null ? null : `PPV ${perCent(ppv)}`, npv === null ? null : `NPV ${perCent(npv)}`].filter(Boolean);
        return `${kind === "half" ? "at ½" : "at the screening point"} ${values.join(", ")}`;
      });
    const carried = worth.length ? ` If sensitivity and specificity are the same there: ${worth.reverse().join("; ")}.` : "";
    return `At this prevalence: ${perCent(value)} (as calibrated: ${perCent(raw)}).${carried}`;
  }

  #many(scores) {
    const { parts, task } = this;
    const order = scores.probabilities.map((value, index) => [value, index]).sort((a, b) => b[0] - a[0]);
    const [value, best] = order[0];
    const before = scores.original[best];
    const trained = scores.mode === "vip";
    this.#headline({ name: task.classes[best], value, before, side: trained ? "" : "untested", positive: !trained });
    parts.classes.replaceChildren(
      ...order.slice(0, SHOWN).map(([p, index]) =>
        make(
          "li",
          {},
          make("span", {}, task.classes[index]),
          make("span", { class: "vip-scale", "aria-hidden": "true" }, make("i", { class: "vip-fill", style: `width:${(100 * p).toFixed(1)}%;background:${task.colours[index]}` })),
          make("span", {}, perCent(p)),
        ),
      ),
    );
    const rest = order.length - SHOWN;
    if (rest > 0) {
      const left = order.slice(SHOWN).reduce((sum, [p]) => sum + p, 0);
      parts.classes.append(make("li", {}, make("span", {}, `${rest} more`), make("span"), make("span", {}, perCent(left))));
    }
    this.#meaning(calibrationWords(this, value, task.classes[best], before), nearestWords(this, best));
  }

  /** The sentences below the answer. The one on stability comes first if a person should look, else last. */
  #meaning(...sentences) {
    const stability = stabilityWords(this, this.doubt);
    const all = this.doubt?.refer ? [stability, ...sentences] : [...sentences, stability];
    say(this.parts.meaning, all.filter(Boolean).join(" "));
  }
}

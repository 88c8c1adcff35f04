/** The answer: what the model predicts, how sure it is, on which scale, for whom, and what prevalence does to it. */

import { attribute, make, say } from "./dom.js";
import { count, perCent, share } from "./format.js";
import { predictiveValues, shifted } from "./prior.js";

const STEPS = [
  "Choose an image, or use one of the examples.",
  "Read the rows: the bar shows how similar the image is to the symptom, “adds” how much the symptom adds to the score of its class.",
  "Rewrite a symptom, or switch it off, and watch the prediction change.",
];
const SHOWN = 4; // classes of a task with more than two

export class Answer {
  constructor(root, { onprevalence, first = false }) {
    this.prevalence = null;
    this.scores = null;
    this.first = first; // no result has been shown in this browser yet
    this.doubt = null; // of the image: {refer, low, high, views, wordings}, where the task measures it
    this.parts = {
      name: make("b", { class: "vip-class" }, "–"),
      probability: make("span", { class: "vip-probability" }),
      was: make("span", { class: "vip-was" }),
      chip: make("span", { class: "vip-chip" }),
      fill: make("i", { class: "vip-fill" }),
      ticks: make("div", { class: "vip-ticks" }),
      scale: make("div", { class: "vip-scale", "aria-hidden": "true" }),
      ends: make("div", { class: "vip-ends", "aria-hidden": "true" }),
      classes: make("ul", { class: "vip-classes" }),
      meaning: make("p", { class: "vip-meaning" }),
      scope: make("p", { class: "vip-scope" }),
      clinic: make("output", { class: "vip-clinic-result" }),
      message: make("p", { class: "vip-message", role: "alert" }),
    };
    this.box = make("input", {
      type: "number",
      min: 0.1,
      max: 99.9,
      step: "any",
      inputmode: "decimal",
      class: "vip-prevalence",
      oninput: () => {
        const value = Number(this.box.value);
        this.prevalence = this.box.value !== "" && value > 0 && value < 100 ? value / 100 : null;
        attribute(this.box, "aria-invalid", this.box.value !== "" && this.prevalence === null);
        this.paint(this.scores);
        onprevalence(this.prevalence);
      },
    });
    this.clinic = make("label", { class: "vip-clinic" }, "In my clinic ", this.box, " % have it. ", this.parts.clinic);
    const { parts } = this;
    parts.scale.append(parts.fill, parts.ticks);
    root.append(
      make("div", { class: "vip-headline", "aria-live": "polite", "aria-atomic": "true" }, parts.name, parts.probability, parts.was, parts.chip),
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
    this.box.value = "";
    this.prevalence = null;
    const two = task.finding !== null;
    for (const part of [this.parts.scale, this.parts.ends]) part.hidden = !two;
    this.parts.classes.hidden = two;
    this.clinic.hidden = !two || task.mix === null;
    this.box.setAttribute("aria-label", `Prevalence of ${two ? task.classes[task.finding] : "the finding"} in your clinic, in per cent`);
    if (two) {
      this.parts.fill.style.background = task.colours[task.finding];
      this.parts.ticks.replaceChildren(
        ...task.cutoffs.map(cutoff => make("span", { class: "vip-tick-mark", style: `left:${100 * cutoff.at}%` }, make("small", {}, cutoff.label))),
      );
      this.parts.ends.replaceChildren(make("span", {}, task.classes[1 - task.finding]), make("span", {}, task.classes[task.finding]));
    }
    say(this.parts.scope, task.scope);
    this.paint(null);
  }

  /** Probability of the finding as it is shown: under the clinic's prevalence where one is given. */
  probability(value) {
    return this.prevalence === null ? value : shifted(value, this.task.mix, this.prevalence);
  }

  paint(scores, message = "") {
    const { parts, task } = this;
    this.scores = scores;
    say(parts.message, message);
    if (!scores) {
      say(parts.name, "No image yet");
      for (const part of ["probability", "was", "chip", "clinic"]) say(parts[part], "");
      if (this.first) parts.meaning.replaceChildren(...STEPS.map((text, index) => make("span", { class: "vip-step" }, make("b", {}, `${index + 1} `), text)));
      else say(parts.meaning, "Drop, paste or choose an image, or use an example. Then rewrite a symptom and watch the prediction change.");
      parts.fill.style.width = "0";
      parts.classes.replaceChildren();
      attribute(parts.chip, "class", "vip-chip");
      return;
    }
    this.first = false;
    const foreign = scores.domain && !scores.domain.in_domain;
    attribute(parts.chip, "class", `vip-chip${foreign ? " vip-foreign" : ""}`);
    say(parts.chip, scores.domain ? (foreign ? "Out of distribution" : "Resembles the reference images") : "Not checked");
    if (task.finding === null) this.#many(scores, foreign);
    else this.#two(scores, foreign);
    const doubt = this.#stability(scores);
    if (doubt) say(parts.meaning, `${parts.meaning.textContent} ${doubt}`);
    if (doubt && this.doubt.refer && !foreign) {
      say(parts.chip, "Refer to a person");
      attribute(parts.chip, "class", "vip-chip vip-foreign");
    }
    if (foreign) {
      say(parts.name, "No result");
      say(parts.probability, "");
      say(parts.was, "");
      say(parts.meaning, `${scores.domain.reason} Do not interpret the numbers below.`);
    }
  }

  #two(scores, foreign) {
    const { parts, task } = this;
    const raw = scores.probabilities[task.finding];
    const value = this.probability(raw);
    const before = this.probability(scores.original[task.finding]);
    const name = task.classes[task.finding];
    const called = value >= 0.5;
    say(parts.name, called ? name : task.classes[1 - task.finding]);
    say(parts.probability, called ? perCent(value) : `${name} ${perCent(value)}`);
    say(parts.was, Math.abs(value - before) > 0.005 ? `was ${perCent(before)}` : scores.edited ? "unchanged by your edits" : "");
    parts.fill.style.width = foreign ? "0" : `${(100 * value).toFixed(1)}%`;
    say(parts.meaning, [this.#calibration(scores, value, name), this.#cutoffs(scores, name)].filter(Boolean).join(" "));
    const cutoff = task.cutoffs[0];
    if (this.prevalence === null || !cutoff || cutoff.found === null) return say(parts.clinic, "");
    const { ppv, npv } = predictiveValues(cutoff.found, 1 - cutoff.false_alarms, this.prevalence);
    const values = [ppv === null ? null : `PPV ${perCent(ppv)}`, npv === null ? null : `NPV ${perCent(npv)}`].filter(Boolean);
    say(parts.clinic, `Here: ${perCent(value)} (as calibrated: ${perCent(raw)}). At a threshold of one half: ${values.join(", ")}, if sensitivity and specificity are the same there.`);
  }

  #many(scores) {
    const { parts, task } = this;
    const order = scores.probabilities.map((value, index) => [value, index]).sort((a, b) => b[0] - a[0]);
    const [value, best] = order[0];
    say(parts.name, task.classes[best]);
    say(parts.probability, perCent(value));
    const before = scores.original[best];
    say(parts.was, Math.abs(value - before) > 0.005 ? `was ${perCent(before)}` : scores.edited ? "unchanged by your edits" : "");
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
    say(parts.meaning, this.#calibration(scores, value, task.classes[best]));
  }

  #calibration(scores, value, name) {
    const { task } = this;
    if (scores.mode !== "vip") return "Zero-shot: not calibrated. Use the probability only to compare, not as a frequency.";
    if (scores.edited) return "With edited lists the probability is not calibrated. Use it only to compare.";
    if (!task.calibrated_n) return "Not calibrated.";
    if (this.prevalence !== null) return "";
    const mix = task.mix === null || task.finding === null ? "" : ` (${perCent(task.mix)} of them had it)`;
    const about = value > 0.995 ? "nearly all" : value < 0.005 ? "almost none" : `about ${Math.round(100 * value)}`;
    return `Calibrated on ${count(task.calibrated_n, "validation image")}${mix}: of 100 images with this score, ${about} had ${name}.`;
  }

  /** What small changes of the image and of the wording do to the class, and what that meant on validation images. */
  #stability({ mode, edited }) {
    const { referral } = this.task;
    if (!this.doubt || !referral || mode !== "vip" || edited) return "";
    const right = share => (share === null ? "" : `; ${perCent(share)} of those were predicted correctly`);
    if (this.doubt.refer) {
      const range = `${perCent(this.doubt.low)} to ${perCent(this.doubt.high)}`;
      return `Refer to a person: a crop or a rewording changes the class (its probability: ${range}), as for ${perCent(1 - referral.coverage)} of validation images${right(referral.referred)}.`;
    }
    return `Stable under ${this.doubt.views} crops and ${this.doubt.wordings} rewordings, as are ${perCent(referral.coverage)} of validation images${right(referral.kept)}.`;
  }

  #cutoffs({ mode, edited }, name) {
    if (mode !== "vip") return ""; // they were measured with the trained model
    const known = this.task.cutoffs.filter(cutoff => cutoff.found !== null);
    if (!known.length) return "";
    const facts = known.map(
      cutoff => `at ${cutoff.label === "½" ? "½" : share(cutoff.at)} the sensitivity is ${perCent(cutoff.found)} and the false-positive rate ${perCent(cutoff.false_alarms)}`,
    );
    return `${edited ? "With the original lists, on" : "On"} test images (${name}), ${facts.join("; ")}.`;
  }
}

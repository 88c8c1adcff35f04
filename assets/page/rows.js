/**
 * The list that is the chart: one row per symptom with its switch, its text (edited in place), the strip, what it adds
 * to the decision, and how well it discriminates. Rows are made once and painted in place, so the caret never moves.
 */

import { attribute, button, make, say } from "./dom.js";
import { share, signed } from "./format.js";
import { MOST_SYMPTOMS } from "./store.js";
import { paintStrip, strip } from "./strip.js";
import { Suggestions, matching } from "./suggest.js";

export const FINDINGS = [
  ["", "by the model"],
  ["seen", "seen"],
  ["absent", "not seen"],
  ["unknown", "cannot tell"],
];
const WEAK = 0.6; // an AUROC up to here barely discriminates
const MOVED = 0.005; // of a similarity; less is not drawn as a change
const READING = "A bar shows how much the image resembles the text; it does not detect a finding.";

export class Rows {
  /**
   * @param {HTMLElement} root
   * @param {Object} options
   * @param {() => void} options.onedit the lists changed
   * @param {(name: string, index: number) => void} options.onfocus a row was chosen for the map
   * @param {(name: string, texts: string[]) => void} options.onlibrary the AUROCs of wordings for a class are wanted
   */
  constructor(root, { onedit, onfocus, onlibrary }) {
    this.root = root;
    this.onedit = onedit;
    this.onfocus = onfocus;
    this.onlibrary = onlibrary;
    this.views = {};
    this.suggestions = new Suggestions((box, text) => this.#take(box, text));
    this.notice = make("p", { class: "vip-notice", role: "status" });
    this.reading = make("p", { class: "vip-reading-note" });
    let width = 0;
    new ResizeObserver(([{ contentRect }]) => {
      if (contentRect.width === width) return;
      width = contentRect.width; // zero while another page is shown
      for (const view of Object.values(this.views).flat()) fit(view.text);
    }).observe(root);
  }

  /** Show the lists of a task. */
  show(task, store) {
    this.task = task;
    this.store = store;
    this.focused = null;
    this.groups = {};
    this.views = {};
    this.root.replaceChildren(
      ...task.classes.map((name, label) => this.#group(name, label)),
      this.notice,
      this.suggestions.node,
    );
    this.root.querySelectorAll(".vip-group-foot").forEach(foot => foot.append(this.reading)); // ends up in the last
    this.#head(null);
    for (const name of task.classes) this.sync(name);
  }

  #group(name, label) {
    const list = make("ul", { class: "vip-list", "aria-label": `Symptoms of ${name}` });
    const add = button("+ add a symptom", () => this.add(name), { class: "vip-add", "aria-label": `Add a symptom of ${name}` });
    const towards = make("small", { class: "vip-adds-head" });
    this.groups[name] = { list, add, towards };
    this.views[name] = [];
    return make(
      "section",
      { class: "vip-group", style: `--vip-class: ${this.task.colours[label]}` },
      make(
        "header",
        {},
        make("h2", {}, name),
        make("small", { class: "vip-axis" }, "less similar ← → more similar"),
        towards,
        make("small", { class: "vip-auroc-head", title: this.task.auroc_note }, "AUROC"),
        make("small", { class: "vip-finding-head", title: "Your own reading, in place of the model’s" }, "finding"),
      ),
      list,
      make("div", { class: "vip-group-foot" }, add),
    );
  }

  /** Make the rows of a class those of the store; rows that are there keep their elements. */
  sync(name) {
    const rows = this.store.lists[name];
    const views = this.views[name];
    const { list, add } = this.groups[name];
    while (views.length > rows.length) views.pop().node.remove();
    while (views.length < rows.length) {
      const view = this.#row(name);
      views.push(view);
      list.append(view.node);
    }
    rows.forEach((row, index) => {
      const view = views[index];
      view.index = index;
      if (view.text.value !== row.text) {
        view.text.value = row.text;
        fit(view.text);
      }
      view.on.checked = row.on;
      view.finding.value = row.finding ?? "";
      view.node.classList.toggle("vip-off", !row.on);
      view.node.classList.toggle("vip-own-finding", Boolean(row.finding));
      attribute(view.text, "aria-label", `Symptom ${index + 1} of ${name}`);
      attribute(view.on, "aria-label", `Score symptom ${index + 1} of ${name}`);
      attribute(view.finding, "aria-label", `Your finding for symptom ${index + 1} of ${name}`);
      attribute(view.remove, "aria-label", `Remove symptom ${index + 1} of ${name}`);
    });
    add.disabled = rows.length >= MOST_SYMPTOMS;
  }

  #row(name) {
    const view = { index: 0, strip: strip() };
    view.on = make("input", { type: "checkbox", onchange: () => this.#edit(name, () => this.store.set(name, view.index, { on: view.on.checked })) });
    view.text = make("textarea", {
      rows: 1,
      spellcheck: "true",
      "aria-autocomplete": "list",
      "aria-controls": "vip-suggestions",
      oninput: event => this.#type(name, view, event),
      onkeydown: event => this.#key(name, view, event),
      onpaste: event => this.#paste(name, view, event),
      onfocus: () => this.#focus(name, view),
      onblur: () => this.suggestions.close(),
    });
    view.value = make("output", { class: "vip-value" });
    view.adds = make("i");
    view.addsValue = make("span", { class: "vip-adds-value" });
    view.auroc = make("span", { class: "vip-auroc" });
    view.finding = make(
      "select",
      { onchange: () => this.#edit(name, () => this.store.set(name, view.index, { finding: view.finding.value || null })) },
      ...FINDINGS.map(([value, label]) => make("option", { value }, label)),
    );
    view.remove = button("×", () => this.remove(name, view.index), { class: "vip-remove", title: "Remove this symptom" });
    view.note = make("span", { class: "vip-row-note" });
    view.handle = make("span", { class: "vip-handle", draggable: "true", title: "Drag to reorder, or press Alt with an arrow key", "aria-hidden": "true" }, "⋮⋮");
    view.handle.addEventListener("dragstart", event => {
      this.dragged = { name, index: view.index };
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setData("text/plain", view.text.value);
    });
    view.node = make(
      "li",
      {
        class: "vip-row",
        onclick: event => !event.target.closest("textarea, input, select, button") && this.#focus(name, view),
        ondragover: event => this.dragged?.name === name && event.preventDefault(),
        ondrop: event => {
          if (this.dragged?.name !== name) return;
          event.preventDefault();
          event.stopPropagation(); // it is no picture
          this.move(name, this.dragged.index, view.index);
          this.dragged = null;
        },
      },
      view.handle,
      view.on,
      make("div", { class: "vip-text" }, view.text, view.note),
      view.strip.svg,
      view.value,
      make("div", { class: "vip-adds", "aria-hidden": "true" }, view.adds),
      view.addsValue,
      view.auroc,
      view.finding,
      view.remove,
    );
    return view;
  }

  // ---- what a person does

  #edit(name, change) {
    say(this.notice, "");
    change();
    this.sync(name);
    this.onedit();
  }

  #type(name, view, event) {
    fit(view.text);
    if (/[\r\n]/.test(view.text.value)) view.text.value = view.text.value.replace(/[\r\n]+/g, " ");
    this.store.type(name, view.index, view.text.value);
    this.#suggest(name, view);
    if (!event.isComposing) this.onedit();
  }

  /** The library's wordings with their AUROC for a class, as far as it is known. */
  wordings(name) {
    const { library } = this.task;
    if (!Array.isArray(library)) return library[name] ?? [];
    const known = (this.aurocs ??= {})[`${this.task.key}|${name}`];
    if (!known) this.onlibrary?.(name, library.map(entry => entry.text));
    return library.map((entry, index) => ({ ...entry, auroc: known?.[index] ?? null }));
  }

  /** Take these AUROCs, and show the suggestions that are open with them. */
  know(name, aurocs) {
    (this.aurocs ??= {})[`${this.task.key}|${name}`] = aurocs;
    const view = this.views[name]?.find(each => each.text === document.activeElement);
    if (view && this.suggestions.open) this.#suggest(name, view);
  }

  #suggest(name, view) {
    const used = new Set(this.store.lists[name].map(row => row.text));
    used.delete(view.text.value);
    const opened = view.openedWith ?? view.text.value; // undefined where a text came without the focus
    const fresh = !this.task.lists[name].includes(opened);
    if (fresh && opened.trim() === "") this.suggestions.show(view.text, matching(this.wordings(name), view.text.value, used));
  }

  #focus(name, view) {
    this.focused = { name, index: view.index };
    view.openedWith = view.text.value;
    this.onfocus(name, view.index);
    if (document.activeElement === view.text) this.#suggest(name, view);
    this.mark();
  }

  /** Show which row the map is of. */
  mark() {
    for (const [name, views] of Object.entries(this.views)) {
      for (const view of views) view.node.classList.toggle("vip-focused", this.focused?.name === name && this.focused.index === view.index);
    }
  }

  #key(name, view, event) {
    if (event.isComposing || this.suggestions.key(event)) return;
    const { selectionStart: start, selectionEnd: end, value } = view.text;
    if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
      event.preventDefault();
      this.move(name, view.index, view.index + (event.key === "ArrowUp" ? -1 : 1));
    } else if (event.key === "Enter") {
      event.preventDefault();
      this.add(name, view.index + 1);
    } else if (event.key === "Backspace" && value === "" && this.store.lists[name].length > 1) {
      event.preventDefault();
      this.remove(name, view.index);
    } else if (event.key === "ArrowUp" && start === 0 && end === 0) {
      this.#step(name, view, -1, event);
    } else if (event.key === "ArrowDown" && start === value.length && end === value.length) {
      this.#step(name, view, 1, event);
    }
  }

  #step(name, view, direction, event) {
    const order = this.task.classes.flatMap(each => this.views[each]);
    const next = order[order.indexOf(view) + direction];
    if (!next) return;
    event.preventDefault();
    next.text.focus();
    const caret = direction < 0 ? next.text.value.length : 0;
    next.text.setSelectionRange(caret, caret);
  }

  #paste(name, view, event) {
    const pasted = event.clipboardData?.getData("text/plain") ?? "";
    const lines = pasted.split(/\r?\n/).map(line => line.replace(/^\s*(?:[-*•–]|\d{1,2}[.)])\s+/, "").trim()).filter(Boolean);
    if (lines.length < 2) return;
    event.preventDefault();
    const empty = view.text.value.trim() === "";
    this.#edit(name, () => {
      const taken = this.store.insert(name, view.index + 1, empty ? lines.slice(1) : lines);
      if (empty) Object.assign(this.store.lists[name][view.index], { text: lines[0] });
      const left = lines.length - (empty ? 1 : 0) - taken;
      if (left > 0) say(this.notice, `${left} pasted lines were left out: a class can have at most ${MOST_SYMPTOMS} symptoms.`);
    });
  }

  #take(box, text) {
    for (const [name, views] of Object.entries(this.views)) {
      const view = views.find(each => each.text === box);
      if (view) this.#edit(name, () => this.store.type(name, view.index, text));
    }
  }

  add(name, index = this.store.lists[name].length) {
    this.#edit(name, () => this.store.insert(name, index, [""]));
    this.views[name][Math.min(index, this.views[name].length - 1)].text.focus();
  }

  remove(name, index) {
    if (this.store.lists[name].length === 1) {
      say(this.notice, `“${name}” needs at least one symptom. Rewrite this one instead.`);
      return;
    }
    this.#edit(name, () => this.store.remove(name, index));
    const next = this.views[name][Math.max(0, index - 1)];
    next.text.focus();
    next.text.setSelectionRange(next.text.value.length, next.text.value.length);
  }

  move(name, from, to) {
    if (to < 0 || to >= this.store.lists[name].length) return;
    this.#edit(name, () => this.store.move(name, from, to));
    this.views[name][to].text.focus();
  }

  // ---- what the model says

  /** Say what a positive number counts towards. direction: [towards, against], or null before the first scores. */
  #head(direction) {
    const { classes, finding } = this.task;
    const [towards, against] = direction ?? (finding === null ? [null, null] : [classes[finding], classes[1 - finding]]);
    for (const group of Object.values(this.groups)) {
      say(group.towards, towards === null ? "" : `towards ${towards}`);
      attribute(group.towards, "title", towards === null ? null : `What the symptom adds towards ${towards}; negative: towards ${against}`);
    }
    const more = finding === null && towards !== null ? ` Numbers are towards ${towards}, against ${against}, the strongest other class.` : "";
    say(this.reading, READING + more);
  }

  /** Colours of what counts against and towards. */
  #sides(direction) {
    const { classes, colours } = this.task;
    return [direction[1], direction[0]].map(name => colours[classes.indexOf(name)]);
  }

  /**
   * Paint scores. Rows without a score (off, empty, or no image yet) keep their strip's distributions.
   * @param {Object|null} scores as the server or the worker gives them; null without an image
   */
  paint(scores) {
    const largest = Math.max(1e-6, ...(scores?.rows ?? []).map(row => Math.abs(row.adds)));
    this.#head(scores?.direction ?? null);
    const sides = scores ? this.#sides(scores.direction) : null;
    this.task.classes.forEach((name, label) => {
      this.views[name].forEach((view, index) => {
        const score = scores?.rows.find(row => row.class === name && row.index === index) ?? null;
        const moved = score && score.before !== null && Math.abs(score.before - score.similarity) > MOVED;
        paintStrip(view.strip, {
          axis: scores?.axis ?? this.task.axis[scores?.mode ?? "vip"],
          counts: score?.counts ?? null,
          names: this.task.strip_names[label],
          colours: this.task.strip_colours[label],
          similarity: score?.similarity ?? null,
          before: moved ? score.before : null,
          percentiles: score?.percentiles ?? null,
        });
        const { on, text } = this.store.lists[name][index];
        const counts = scores?.direction.includes(name);
        say(view.value, score ? signed(score.similarity, 2, "") : "");
        say(view.addsValue, score ? (counts ? signed(score.adds) : "–") : on ? "" : "off");
        const width = score ? (Math.abs(score.adds) / largest) * 50 : 0;
        const against = score !== null && score.adds < 0;
        view.adds.style.cssText = `left:${against ? 50 - width : 50}%;width:${width}%;background:${sides ? sides[against ? 0 : 1] : "none"}`;
        const auroc = score?.auroc ?? null;
        const added = auroc !== null && !this.task.lists[name].includes(text.trim()); // nobody has labelled this finding
        say(view.auroc, auroc === null ? "" : share(auroc));
        if (added) view.auroc.append(make("small", {}, "of class"));
        view.auroc.classList.toggle("vip-weak", auroc !== null && auroc <= WEAK);
        const remark = auroc === null ? null : auroc < 0.4 ? "Favours another class." : auroc <= WEAK ? "Barely discriminates the classes." : "";
        const unlabelled = added ? `Of the class “${name}”, not of this finding, for which there are no labels.` : `${this.task.auroc_note}.`;
        attribute(view.auroc, "title", auroc === null ? null : `${remark} ${unlabelled}`.trim());
        say(view.note, score?.note ?? "");
        attribute(view.note, "hidden", !score?.note);
      });
    });
  }
}

/** As high as its text; a hidden box has no height to measure. */
function fit(box) {
  if (!box.offsetParent) return;
  box.style.height = "auto";
  box.style.height = `${box.scrollHeight}px`;
}

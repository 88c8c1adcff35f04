/** The lists of symptoms with their numbers: what a person does in the rows, made once and painted in place, so the caret never moves. */

import { make, say } from "./dom.js";
import { Group } from "./group.js";
import { Row } from "./row.js";
import { RowDrag } from "./row_drag.js";
import { pastedLines, pressInRow } from "./row_keys.js";
import { paintRow, scaleOf } from "./row_scores.js";
import { MOST_SYMPTOMS } from "./store.js";
import { Suggestions, matching } from "./suggest.js";
import { Wordings } from "./wordings.js";

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
    this.groups = new Map(); // by class, in the order of the task
    this.wordings = new Wordings(onlibrary);
    this.suggestions = new Suggestions((box, text) => this.#take(box, text));
    this.drag = new RowDrag((name, from, to) => this.move(name, from, to));
    this.notice = make("p", { class: "vip-notice", role: "status" });
    this.reading = make("p", { class: "vip-reading-note" });
    this.acts = {
      onset: ({ name, index }, change) => this.#edit(name, () => this.store.set(name, index, change)),
      ontype: (row, event) => this.#type(row, event),
      onkey: (row, event) => this.#key(row, event),
      onpaste: (row, event) => this.#paste(row, event),
      onfocus: row => this.#focus(row),
      onblur: () => this.suggestions.close(),
      onremove: ({ name, index }) => this.remove(name, index),
    };
    let width = 0;
    new ResizeObserver(([{ contentRect }]) => {
      if (contentRect.width === width) return;
      width = contentRect.width; // zero while another page is shown
      for (const row of this.#all()) row.fit();
    }).observe(root);
  }

  /** Show the lists of a task. */
  show(task, store) {
    this.task = task;
    this.store = store;
    this.focused = null;
    this.groups = new Map(task.classes.map(name => [name, new Group(task, name, () => this.add(name))]));
    const groups = [...this.groups.values()];
    this.root.replaceChildren(...groups.map(group => group.node), this.notice, this.suggestions.node);
    groups.at(-1).foot.append(this.reading);
    this.#head(null);
    for (const name of task.classes) this.sync(name);
  }

  /** Make the rows of a class those of the store. */
  sync(name) {
    this.groups.get(name).show(this.store.lists[name], () => {
      const row = new Row(name, this.acts);
      this.drag.listen(row);
      return row;
    });
  }

  /** Every row, in the order of the page. */
  #all() {
    return [...this.groups.values()].flatMap(group => group.rows);
  }

  // ---- what a person does

  #edit(name, change) {
    say(this.notice, "");
    change();
    this.sync(name);
    this.onedit();
  }

  #type(row, event) {
    row.fit();
    if (/[\r\n]/.test(row.text.value)) row.text.value = row.text.value.replace(/[\r\n]+/g, " ");
    this.store.type(row.name, row.index, row.text.value);
    this.#suggest(row);
    if (!event.isComposing) this.onedit();
  }

  #key(row, event) {
    if (event.isComposing || this.suggestions.key(event)) return;
    const { name, index } = row;
    const acts = {
      onmove: step => this.move(name, index, index + step),
      onadd: () => this.add(name, index + 1),
      onremove: () => this.remove(name, index),
      onstep: step => this.#step(row, step),
    };
    pressInRow(event, row, acts, this.store.lists[name].length === 1);
  }

  /** Go to the row above (-1) or below (1). Returns whether there is one. */
  #step(row, step) {
    const rows = this.#all();
    const next = rows[rows.indexOf(row) + step];
    if (!next) return false;
    next.text.focus();
    const caret = step < 0 ? next.text.value.length : 0;
    next.text.setSelectionRange(caret, caret);
    return true;
  }

  #paste(row, event) {
    const lines = pastedLines(event);
    if (!lines) return;
    event.preventDefault();
    const { name, index } = row;
    const empty = row.text.value.trim() === "";
    this.#edit(name, () => {
      const taken = this.store.insert(name, index + 1, empty ? lines.slice(1) : lines);
      if (empty) Object.assign(this.store.lists[name][index], { text: lines[0] });
      const left = lines.length - (empty ? 1 : 0) - taken;
      if (left > 0) say(this.notice, `${left} pasted lines were left out: a class can have at most ${MOST_SYMPTOMS} symptoms.`);
    });
  }

  #focus(row) {
    this.focused = { name: row.name, index: row.index };
    row.openedWith = row.text.value;
    this.onfocus(row.name, row.index);
    if (document.activeElement === row.text) this.#suggest(row);
    this.mark();
  }

  /** Show which row the map is of. */
  mark() {
    for (const { node, name, index } of this.#all()) {
      node.classList.toggle("vip-focused", this.focused?.name === name && this.focused.index === index);
    }
  }

  /** Put the caret into a row. */
  enter(name, index) {
    this.groups.get(name).rows[index].text.focus();
  }

  add(name, index = this.store.lists[name].length) {
    this.#edit(name, () => this.store.insert(name, index, [""]));
    this.enter(name, Math.min(index, this.groups.get(name).rows.length - 1));
  }

  remove(name, index) {
    if (this.store.lists[name].length === 1) {
      say(this.notice, `“${name}” needs at least one symptom. Rewrite this one instead.`);
      return;
    }
    this.#edit(name, () => this.store.remove(name, index));
    const { text } = this.groups.get(name).rows[Math.max(0, index - 1)];
    text.focus();
    text.setSelectionRange(text.value.length, text.value.length);
  }

  move(name, from, to) {
    if (to < 0 || to >= this.store.lists[name].length) return;
    this.#edit(name, () => this.store.move(name, from, to));
    this.enter(name, to);
  }

  // ---- suggestions

  /** Take these AUROCs, and show the suggestions that are open with them. */
  know(name, aurocs) {
    this.wordings.know(this.task, name, aurocs);
    const row = this.groups.get(name)?.rows.find(each => each.text === document.activeElement);
    if (row && this.suggestions.open) this.#suggest(row);
  }

  #suggest({ name, text, openedWith }) {
    const used = new Set(this.store.lists[name].map(symptom => symptom.text));
    used.delete(text.value);
    const opened = openedWith ?? text.value; // undefined where a text came without the focus
    const fresh = !this.task.lists[name].includes(opened);
    if (fresh && opened.trim() === "") this.suggestions.show(text, matching(this.wordings.of(this.task, name), text.value, used), this.task.reference_note);
  }

  #take(box, text) {
    const row = this.#all().find(each => each.text === box);
    if (row) this.#edit(row.name, () => this.store.type(row.name, row.index, text));
  }

  // ---- what the model says

  /** Say what a positive number counts towards. direction: [towards, against], or null before the first scores. */
  #head(direction) {
    const { classes, finding } = this.task;
    const [towards, against] = direction ?? (finding === null ? [null, null] : [classes[finding], classes[1 - finding]]);
    for (const group of this.groups.values()) group.head(towards, against);
    const more = finding === null && towards !== null ? ` Numbers are towards ${towards}, against ${against}, the strongest other class.` : "";
    say(this.reading, READING + more);
  }

  /** Paint scores. scores: as the server or the worker gives them; null without an image */
  paint(scores) {
    const { task } = this;
    const scale = scaleOf(scores, task);
    this.#head(scores?.direction ?? null);
    for (const row of this.#all()) {
      const score = scores?.rows.find(each => each.class === row.name && each.index === row.index) ?? null;
      paintRow(row, score, { task, scores, scale, symptom: this.store.lists[row.name][row.index] });
    }
  }
}

/** What a person does to the lists: edits, undo, versions, symptom files and links. Every change is kept in the browser. */

import { loadLists, saveLists, shareLists } from "./keeping.js";
import { rowsOf } from "./store.js";

export class Editing {
  /**
   * @param {Object} parts
   * @param {import("./tasks.js").Tasks} parts.tasks
   * @param {import("./frame.js").Frame} parts.frame
   * @param {import("./rows.js").Rows} parts.rows
   * @param {() => void} parts.onchange lists or versions changed
   */
  constructor({ tasks, frame, rows, onchange }) {
    this.tasks = tasks;
    this.frame = frame;
    this.rows = rows;
    this.onchange = onchange;
  }

  get store() {
    return this.tasks.store;
  }

  /** Change the lists, and show them. */
  change(edit) {
    edit();
    for (const name of this.tasks.task.classes) this.rows.sync(name);
    this.changed();
  }

  /** The lists changed, and the rows show it. */
  changed() {
    this.frame.link.hidden = true; // it leads to the lists as they were
    this.tasks.keep();
    this.frame.showSteps(this.store);
    this.onchange();
  }

  /** Take other rows of each class. */
  replace(rows) {
    this.change(() => this.store.replace(rows));
  }

  undo() {
    this.change(() => this.store.undo());
  }

  redo() {
    this.change(() => this.store.redo());
  }

  /** The task's own lists again. */
  reset() {
    if (this.store.edited) this.change(() => this.store.reset());
  }

  // ---- versions

  keepVersion(name) {
    this.store.keep(name);
    this.#versionsChanged();
  }

  deleteVersion(name) {
    this.store.forget(name);
    this.#versionsChanged();
  }

  #versionsChanged() {
    this.tasks.keep();
    this.onchange();
  }

  // ---- files and links

  async load(file) {
    try {
      const lists = await loadLists(file, this.tasks.task.classes);
      this.replace(rowsOf(lists));
      this.frame.say(`Loaded ${file.name}.`);
    } catch (error) {
      this.frame.say(error.message);
    }
  }

  save() {
    this.frame.attempt(() => saveLists(this.tasks.task, this.store), "Saved as a symptom file.");
  }

  share() {
    shareLists(this.tasks.task, this.store, this.frame.link, this.frame.status);
  }
}

/** The tasks of the page, with those that a person made by adding a class, and the lists of each as they were left. No DOM. */

import { withClass, withClasses } from "./classes.js";
import { forget, recall, recallAdded, remember, rememberAdded } from "./keeping.js";
import { Store, rowsOf, texts } from "./store.js";

export class Tasks {
  /** @param {Object<string, Object>} offered the tasks by key; added ones are put there, too */
  constructor(offered) {
    this.offered = offered;
    this.stores = {};
    this.key = null; // of the task that is shown
    this.preferred = "vip"; // the method that the person chose; a task may lack it
  }

  get task() {
    return this.offered[this.key];
  }

  get store() {
    return this.stores[this.key];
  }

  /** The method by which the task is scored; without a trained model only a zero-shot one. */
  get mode() {
    const { modes } = this.task;
    return modes.includes(this.preferred) ? this.preferred : modes[0];
  }

  choose(key) {
    this.key = key;
    this.storeOf(key);
  }

  /** The lists of a task, as they were left. */
  storeOf(key) {
    if (!this.stores[key]) {
      this.stores[key] = new Store(this.offered[key].lists);
      recall(key, this.stores[key]);
    }
    return this.stores[key];
  }

  /** Keep the lists of the task in this browser. */
  keep() {
    remember(this.key, this.store);
  }

  /** Take other lists of a task; rows of the same text keep their finding. Returns whether anything changed. */
  rewrite(key, lists) {
    const store = this.storeOf(key);
    const rows = rowsOf(lists);
    if (JSON.stringify(texts(store.lists)) === JSON.stringify(texts(rows))) return false;
    for (const name of Object.keys(rows)) {
      for (const each of rows[name]) each.finding = store.lists[name].find(row => row.text === each.text)?.finding ?? null;
    }
    store.replace(rows, "elsewhere");
    remember(key, store);
    return true;
  }

  // ---- added classes

  /** Take the tasks with added classes that this browser keeps. Returns those that were not there. */
  restoreAdded() {
    const kept = recallAdded().map(([base, ...names]) => withClasses(this.offered[base], names));
    return kept.filter(added => added && this.#offer(added));
  }

  /**
   * Add a class to the task that is shown: a task of its own.
   * @returns {{task: Object, lists: Object, fresh: boolean}} the task, the lists as they are with that of the class, and
   *   whether the task was not there yet
   * @throws {Error} with a sentence for the person
   */
  addClass(name) {
    const task = withClass(this.task, name);
    const added = task.classes.at(-1);
    const lists = { ...this.store.lists, [added]: rowsOf(task.lists)[added] };
    const fresh = this.#offer(task);
    rememberAdded(task);
    return { task, lists, fresh };
  }

  #offer(added) {
    if (this.offered[added.key]) return false;
    this.offered[added.key] = added;
    return true;
  }

  /** Forget all lists and added classes, here and in the browser. */
  empty() {
    forget();
    this.stores = {};
    for (const { key } of Object.values(this.offered).filter(task => task.added)) delete this.offered[key];
  }
}

/** The workbench of the Diagnose page: it joins image, prediction and rows, and what a person does with them. */

import { Answer } from "./answer.js";
import { Asking } from "./asking.js";
import { askForClass } from "./class_dialog.js";
import { Editing } from "./editing.js";
import { Frame } from "./frame.js";
import { firstVisit, linkedLists } from "./keeping.js";
import { More } from "./more.js";
import { askForChart, askForReport, saveFiles } from "./outputs.js";
import { Results } from "./results.js";
import { Rows } from "./rows.js";
import { listenForShortcuts } from "./shortcuts.js";
import { rowsOf } from "./store.js";
import { Tasks } from "./tasks.js";
import { Viewer } from "./viewer.js";

/**
 * The bench knows nothing of Gradio: a backend reads images and scores lists, on a server or in a worker of this browser.
 * It answers through `picture(…)`, `scores(…)`, `doubt(…)`, `files(…)` and `failed(…)` of the bench.
 */
export class Bench {
  /**
   * @param {HTMLElement} root
   * @param {Object} config description of the page
   * @param {Object} backend {read(request), score(request), clear(request), report(request), chart(request)}
   */
  constructor(root, config, backend) {
    this.root = root;
    this.config = config;
    this.tasks = new Tasks(config.tasks);
    this.asking = new Asking(backend, this);
    this.image = null;
    this.latest = null; // the scores that are shown
    this.answered = 0; // number of the newest question that was answered, with scores or an error
    this.#build();
    for (const task of this.tasks.restoreAdded()) this.frame.offer(task);
    const linked = this.frame.attempt(() => linkedLists(config.tasks), "");
    this.take(linked?.task ?? config.order[0]);
    if (linked?.lists) this.editing.replace(rowsOf(linked.lists));
  }

  #build() {
    const { config, root, tasks } = this;
    this.more = new More({
      onopen: () => this.#request(),
      onkeep: name => this.editing.keepVersion(name),
      ondelete: name => this.editing.deleteVersion(name),
      onuse: lists => this.editing.replace(lists),
      onchart: format => askForChart(this, format),
      onforget: () => this.#forget(),
    }, config.privacy, config.charts ?? true);
    this.frame = new Frame(root, config, {
      ontask: key => this.take(key),
      onmode: mode => this.#prefer(mode),
      onundo: () => this.editing.undo(),
      onredo: () => this.editing.redo(),
      onreset: () => this.#reset(),
      onload: file => this.editing.load(file),
      onsave: () => this.editing.save(),
      onshare: () => this.editing.share(),
      onreport: () => askForReport(this),
      onaddclass: () => askForClass(root, name => this.addClass(name)),
    }, this.more.node);
    const { frame } = this;
    this.viewer = new Viewer(frame.image, {
      onfile: (file, second) => this.read({ file, second, name: file.name }),
      onclear: () => this.clear(),
      onremovesecond: () => this.#removeSecond(),
    });
    frame.image.append(frame.examples); // below the viewer
    this.answer = new Answer(frame.answer, { onprevalence: () => this.#paintMore(), first: firstVisit() });
    this.rows = new Rows(frame.rows, {
      onedit: () => this.editing.changed(),
      onfocus: (name, index) => this.asking.focusOn(name, index) && this.#request(),
      onlibrary: (name, texts) => config.asks_library && this.asking.want(name, texts),
    });
    this.editing = new Editing({ tasks, frame, rows: this.rows, onchange: () => this.#request() });
    this.results = new Results(root, this);
    listenForShortcuts(root, {
      undo: () => this.editing.undo(),
      redo: () => this.editing.redo(),
      o: () => this.viewer.open(),
      e: () => this.rows.enter(this.task.classes[0], 0),
      m: () => this.viewer.map.toggle(),
      i: () => this.viewer.invert(),
      f: () => this.viewer.fullScreen(),
      0: () => this.viewer.zoom.fit(),
      "?": () => frame.help.showModal(),
    });
  }

  /** Number of the latest question. */
  get sent() {
    return this.asking.sent;
  }

  // ---- the task

  get key() {
    return this.tasks.key;
  }

  get task() {
    return this.tasks.task;
  }

  get store() {
    return this.tasks.store;
  }

  get mode() {
    return this.tasks.mode;
  }

  /** The lists of a task, as they were left. */
  storeOf(key) {
    return this.tasks.storeOf(key);
  }

  /** Switch to a task. Each keeps its own lists. */
  take(key) {
    this.#change(key);
    this.clear();
  }

  #change(key) {
    this.asking.wanted = null;
    this.tasks.choose(key);
    this.frame.show(this.task, (example, { diagnosis }) => this.read({ example, name: diagnosis }));
    this.frame.showMode(this.mode, this.task);
    this.rows.show(this.task, this.store);
    this.answer.show(this.task);
  }

  /** Add a class to the task: a task of its own, zero-shot, with the lists as they are. */
  addClass(name) {
    try {
      const { task, lists, fresh } = this.tasks.addClass(name);
      if (fresh) this.frame.offer(task);
      this.#change(task.key);
      this.editing.replace(lists);
      this.#request();
      this.frame.say(`“${task.classes.at(-1)}” was added. No model was trained for it, so all classes are now scored zero-shot.`);
    } catch (error) {
      this.frame.say(error.message);
    }
  }

  /** Take lists from elsewhere on the page, such as the Symptoms page. */
  put({ task, lists }) {
    if (task !== this.key) this.take(task);
    this.editing.replace(rowsOf(lists));
  }

  /** Take lists of a task as they are being typed elsewhere; rows of the same text keep their finding. */
  write(key, lists) {
    if (this.tasks.rewrite(key, lists) && key === this.key) this.editing.change(() => {});
  }

  /** The page as the task came: its own lists and no prevalence. */
  #reset() {
    this.answer.clearPrevalence();
    this.editing.reset();
  }

  #prefer(mode) {
    this.tasks.preferred = mode;
    this.frame.showMode(this.mode, this.task);
    this.#request();
  }

  #forget() {
    const { image, key, task } = this;
    this.tasks.empty();
    this.frame.keep(this.config.tasks);
    this.take(task.base ?? key);
    this.frame.say(image ? "Removed: your lists, your versions and the image." : "Removed: your lists and your versions.");
  }

  // ---- the image

  read({ file = null, example = null, cohort = null, second = false, name }) {
    this.viewer.reading(name);
    if (!second) {
      this.#blank();
      this.frame.press(example);
    }
    this.asking.read({ file, example, cohort, second });
  }

  clear() {
    this.viewer.reading("");
    this.viewer.clear(this.task.invitation);
    this.#blank();
    this.frame.press(null);
    this.asking.clear();
    this.frame.showSteps(this.store);
    this.#paintMore();
  }

  #blank() {
    this.image = null;
    this.latest = null;
    this.asking.focus = null;
    this.results.blank();
  }

  #removeSecond() {
    this.viewer.panes.removeSecond();
    this.asking.clearSecond();
    this.#request();
  }

  /** An image was read. */
  picture(picture) {
    if (!this.asking.isCurrent(picture)) return;
    if (picture.error) return this.failed(picture);
    this.results.showPicture(picture);
    if (picture.none || !picture.second) this.image = picture;
    this.frame.say("");
  }

  /** Whether small changes of the image or the wording change its class; comes after the scores. */
  doubt(doubt) {
    if (!this.asking.isCurrent(doubt)) return;
    this.answer.tell(doubt);
  }

  /** The backend could not do something. choice: of the image that it was for, if it was for one */
  failed({ choice = this.asking.choice, error }) {
    if (!this.asking.isCurrent({ choice })) return;
    this.viewer.reading("");
    this.answer.paint(this.latest, error);
  }

  // ---- scoring

  #request() {
    if (this.image) this.asking.score();
    this.#paintMore();
  }

  #paintMore() {
    this.results.paintMore(this.latest, this);
  }

  /** Scores of the lists as they were sent. */
  scores(scores) {
    if (scores.library) {
      this.asking.wanted = null;
      this.rows.know(scores.library.class, scores.library.aurocs);
    }
    if (!scores.rows && !scores.error) return;
    if (!this.asking.isCurrent(scores) || scores.id < this.answered) return;
    this.answered = scores.id;
    if (scores.error) return this.results.paintError(this.latest, scores.error);
    if (!this.viewer.second) {
      delete scores.second; // it was asked for before the second image was removed
      delete scores.map?.second;
      for (const row of scores.rows) delete row.second;
    }
    this.asking.complete(scores);
    this.latest = scores;
    this.results.paint(scores, this);
  }

  /** Files that were asked for. */
  files(made) {
    saveFiles(this.frame, made);
  }
}

/**
 * The workbench of the Diagnose page: image, answer and rows, and everything a person does with them. It knows nothing of
 * Gradio: a backend reads images and scores lists, on a server or in a worker of this browser.
 *
 * The backend: {read(request), score(request), clear(), report(request), chart(request)}; it answers through
 * `bench.picture(…)`, `bench.scores(…)`, `bench.files(…)` and `bench.failed(…)`.
 */

import { Answer } from "./answer.js";
import { button, download, make, say } from "./dom.js";
import { perCent } from "./format.js";
import { firstVisit, linkedLists, loadLists, saveLists, shareLists, visited } from "./keeping.js";
import { forget, recall, recallAdded, remember, rememberAdded } from "./keeping.js";
import { More } from "./more.js";
import { withClass, withClasses } from "./classes.js";
import { Rows } from "./rows.js";
import { Store, rowsOf, texts } from "./store.js";
import { Viewer } from "./viewer.js";

const KEYS = [
  ["o", "Open an image"],
  ["e", "Edit the first symptom"],
  ["m", "Show or hide the map"],
  ["i", "Invert the image"],
  ["f", "Full screen"],
  ["0", "Fit the image"],
  ["Ctrl Z, Ctrl Shift Z", "Undo, redo"],
  ["Enter", "In a row: add a row below"],
  ["Backspace", "In an empty row: remove it"],
  ["Alt ↑, Alt ↓", "In a row: move it"],
  ["↑, ↓", "At the start or end of a row: go to the row above or below"],
  ["?", "This list"],
];

export class Bench {
  constructor(root, config, backend) {
    this.root = root;
    this.config = config;
    this.backend = backend;
    this.stores = {};
    this.choice = 0; // counts choices of an image; an answer to an older one is dropped
    this.sent = 0; // counts requests; an answer to an older one is dropped
    this.started = false; // whether an image was ever chosen
    this.image = null;
    this.latest = null;
    this.focus = null;
    this.drawn = new Map();
    this.mode = this.preferred = "vip"; // what is shown, and what the person chose; a task may lack it
    this.#build();
    for (const [base, ...names] of recallAdded()) this.#offer(withClasses(config.tasks[base], names));
    const linked = this.#said(() => linkedLists(config.tasks), "");
    this.take(linked?.task ?? config.order[0]);
    if (linked?.lists) this.#edit(() => this.store.replace(rowsOf(linked.lists)));
  }

  // ---- laying out

  #build() {
    const { config } = this;
    this.task_box = make(
      "select",
      { class: "vip-task", "aria-label": "Task", onchange: () => this.take(this.task_box.value) },
      ...config.order.map(key => make("option", { value: key }, labelOf(config.tasks[key]))),
    );
    this.mode_box = make(
      "select",
      { class: "vip-mode", "aria-label": "Method", onchange: () => this.#setMode(this.mode_box.value) },
      ...config.modes.map(([key, label]) => make("option", { value: key }, label)),
    );
    const image = make("section", { class: "vip-image", "aria-label": "Image" });
    const answer = make("section", { class: "vip-answer", "aria-label": "Prediction" });
    const rows = make("section", { class: "vip-rows", "aria-label": "Symptoms" });
    this.examples = make("div", { class: "vip-examples", role: "group", "aria-label": "Examples, with their known diagnosis" });
    this.file = make("input", { type: "file", accept: ".json,application/json", hidden: true, "aria-label": "Choose a symptom file", onchange: () => this.#load() });
    this.undo = button("Undo", () => this.#edit(() => this.store.undo()), { class: "vip-undo" });
    this.redo = button("Redo", () => this.#edit(() => this.store.redo()), { class: "vip-redo" });
    this.status = make("p", { class: "vip-status", role: "status" });
    this.link = make("a", { class: "vip-link", hidden: true });
    this.legend = make("p", { class: "vip-legend" });
    this.help = make(
      "dialog",
      { class: "vip-help", "aria-label": "Keyboard shortcuts" },
      make("h2", {}, "Keyboard shortcuts"),
      make("dl", {}, ...KEYS.flatMap(([key, words]) => [make("dt", {}, key), make("dd", {}, words)])),
      button("Close", () => this.help.close()),
    );
    this.more = new More({
      onopen: () => this.#request(),
      onkeep: name => this.#kept(() => this.store.keep(name)),
      ondelete: name => this.#kept(() => this.store.forget(name)),
      onuse: lists => this.#edit(() => this.store.replace(lists)),
      onchart: format => this.#chart(format),
      onforget: () => this.#forget(),
    }, config.privacy, config.charts ?? true);
    this.root.replaceChildren(
      make(
        "div",
        { class: "vip-top" },
        this.task_box,
        this.mode_box,
        make("span", { class: "vip-disclaimer" }, config.disclaimer),
        button("?", () => this.help.showModal(), { class: "vip-help-open", "aria-label": "Keyboard shortcuts" }),
      ),
      image,
      answer,
      rows,
      make(
        "footer",
        { class: "vip-actions" },
        this.undo,
        this.redo,
        button("Reset", () => this.#reset(), { class: "vip-reset", title: "The original lists, and no prevalence" }),
        button("Load", () => this.file.click(), { class: "vip-load" }),
        button("Save", () => this.#said(() => saveLists(this.task, this.store), "Saved as a symptom file."), { class: "vip-save" }),
        button("Link", () => shareLists(this.task, this.store, this.link, this.status), { class: "vip-share" }),
        button("Report", () => this.#report(), { class: "vip-report" }),
        ...(config.adds_classes ? [button("+ class", () => this.#askClass(), { class: "vip-add-class", title: "Add a class, scored zero-shot" })] : []),
        this.link,
        this.status,
        this.file,
      ),
      this.legend,
      this.more.node,
      this.help,
    );
    this.viewer = new Viewer(image, {
      onfile: (file, second) => this.read({ file, second, name: file.name }),
      onclear: () => this.clear(),
      onremovesecond: () => {
        this.viewer.panes.removeSecond();
        this.backend.clear({ second: true });
        this.#request();
      },
    });
    image.append(this.examples);
    this.answer = new Answer(answer, { onprevalence: () => this.#paintMore(), first: firstVisit() });
    this.rows = new Rows(rows, {
      onedit: () => this.#edited(),
      onfocus: (name, index) => this.#focused(name, index),
      onlibrary: (name, texts) => this.#wantLibrary(name, texts),
    });
    this.root.addEventListener("keydown", event => this.#key(event));
  }

  // ---- the task

  get task() {
    return this.config.tasks[this.key];
  }

  get store() {
    return this.stores[this.key];
  }

  /** The lists of a task, as they were left. */
  storeOf(key) {
    if (!this.stores[key]) {
      this.stores[key] = new Store(this.config.tasks[key].lists);
      recall(key, this.stores[key]);
    }
    return this.stores[key];
  }

  /** Switch to a task. Each keeps its own lists. */
  take(key) {
    this.#change(key);
    this.clear();
  }

  #change(key) {
    this.key = key;
    this.wanted = null;
    this.task_box.value = key;
    this.storeOf(key);
    this.examples.replaceChildren(
      ...this.task.examples.map((example, index) =>
        button("", () => this.read({ example: index, name: example.diagnosis }), { class: "vip-example", "aria-label": `Example: ${example.diagnosis}` }),
      ),
    );
    [...this.examples.children].forEach((node, index) => {
      const { src, diagnosis } = this.task.examples[index];
      node.append(make("img", { src, alt: "", loading: "lazy", width: 56, height: 56 }), make("span", {}, diagnosis));
    });
    say(this.legend, this.task.legend);
    this.#offerModes();
    this.rows.show(this.task, this.store);
    this.answer.show(this.task);
  }

  /** Add a class to the task: a task of its own, zero-shot, with the lists as they are. */
  addClass(name) {
    try {
      const added = withClass(this.task, name);
      const lists = { ...this.store.lists, [added.classes.at(-1)]: rowsOf(added.lists)[added.classes.at(-1)] };
      this.#offer(added);
      rememberAdded(added);
      const { image, choice } = this;
      this.#change(added.key);
      this.store.replace(lists);
      this.#edit(() => {});
      if (image && choice === this.choice) this.#request();
      say(this.status, `“${added.classes.at(-1)}” was added. No model was trained for it: all classes are now scored zero-shot.`);
    } catch (error) {
      say(this.status, error.message);
    }
  }

  /** Offer a task with added classes, where there is one. */
  #offer(added) {
    if (!added || this.config.tasks[added.key]) return;
    this.config.tasks[added.key] = added;
    this.task_box.append(make("option", { value: added.key }, added.label));
  }

  /** Take lists from elsewhere on the page, such as the Symptoms page. */
  put({ task, lists }) {
    if (task !== this.key) this.take(task);
    this.#edit(() => this.store.replace(rowsOf(lists)));
  }

  /** Take lists of a task as they are being typed elsewhere; rows of the same text keep their finding. */
  write(key, lists) {
    const store = this.storeOf(key);
    if (JSON.stringify(texts(store.lists)) === JSON.stringify(texts(rowsOf(lists)))) return;
    const rows = rowsOf(lists);
    for (const name of Object.keys(rows)) {
      for (const each of rows[name]) each.finding = store.lists[name].find(row => row.text === each.text)?.finding ?? null;
    }
    if (key === this.key) return this.#edit(() => store.replace(rows, "elsewhere"));
    store.replace(rows, "elsewhere");
    remember(key, store);
  }

  /** Offer the methods of the task: without a trained model only the zero-shot ones. */
  #offerModes() {
    const { modes } = this.task;
    for (const option of this.mode_box.options) option.hidden = option.disabled = !modes.includes(option.value);
    this.mode = modes.includes(this.preferred) ? this.preferred : modes[0];
    this.mode_box.value = this.mode;
    this.root.classList.toggle("vip-names-mode", this.mode === "names");
  }

  #setMode(mode) {
    this.mode = this.preferred = mode;
    this.root.classList.toggle("vip-names-mode", mode === "names");
    this.#request();
  }

  // ---- the image

  read({ file = null, example = null, cohort = null, second = false, name }) {
    this.choice += 1;
    this.started = true;
    this.viewer.reading(name);
    if (!second) {
      this.answer.doubt = null;
      this.image = null;
      this.latest = null;
      this.focus = null;
      this.answer.paint(null);
      this.rows.paint(null);
      [...this.examples.children].forEach((node, index) => node.setAttribute("aria-pressed", String(index === example)));
    }
    this.backend.read({ ...this.#asked(), file, example, cohort, second });
  }

  clear() {
    this.choice += 1;
    this.answer.doubt = null;
    this.image = null;
    this.latest = null;
    this.focus = null;
    this.viewer.reading("");
    this.viewer.clear(this.task.invitation);
    this.answer.paint(null);
    this.rows.paint(null);
    [...this.examples.children].forEach(node => node.setAttribute("aria-pressed", "false"));
    if (this.started) this.backend.clear({ choice: this.choice });
    this.#buttons();
    this.#paintMore();
  }

  /** An image was read. */
  picture(picture) {
    if (picture.choice !== this.choice) return;
    if (picture.error) return this.failed(picture);
    if (picture.none) {
      this.viewer.reading("");
      this.viewer.clear(picture.none);
      this.image = picture;
    } else if (picture.second) {
      this.viewer.showSecond(picture, picture.labels);
    } else {
      this.viewer.show(picture);
      this.image = picture;
    }
    say(this.status, "");
  }

  /** Whether small changes of the image or the wording change its class; comes after the scores. */
  doubt(doubt) {
    if (doubt.choice !== this.choice) return;
    this.answer.doubt = doubt;
    if (this.latest) this.answer.paint(this.latest);
  }

  failed({ choice = this.choice, error }) {
    if (choice !== this.choice) return;
    this.viewer.reading("");
    this.answer.paint(this.latest, error);
  }

  // ---- scoring

  #asked() {
    return {
      choice: this.choice,
      id: ++this.sent,
      task: this.task.base ?? this.key,
      mode: this.mode,
      lists: Object.fromEntries(
        Object.entries(this.store.lists).map(([name, rows]) => [name, rows.map(row => ({ ...row, drawn: this.drawn.has(this.#line(name, row.text)) }))]),
      ),
      focus: this.focus,
      changes: this.more.asksForChanges,
      versions: this.more.asksForVersions ? this.store.versions : [],
      library: this.wanted ?? null,
    };
  }

  /** By what the distributions of a row are kept: they depend on its text and the method, not on the image. */
  #line(name, text) {
    return JSON.stringify([this.key, this.mode, name, text.trim()]);
  }

  #request() {
    if (this.image) this.backend.score(this.#asked());
    this.#paintMore();
  }

  /** Change the versions, not the lists. */
  #kept(change) {
    change();
    remember(this.key, this.store);
    this.#request();
  }

  #edit(change) {
    change();
    for (const name of this.task.classes) this.rows.sync(name);
    this.#edited();
  }

  /** The page as the task came: its own lists and no prevalence. */
  #reset() {
    this.answer.clearPrevalence();
    if (this.store.edited) this.#edit(() => this.store.reset());
  }

  #edited() {
    this.link.hidden = true;
    remember(this.key, this.store);
    this.#buttons();
    this.#request();
  }

  #buttons() {
    this.undo.disabled = !this.store.canUndo;
    this.redo.disabled = !this.store.canRedo;
  }

  #focused(name, index) {
    if (this.focus?.class === name && this.focus.index === index) return;
    this.focus = { class: name, index };
    this.#request();
  }

  /** Ask for the AUROCs of a library's wordings; again with every request until they have come. */
  #wantLibrary(name, texts) {
    if (!this.config.asks_library || this.wanted?.class === name) return;
    this.wanted = { class: name, texts };
    this.backend.score(this.#asked());
  }

  /** Scores of the lists as they were sent. */
  scores(scores) {
    if (scores.library) {
      this.wanted = null;
      this.rows.know(scores.library.class, scores.library.aurocs);
    }
    if (!scores.rows && !scores.error) return;
    if (scores.choice !== this.choice || scores.id < (this.latest?.id ?? 0)) return;
    if (scores.error) {
      this.root.classList.add("vip-stale");
      return this.answer.paint(this.latest, scores.error);
    }
    if (!this.viewer.second) {
      delete scores.second; // it was asked for before the second image was removed
      delete scores.map?.second;
      for (const row of scores.rows) delete row.second;
    }
    this.root.classList.remove("vip-stale");
    this.root.classList.toggle("vip-out", Boolean(scores.domain && !scores.domain.in_domain));
    for (const row of scores.rows) {
      const line = this.#line(row.class, row.symptom);
      if (row.counts) this.drawn.set(line, row.counts);
      else row.counts = this.drawn.get(line) ?? null;
    }
    this.latest = scores;
    if (this.answer.first) visited();
    this.answer.paint(scores);
    this.rows.paint(scores);
    const foreign = scores.second?.domain && !scores.second.domain.in_domain;
    if (scores.map !== undefined) this.viewer.map.show(scores.map && { ...scores.map, second: foreign ? null : scores.map.second });
    if (scores.map?.focus) {
      this.rows.focused = { name: scores.map.focus.class, index: scores.map.focus.index };
      this.rows.mark();
    }
    this.#paintMore();
  }

  /** Answer and domain check of one of two compared images, in words. */
  #compared({ probabilities, domain }) {
    const { classes, finding } = this.task;
    if (domain && !domain.in_domain) return { answer: "No result", check: `Out of distribution. ${domain.reason}`, foreign: true };
    const best = finding ?? probabilities.indexOf(Math.max(...probabilities));
    const value = finding === null ? probabilities[best] : this.answer.probability(probabilities[best]);
    return { answer: `${classes[best]} ${perCent(value)}`, check: domain ? "Resembles the reference images" : "Not checked", foreign: false };
  }

  #paintMore() {
    if (this.latest?.second) this.viewer.panes.compare(this.#compared(this.latest), this.#compared(this.latest.second));
    this.more.paint({ scores: this.latest, task: this.task, store: this.store, probability: value => this.answer.probability(value) });
  }

  // ---- what is kept and taken away

  /** Do something and say so, or say why it cannot be done. */
  #said(act, sentence) {
    try {
      const result = act();
      say(this.status, sentence);
      return result;
    } catch (error) {
      queueMicrotask(() => say(this.status, error.message));
      return null;
    }
  }

  async #load() {
    const [file] = this.file.files;
    this.file.value = "";
    if (!file) return;
    try {
      const lists = await loadLists(file, this.task.classes);
      this.#edit(() => this.store.replace(rowsOf(lists)));
      say(this.status, `Loaded ${file.name}.`);
    } catch (error) {
      say(this.status, error.message);
    }
  }

  #forget() {
    forget();
    const image = this.image;
    const key = this.task.base ?? this.key;
    this.stores = {};
    for (const each of Object.values(this.config.tasks).filter(task => task.added)) delete this.config.tasks[each.key];
    for (const option of [...this.task_box.options]) if (!this.config.tasks[option.value]) option.remove();
    this.take(key);
    say(this.status, image ? "Removed: your lists, your versions and the image." : "Removed: your lists and your versions.");
  }

  #report() {
    if (!this.latest) return say(this.status, "Choose an image first; the report contains what the page shows.");
    say(this.status, "Preparing the report …");
    this.backend.report({ ...this.#asked(), note: this.more.note.value, prevalence: this.answer.prevalence });
  }

  #chart(format) {
    if (!this.latest) return say(this.status, "Choose an image first.");
    this.backend.chart({ ...this.#asked(), format });
  }

  /** Files that the backend made: [{name, type, data (base64)}]. */
  files({ files = [], error = null }) {
    if (error) return say(this.status, error);
    for (const { name, type, data } of files) {
      download(name, Uint8Array.from(atob(data), character => character.charCodeAt(0)), type);
    }
    say(this.status, `Saved: ${files.map(file => file.name).join(", ")}.`);
  }

  #askClass() {
    const name = make("input", { type: "text", maxlength: 60, "aria-label": "Name of the new class", placeholder: "Name of the new class" });
    const ask = make(
      "dialog",
      { class: "vip-help", "aria-label": "Add a class" },
      make("h2", {}, "Add a class"),
      make("p", {}, "No model is trained for it: all classes are then scored zero-shot, untested. Its first symptom is its name; rewrite it."),
      make(
        "form",
        { method: "dialog", class: "vip-line", onsubmit: () => this.addClass(name.value) },
        name,
        make("button", { type: "submit" }, "Add"),
        button("Cancel", () => ask.close()),
      ),
    );
    ask.addEventListener("close", () => ask.remove());
    this.root.append(ask);
    ask.showModal();
  }

  #key(event) {
    const writing = event.target.closest("input:not([type=checkbox]):not([type=range]), textarea, select");
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z" && (!writing || event.target.closest(".vip-rows"))) {
      event.preventDefault();
      this.#edit(() => (event.shiftKey ? this.store.redo() : this.store.undo()));
      return;
    }
    if (writing || event.ctrlKey || event.metaKey || event.altKey) return;
    const acts = {
      o: () => this.viewer.open(),
      e: () => this.rows.enter(this.task.classes[0], 0),
      m: () => this.viewer.map.toggle(),
      i: () => this.viewer.invert(),
      f: () => this.viewer.fullScreen(),
      0: () => this.viewer.zoom.fit(),
      "?": () => this.help.showModal(),
    };
    const act = acts[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }
}

/** A task's name in the menu; one without a trained model is marked. */
function labelOf({ label, modes }) {
  return modes.includes("vip") ? label : `Untested · ${label}`;
}

/** What the page asks the backend. Questions are numbered, so that an answer to an older one can be dropped. No DOM. */

export class Asking {
  /**
   * @param {Object} backend see bench.js
   * @param {Object} page what is asked about: task, store of its lists and mode, as they are when a question is asked; more:
   *   the panels, which say what they need
   */
  constructor(backend, page) {
    this.backend = backend;
    this.page = page;
    this.choice = 0; // counts choices of an image; an answer to an older one is dropped
    this.sent = 0; // counts requests; an answer to an older one is dropped
    this.started = false; // whether an image was ever chosen
    this.focus = null; // the row that the map is of
    this.wanted = null; // the library whose AUROCs have not come yet
    this.drawn = new Map(); // distributions of rows, which are sent once
  }

  #next() {
    const { task, store, mode, more } = this.page;
    const asked = (name, row) => ({ ...row, drawn: this.drawn.has(this.#line(name, row.text)) });
    return {
      choice: this.choice,
      id: ++this.sent,
      task: task.base ?? task.key,
      mode,
      lists: Object.fromEntries(Object.entries(store.lists).map(([name, rows]) => [name, rows.map(row => asked(name, row))])),
      focus: this.focus,
      changes: more.asksForChanges,
      versions: more.asksForVersions ? store.versions : [],
      library: this.wanted,
    };
  }

  /** By what the distributions of a row are kept: they depend on its text and the method, not on the image. */
  #line(name, text) {
    const { task, mode } = this.page;
    return JSON.stringify([task.key, mode, name, text.trim()]);
  }

  // ---- questions

  /** Have an image read and scored, or a second one. image: {file, example, cohort, second} */
  read(image) {
    this.choice += 1;
    this.started = true;
    this.backend.read({ ...this.#next(), ...image });
  }

  /** Have the image forgotten. */
  clear() {
    this.choice += 1;
    if (this.started) this.backend.clear({ choice: this.choice });
  }

  clearSecond() {
    this.backend.clear({ second: true });
  }

  score() {
    this.backend.score(this.#next());
  }

  report(parts) {
    this.backend.report({ ...this.#next(), ...parts });
  }

  chart(format) {
    this.backend.chart({ ...this.#next(), format });
  }

  /** Have the map drawn of a row from now on. Returns whether it was another one. */
  focusOn(name, index) {
    if (this.focus?.class === name && this.focus.index === index) return false;
    this.focus = { class: name, index };
    return true;
  }

  /** Ask for the AUROCs of a library's wordings; again with every request until they have come. */
  want(name, texts) {
    if (this.wanted?.class === name) return;
    this.wanted = { class: name, texts };
    this.score();
  }

  // ---- answers

  /** Whether an answer is about the image that is chosen now. */
  isCurrent({ choice }) {
    return choice === this.choice;
  }

  /** Keep the distributions that came with scores, and add those that came before. */
  complete(scores) {
    for (const row of scores.rows) {
      const line = this.#line(row.class, row.symptom);
      if (row.counts) this.drawn.set(line, row.counts);
      else row.counts = this.drawn.get(line) ?? null;
    }
  }
}

/** What is below the fold: what would change the answer, versions of the lists, the numbers, and the note of the report. */

import { button, make } from "./dom.js";
import { perCent, signed } from "./format.js";
import { refused } from "./meaning.js";

const HEADS = ["Class", "Symptom", "Similarity", "Percentile", null, "Attention", "AUROC of class"]; // null: what counts towards

export class More {
  /**
   * @param {Object} acts what a person may ask for: onopen() of a panel, onkeep(name), ondelete(name) and onuse(lists) of a
   *   version, onchart(format), onforget()
   * @param {string} privacy what happens to an image
   * @param {boolean} charts whether the backend draws charts
   */
  constructor(acts, privacy, charts) {
    this.acts = acts;
    this.latest = null;
    this.changes = make("div");
    this.versions = make("div");
    this.numbers = make("div", { class: "vip-scroll", tabindex: "0", role: "region", "aria-label": "Numbers" });
    this.name = make("input", { type: "text", maxlength: 40, placeholder: "Name of this version", "aria-label": "Name of this version" });
    this.note = make("textarea", {
      rows: 3,
      maxlength: 1000,
      "aria-label": "Note for the report",
      placeholder: "Note for the report (optional). It is printed verbatim.",
    });
    this.changePanel = this.#panel("What would change the answer", "vip-changes", this.changes);
    this.versionPanel = this.#panel(
      "Versions of the lists",
      "vip-versions",
      make("div", { class: "vip-line" }, this.name, button("Keep this version", () => this.#keep())),
      this.versions,
    );
    this.node = make(
      "div",
      { class: "vip-more" },
      this.changePanel,
      this.versionPanel,
      this.#panel(
        "Numbers and chart",
        "vip-numbers",
        make(
          "div",
          { class: "vip-line" },
          ...(charts ? ["png", "svg"] : []).map(kind => button(`Save chart (${kind.toUpperCase()})`, () => acts.onchart(kind))),
          button("Save JSON", () => acts.onchart("json")),
        ),
        this.numbers,
      ),
      this.#panel("Note for the report", "vip-note", this.note),
      make(
        "p",
        { class: "vip-memory" },
        `${privacy} Your lists and versions are kept in this browser; images are not. `,
        button("Forget", acts.onforget, { class: "vip-forget" }),
      ),
    );
  }

  get asksForChanges() {
    return this.changePanel.open;
  }

  get asksForVersions() {
    return this.versionPanel.open;
  }

  #panel(title, className, ...children) {
    const node = make("details", { class: className }, make("summary", {}, title), ...children);
    node.addEventListener("toggle", () => node.open && this.acts.onopen());
    return node;
  }

  #keep() {
    this.acts.onkeep(this.name.value.trim() || `version ${new Date().toLocaleTimeString()}`);
    this.name.value = "";
  }

  /** @param {{scores: ?Object, task: Object, store: Object, probability: (value: number) => number}} state */
  paint({ scores, task, store, probability }) {
    this.latest = scores;
    this.changes.replaceChildren(...this.#changeLines(scores).map(line => make("p", {}, line)));
    this.versions.replaceChildren(this.#versionTable(scores, task, store, probability));
    this.numbers.replaceChildren(scores ? numberTable(scores) : make("p", {}, "Choose an image to see its numbers."));
  }

  #changeLines(scores) {
    if (!scores) return ["Choose an image first."];
    if (refused(scores)) return ["No result: the image is out of distribution."];
    return [scores.neighbours, ...(scores.changes ?? [])].filter(Boolean);
  }

  #versionTable(scores, { finding, classes }, store, probability) {
    const answer = values => {
      if (!values || refused(scores)) return "–";
      if (finding !== null) return `${classes[finding]} ${perCent(probability(values[finding]))}`;
      const best = values.indexOf(Math.max(...values));
      return `${classes[best]} ${perCent(values[best])}`;
    };
    const line = (name, text, ...buttons) =>
      make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, text), ...buttons.map(each => make("td", {}, each)));
    const kept = store.versions.map(({ name, lists }) => {
      const found = scores?.versions?.find(version => version.name === name);
      return line(
        name,
        found?.error ?? answer(found?.probabilities),
        button("Use", () => this.acts.onuse(lists), { "aria-label": `Use ${name}` }),
        button("Delete", () => this.acts.ondelete(name), { "aria-label": `Delete ${name}` }),
      );
    });
    return make(
      "table",
      {},
      make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Version"), make("th", { scope: "col" }, "This image"))),
      make("tbody", {}, line("original lists", answer(scores?.original)), line("lists above", answer(scores?.probabilities)), ...kept),
    );
  }
}

/** Every number of the rows, and of a second image beside them. */
function numberTable(scores) {
  const second = scores.rows.some(row => row.second !== undefined && row.second !== null);
  const [towards, against] = scores.direction;
  const named = HEADS.map(head => head ?? `Towards ${towards}`);
  const heads = second ? [...named, "Second image", "Change"] : named;
  const cells = row => [
    row.class,
    row.symptom,
    signed(row.similarity, 3, ""),
    row.percentile === null ? "–" : row.percentile.toFixed(0),
    scores.direction.includes(row.class) ? signed(row.adds, 3) : "–",
    row.attention.toFixed(3),
    row.auroc === null ? "–" : row.auroc.toFixed(3),
    ...(second ? [signed(row.second, 3, ""), signed(row.second - row.similarity, 3)] : []),
  ];
  return make(
    "table",
    {},
    make("caption", {}, `Towards ${towards}: how much the symptom adds; negative is towards ${against}.`),
    make("thead", {}, make("tr", {}, ...heads.map(head => make("th", { scope: "col" }, head)))),
    make("tbody", {}, ...scores.rows.map(row => make("tr", {}, ...cells(row).map(text => make("td", {}, text))))),
  );
}

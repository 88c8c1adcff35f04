/** The section of one class: its heads, the list of its rows, and the button that adds one. */

import { attribute, button, make, say } from "./dom.js";
import { MOST_SYMPTOMS } from "./store.js";

export class Group {
  /**
   * @param {Object} task
   * @param {string} name of the class
   * @param {() => void} onadd adds a row
   */
  constructor(task, name, onadd) {
    this.rows = [];
    this.list = make("ul", { class: "vip-list", "aria-label": `Symptoms of ${name}` });
    this.add = button("+ add a symptom", onadd, { class: "vip-add", "aria-label": `Add a symptom of ${name}` });
    this.towards = make("small", { class: "vip-adds-head" });
    this.foot = make("div", { class: "vip-group-foot" }, this.add);
    this.node = make(
      "section",
      { class: "vip-group", style: `--vip-class: ${task.colours[task.classes.indexOf(name)]}` },
      make(
        "header",
        {},
        make("h2", {}, name),
        make("small", { class: "vip-axis" }, "less similar ← → more similar"),
        this.towards,
        make("small", { class: "vip-auroc-head", title: task.auroc_note }, "AUROC"),
        make("small", { class: "vip-finding-head", title: "Your own judgement, in place of the model’s" }, "finding"),
      ),
      this.list,
      this.foot,
    );
  }

  /** Show these symptoms; rows that are there keep their elements. makeRow: makes another one */
  show(symptoms, makeRow) {
    const { rows } = this;
    while (rows.length > symptoms.length) rows.pop().node.remove();
    while (rows.length < symptoms.length) {
      const row = makeRow();
      rows.push(row);
      this.list.append(row.node);
    }
    symptoms.forEach((symptom, index) => rows[index].show(symptom, index));
    this.add.disabled = symptoms.length >= MOST_SYMPTOMS;
  }

  /** Say what a positive number counts towards, and a negative one; null where that is not known yet. */
  head(towards, against) {
    say(this.towards, towards === null ? "" : `towards ${towards}`);
    attribute(this.towards, "title", towards === null ? null : `How much the symptom adds towards ${towards}; negative is towards ${against}`);
  }
}

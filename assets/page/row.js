/** One row of a list: its elements, and the symptom that it shows. */

import { attribute, button, make } from "./dom.js";
import { strip } from "./strip.js";

const FINDINGS = [
  ["", "by model"],
  ["seen", "seen"],
  ["absent", "not seen"],
  ["unknown", "cannot tell"],
];

export class Row {
  /**
   * @param {string} name of the class
   * @param {Object} acts what a person does in a row, each with the row: onset(row, change), ontype(row, event),
   *   onkey(row, event), onpaste(row, event), onfocus(row), onblur(), onremove(row)
   */
  constructor(name, acts) {
    this.name = name;
    this.index = 0;
    this.strip = strip();
    this.on = make("input", { type: "checkbox", onchange: () => acts.onset(this, { on: this.on.checked }) });
    this.text = make("textarea", {
      rows: 1,
      spellcheck: "true",
      "aria-autocomplete": "list",
      "aria-controls": "vip-suggestions",
      oninput: event => acts.ontype(this, event),
      onkeydown: event => acts.onkey(this, event),
      onpaste: event => acts.onpaste(this, event),
      onfocus: () => acts.onfocus(this),
      onblur: () => acts.onblur(),
    });
    this.value = make("output", { class: "vip-value" });
    this.adds = make("i");
    this.addsValue = make("span", { class: "vip-adds-value" });
    this.auroc = make("span", { class: "vip-auroc" });
    this.finding = make(
      "select",
      { onchange: () => acts.onset(this, { finding: this.finding.value || null }) },
      ...FINDINGS.map(([value, label]) => make("option", { value }, label)),
    );
    this.remove = button("×", () => acts.onremove(this), { class: "vip-remove", title: "Remove this symptom" });
    this.note = make("span", { class: "vip-row-note" });
    this.handle = make("span", { class: "vip-handle", draggable: "true", title: "Drag to reorder, or press Alt with an arrow key", "aria-hidden": "true" }, "⋮⋮");
    this.node = make(
      "li",
      { class: "vip-row", onclick: event => !event.target.closest("textarea, input, select, button") && acts.onfocus(this) },
      this.handle,
      this.on,
      make("div", { class: "vip-text" }, this.text, this.note),
      this.strip.svg,
      this.value,
      make("div", { class: "vip-adds", "aria-hidden": "true" }, this.adds),
      this.addsValue,
      this.auroc,
      this.finding,
      this.remove,
    );
  }

  /** Show a symptom at its place in the list. The caret stays where the text is the same. */
  show({ text, on, finding }, index) {
    this.index = index;
    if (this.text.value !== text) {
      this.text.value = text;
      this.fit();
    }
    this.on.checked = on;
    this.finding.value = finding ?? "";
    this.node.classList.toggle("vip-off", !on);
    this.node.classList.toggle("vip-own-finding", Boolean(finding));
    const symptom = `symptom ${index + 1} of ${this.name}`;
    attribute(this.text, "aria-label", `Symptom ${index + 1} of ${this.name}`);
    attribute(this.on, "aria-label", `Score ${symptom}`);
    attribute(this.finding, "aria-label", `Your finding for ${symptom}`);
    attribute(this.remove, "aria-label", `Remove ${symptom}`);
  }

  /** Make the text box as high as its text; a hidden box has no height to measure. */
  fit() {
    if (!this.text.offsetParent) return;
    this.text.style.height = "auto";
    this.text.style.height = `${this.text.scrollHeight}px`;
  }
}

/** The frame of the Diagnose page: its menus, examples and buttons, and where its sections are. */

import { button, fileInput, make, say } from "./dom.js";
import { shortcutList } from "./shortcuts.js";

export class Frame {
  /**
   * @param {HTMLElement} root
   * @param {Object} config description of the page
   * @param {Object} acts what a person may ask for: ontask(key), onmode(mode), onundo(), onredo(), onreset(), onload(file),
   *   onsave(), onshare(), onreport(), onaddclass()
   * @param {HTMLElement} more what is below the fold
   */
  constructor(root, config, acts, more) {
    this.root = root;
    this.tasks = make(
      "select",
      { class: "vip-task", "aria-label": "Task", onchange: () => acts.ontask(this.tasks.value) },
      ...config.order.map(key => make("option", { value: key }, labelOf(config.tasks[key]))),
    );
    this.modes = make(
      "select",
      { class: "vip-mode", "aria-label": "Method", onchange: () => acts.onmode(this.modes.value) },
      ...config.modes.map(([key, label]) => make("option", { value: key }, label)),
    );
    this.image = make("section", { class: "vip-image", "aria-label": "Image" });
    this.answer = make("section", { class: "vip-answer", "aria-label": "Prediction" });
    this.rows = make("section", { class: "vip-rows", "aria-label": "Symptoms" });
    this.examples = make("div", { class: "vip-examples", role: "group", "aria-label": "Examples, with their known diagnosis" });
    this.undo = button("Undo", acts.onundo, { class: "vip-undo" });
    this.redo = button("Redo", acts.onredo, { class: "vip-redo" });
    this.link = make("a", { class: "vip-link", hidden: true });
    this.status = make("p", { class: "vip-status", role: "status" });
    this.legend = make("p", { class: "vip-legend" });
    this.help = shortcutList();
    root.replaceChildren(
      make(
        "div",
        { class: "vip-top" },
        this.tasks,
        this.modes,
        make("span", { class: "vip-disclaimer" }, config.disclaimer),
        button("?", () => this.help.showModal(), { class: "vip-help-open", "aria-label": "Keyboard shortcuts" }),
      ),
      this.image,
      this.answer,
      this.rows,
      this.#actions(config, acts),
      this.legend,
      more,
      this.help,
    );
  }

  #actions(config, acts) {
    const file = fileInput("Choose a symptom file", { accept: ".json,application/json" }, acts.onload);
    return make(
      "footer",
      { class: "vip-actions" },
      this.undo,
      this.redo,
      button("Reset", acts.onreset, { class: "vip-reset", title: "Restore the original lists and remove the prevalence" }),
      button("Load", () => file.click(), { class: "vip-load" }),
      button("Save", acts.onsave, { class: "vip-save" }),
      button("Link", acts.onshare, { class: "vip-share" }),
      button("Report", acts.onreport, { class: "vip-report" }),
      config.adds_classes ? button("+ class", acts.onaddclass, { class: "vip-add-class", title: "Add a class, scored zero-shot" }) : null,
      this.link,
      this.status,
      file,
    );
  }

  /** Offer a task with added classes. */
  offer({ key, label }) {
    this.tasks.append(make("option", { value: key }, label));
  }

  /** Offer only these tasks, by key. */
  keep(tasks) {
    for (const option of [...this.tasks.options]) if (!tasks[option.value]) option.remove();
  }

  /** Show a task: its name, its legend and its examples. onexample(index, example): one was chosen */
  show(task, onexample) {
    this.tasks.value = task.key;
    this.examples.replaceChildren(
      ...task.examples.map((example, index) => {
        const node = button("", () => onexample(index, example), { class: "vip-example", "aria-label": `Example: ${example.diagnosis}` });
        node.append(make("img", { src: example.src, alt: "", loading: "lazy", width: 56, height: 56 }), make("span", {}, example.diagnosis));
        return node;
      }),
    );
    say(this.legend, task.legend);
  }

  /** Show which example is the image, if one is. */
  press(chosen) {
    [...this.examples.children].forEach((node, index) => node.setAttribute("aria-pressed", String(index === chosen)));
  }

  /** Show the method, and offer those of the task. */
  showMode(mode, { modes }) {
    for (const option of this.modes.options) option.hidden = option.disabled = !modes.includes(option.value);
    this.modes.value = mode;
    this.root.classList.toggle("vip-names-mode", mode === "names");
  }

  /** Show whether there is a step to undo or redo. */
  showSteps({ canUndo, canRedo }) {
    this.undo.disabled = !canUndo;
    this.redo.disabled = !canRedo;
  }

  /** Say what the last action did. */
  say(sentence) {
    say(this.status, sentence);
  }

  /** Do something and say so, or say why it cannot be done. Returns what it gives, or null. */
  attempt(act, sentence) {
    try {
      const result = act();
      this.say(sentence);
      return result;
    } catch (error) {
      queueMicrotask(() => this.say(error.message)); // after what the page says as it starts
      return null;
    }
  }
}

/** A task's name in the menu; one without a trained model is marked. */
function labelOf({ label, modes }) {
  return modes.includes("vip") ? label : `Untested · ${label}`;
}

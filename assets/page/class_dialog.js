/** The dialog that asks for the name of a class to add. */

import { button, make } from "./dom.js";
import { LONGEST_NAME } from "./classes.js";

/** Ask for a name. onname(name): takes it, unless the person cancels */
export function askForClass(root, onname) {
  const name = make("input", { type: "text", maxlength: LONGEST_NAME, "aria-label": "Name of the new class", placeholder: "Name of the new class" });
  const ask = make(
    "dialog",
    { class: "vip-help", "aria-label": "Add a class" },
    make("h2", {}, "Add a class"),
    make("p", {}, "No model was trained for it, so all classes are then scored zero-shot and untested. Its first symptom is its name; replace it with a description."),
    make(
      "form",
      { method: "dialog", class: "vip-line", onsubmit: () => onname(name.value) },
      name,
      make("button", { type: "submit" }, "Add"),
      button("Cancel", () => ask.close()),
    ),
  );
  ask.addEventListener("close", () => ask.remove());
  root.append(ask);
  ask.showModal();
}

/** The keyboard shortcuts of the Diagnose page, and the list of them. */

import { button, make } from "./dom.js";

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

/** The dialog that lists the shortcuts. */
export function shortcutList() {
  const list = make(
    "dialog",
    { class: "vip-help", "aria-label": "Keyboard shortcuts" },
    make("h2", {}, "Keyboard shortcuts"),
    make("dl", {}, ...KEYS.flatMap(([key, words]) => [make("dt", {}, key), make("dd", {}, words)])),
    button("Close", () => list.close()),
  );
  return list;
}

/**
 * Listen for shortcuts. Where a person writes, only undo and redo of the rows are taken.
 * @param {HTMLElement} root
 * @param {Object} acts undo(), redo(), and what each key does, by key
 */
export function listenForShortcuts(root, { undo, redo, ...acts }) {
  root.addEventListener("keydown", event => {
    const control = event.ctrlKey || event.metaKey;
    const writing = event.target.closest("input:not([type=checkbox]):not([type=range]), textarea, select");
    if (control && event.key.toLowerCase() === "z" && (!writing || event.target.closest(".vip-rows"))) {
      event.preventDefault();
      if (event.shiftKey) redo();
      else undo();
      return;
    }
    if (writing || control || event.altKey || !acts[event.key]) return;
    event.preventDefault();
    acts[event.key]();
  });
}

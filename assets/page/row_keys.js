/** What keys do in the text of a row, and the lines of a list that is pasted there. */

/**
 * Do what a key asks for.
 * @param {KeyboardEvent} event
 * @param {import("./row.js").Row} row
 * @param {Object} acts onmove(step), onadd(), onremove() of the row; onstep(step) to a neighbour, which says whether there is one
 * @param {boolean} alone whether the row is the only one of its class
 */
export function pressInRow(event, row, acts, alone) {
  const { selectionStart: start, selectionEnd: end, value } = row.text;
  const arrow = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  const edge = arrow < 0 ? 0 : value.length; // beyond it the arrow leaves the row
  if (arrow && event.altKey) acts.onmove(arrow);
  else if (event.key === "Enter") acts.onadd();
  else if (event.key === "Backspace" && value === "" && !alone) acts.onremove();
  else if (!(arrow && start === edge && end === edge && acts.onstep(arrow))) return;
  event.preventDefault();
}

/** The lines of a pasted text without bullets and numbers; null where it is a single line, which the text box takes itself. */
export function pastedLines(event) {
  const pasted = event.clipboardData?.getData("text/plain") ?? "";
  const lines = pasted.split(/\r?\n/).map(line => line.replace(/^\s*(?:[-*•–]|\d{1,2}[.)])\s+/, "").trim()).filter(Boolean);
  return lines.length < 2 ? null : lines;
}

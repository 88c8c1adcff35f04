/** The numbers of a row: similarity on its strip, what the symptom adds, and how well it discriminates. */

import { attribute, make, say } from "./dom.js";
import { share, signed } from "./format.js";
import { paintStrip } from "./strip.js";

const WEAK = 0.6; // an AUROC up to here barely discriminates
const REVERSED = 0.4; // below this AUROC the symptom is more typical of another class
const MOVED = 0.005; // of a similarity; less is not drawn as a change

/** What all rows share when scores are painted. scores: as the server or the worker gives them; null without an image */
export function scaleOf(scores, { classes, colours }) {
  const largest = Math.max(1e-6, ...(scores?.rows ?? []).map(row => Math.abs(row.adds)));
  const [towards, against] = (scores?.direction ?? []).map(name => colours[classes.indexOf(name)]);
  return { largest, towards, against };
}

/**
 * Paint the score of a row. A row without one (off, empty, or no image yet) keeps the distributions of its strip.
 * @param {import("./row.js").Row} row
 * @param {Object|null} score of the row
 * @param {Object} about {task, scores, scale, symptom}; symptom: {text, on} of the row
 */
export function paintRow(row, score, { task, scores, scale, symptom }) {
  const label = task.classes.indexOf(row.name);
  const moved = score && score.before !== null && Math.abs(score.before - score.similarity) > MOVED;
  paintStrip(row.strip, {
    axis: scores?.axis ?? task.axis[scores?.mode ?? "vip"],
    counts: score?.counts ?? null,
    names: task.strip_names[label],
    colours: task.strip_colours[label],
    similarity: score?.similarity ?? null,
    before: moved ? score.before : null,
    percentiles: score?.percentiles ?? null,
  });
  say(row.value, score ? signed(score.similarity, 2, "") : "");
  const counts = scores?.direction.includes(row.name);
  say(row.addsValue, score ? (counts ? signed(score.adds) : "–") : symptom.on ? "" : "off");
  paintAdds(row.adds, score, scores && scale);
  const added = !task.lists[row.name].includes(symptom.text.trim()); // nobody has labelled this finding
  paintAuroc(row.auroc, score?.auroc ?? null, added ? `AUROC of the class “${row.name}”, not of this finding, which has no labels.` : `${task.auroc_note}.`, added);
  say(row.note, score?.note ?? "");
  attribute(row.note, "hidden", !score?.note);
}

/** The bar from the middle: to the right what counts towards, to the left what counts against. */
function paintAdds(bar, score, scale) {
  const width = score ? (Math.abs(score.adds) / scale.largest) * 50 : 0;
  const against = score !== null && score.adds < 0;
  const colour = scale ? (against ? scale.against : scale.towards) : "none";
  bar.style.cssText = `left:${against ? 50 - width : 50}%;width:${width}%;background:${colour}`;
}

function paintAuroc(node, auroc, about, added) {
  const known = auroc !== null;
  say(node, known ? share(auroc) : "");
  if (known && added) node.append(make("small", {}, "of class"));
  node.classList.toggle("vip-weak", known && auroc <= WEAK);
  const remark = auroc < REVERSED ? "Favours another class." : auroc <= WEAK ? "Barely discriminates the classes." : "";
  attribute(node, "title", known ? `${remark} ${about}`.trim() : null);
}

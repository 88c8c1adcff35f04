/** The responses to the page: the rows with their numbers, and the map of one of them. As demo.state.rows and .bench. */

import { addsUp, evidence } from "./evidence.js";
import { argmax, rounded } from "./linear.js";
import { readRequest } from "./request.js";
import { diagnose, nearestClasses, neighbours, whatWouldChange } from "./what_if.js";

const BINS = 28; // of a strip's distributions
const MAX_VERSIONS = 20;
const FULL = 1.5; // times an even spread of the axis's end over the cells: where the map's colours are full

/** Scores, or the sentence that says why there are none. */
export async function answer(task, visit, request) {
  const { choice, id = 0 } = request;
  const asked = readRequest(task, request);
  const { diagnosis, known } = await diagnose(task, visit.feature, asked);
  const own = task.prompts(asked.mode);
  const key = `${task.config.key}|${asked.mode}`;
  const original = ((visit.originals ??= {})[key] ??= await task.scorer(asked.mode).diagnose(visit.feature, own)); // once per image
  const second = visit.second && (await diagnose(task, visit.second.feature, asked)).diagnosis;
  const secondDomain = second && domain(second);
  const foreign = secondDomain && !secondDomain.in_domain;
  const changed = JSON.stringify(asked.symptoms.symptoms) !== JSON.stringify(own.symptoms);
  const found = {
    choice,
    id,
    mode: asked.mode,
    axis: task.config.axis[asked.mode].map(end => rounded(end, 3)),
    probabilities: Object.values(diagnosis.probabilities).map(value => rounded(value, 5)),
    original: Object.values(original.probabilities).map(value => rounded(value, 5)),
    edited: changed || asked.findings.some(Boolean),
    domain: domain(diagnosis),
    nearest: nearestClasses(task, visit.feature),
    direction: direction(task, diagnosis),
    rows: rowsOf(task, asked, diagnosis, original, known, foreign ? null : second),
  };
  if (second) {
    const values = foreign ? null : Object.values(second.probabilities).map(value => rounded(value, 5)); // a number would mislead
    found.second = { probabilities: values, domain: secondDomain };
  }
  if (request.changes) {
    found.neighbours = neighbours(task, visit.feature);
    found.changes = await whatWouldChange(task, visit.feature, asked, diagnosis);
  }
  if (request.versions?.length) {
    found.versions = await Promise.all(request.versions.slice(0, MAX_VERSIONS).map(each => version(task, visit.feature, request, each)));
  }
  found.map = mapOf(task, visit, request, asked, known.flat(), found.rows);
  return found;
}

function domain({ domain: check }) {
  return check && { ...check, reason: reasonOf(check) };
}

/** Why an image is out of distribution, in the words of vip_core. */
function reasonOf({ in_domain, near_miss }) {
  if (in_domain) return "";
  return near_miss ? `This image looks like ${near_miss}, not like the reference images.` : "This image does not resemble the reference images.";
}

/** A row per scored symptom, as the page paints it. */
function rowsOf(task, asked, diagnosis, original, known, second) {
  const scorer = task.scorer(asked.mode);
  const separations = scorer.separations(known);
  const before = beforeEdits(original, asked);
  const signs = signsOf(task, diagnosis);
  const flat = known.flat();
  return diagnosis.symptoms.map((score, row) => {
    const [name, index] = asked.places[row];
    const { counts, below } = distributions(task, asked.mode, name, flat[row], score.similarity, asked.drawn[row]);
    return {
      class: name,
      index,
      symptom: score.symptom,
      similarity: rounded(score.similarity, 4),
      before: before[row] && rounded(before[row].similarity, 4),
      percentile: score.percentile === null ? null : rounded(score.percentile, 1),
      percentiles: below,
      contribution: rounded(score.contribution, 4),
      adds: rounded(signs[name] * score.contribution, 4),
      attention: rounded(score.attention, 4),
      auroc: separations[row] === null || Number.isNaN(separations[row]) ? null : rounded(separations[row], 3),
      counts,
      note: note(score.symptom, task),
      ...(second ? { second: rounded(second.symptoms[row].similarity, 4) } : {}),
    };
  });
}

/** For each symptom its score under the task's own lists: of the same text, else of the text that it replaced. */
export function beforeEdits(original, asked) {
  const key = (name, text) => `${name}|${text}`;
  const texts = asked.symptoms.symptoms.flat();
  const byText = new Map(original.symptoms.map(score => [key(score.class, score.symptom), score]));
  const counts = {};
  const byPlace = new Map(original.symptoms.map(score => [key(score.class, (counts[score.class] = (counts[score.class] ?? -1) + 1)), score]));
  const taken = new Set(texts.map((text, row) => key(asked.places[row][0], text)).filter(each => byText.has(each)));
  return texts.map((text, row) => {
    const there = byPlace.get(key(...asked.places[row]));
    const free = there && !taken.has(key(there.class, there.symptom));
    return byText.get(key(asked.places[row][0], text)) ?? (free ? there : null);
  });
}

/** The class that a positive number counts towards, and the one that it counts against. */
function direction(task, { logits }) {
  const { classes, finding } = task.config;
  if (finding !== null) return [classes[finding], classes[1 - finding]];
  return [...classes].sort((a, b) => logits[b] - logits[a]).slice(0, 2);
}

/** The sign with which each class's terms count in `direction`; 0 for a class on neither side. */
function signsOf(task, diagnosis) {
  const [towards, against] = direction(task, diagnosis);
  return Object.fromEntries(task.config.classes.map(name => [name, name === towards ? 1 : name === against ? -1 : 0]));
}

/** Reference images per bin in two groups, unless they are drawn already, and the share of each group below this image. */
function distributions(task, mode, name, { similarities }, similarity, drawn) {
  const bank = task.scorer(mode).similarityReference;
  if (!bank) return { counts: null, below: null };
  const { classes } = task.config;
  const label = classes.indexOf(name);
  const above = classes.length === 2 ? each => each === 0 : each => each === label;
  const groups = [similarities.filter((_, i) => above(bank.labels[i])), similarities.filter((_, i) => !above(bank.labels[i]))];
  const share = group => Math.round((100 * group.filter(value => value < similarity).length) / Math.max(1, group.length));
  return { counts: drawn ? null : groups.map(group => histogram(group, task.config.axis[mode])), below: groups.map(share) };
}

function histogram(values, [low, high]) {
  const counts = Array(BINS).fill(0);
  for (const value of values) {
    const place = Math.floor(((value - low) / (high - low)) * BINS);
    counts[Math.min(Math.max(place, 0), BINS - 1)] += 1;
  }
  return counts;
}

/** Why a row may be misleading; empty if no reason is known. */
function note(symptom, task) {
  const words = symptom.split(/\s+/).map(word => word.replace(/^[.,;:()]+|[.,;:()]+$/g, "").toLowerCase());
  const cautions = task.config.cautions.filter(each => each.words.some(word => words.includes(word)));
  if (cautions.length) return cautions.map(each => each.note).join(" ");
  const letters = [...symptom].filter(letter => /\p{L}/u.test(letter));
  const plain = letters.filter(letter => letter < "\x80").length;
  return letters.length && plain < 0.7 * letters.length ? "Not English: the model’s text tower was trained on English only." : "";
}

async function version(task, feature, request, { name, lists }) {
  try {
    const { diagnosis } = await diagnose(task, feature, readRequest(task, request, lists));
    return { name, probabilities: Object.values(diagnosis.probabilities).map(value => rounded(value, 5)) };
  } catch (error) {
    return { name, error: error.message };
  }
}

/** The map of the row in focus, by default the row that adds most. */
function mapOf(task, visit, request, asked, known, rows) {
  const { focus } = request;
  let row = rows.findIndex(each => each.class === focus?.class && each.index === focus.index);
  if (row < 0) row = argmax(rows.map(each => Math.abs(each.adds)));
  const found = { fit: "squash", focus: { class: rows[row].class, index: rows[row].index } };
  const [height, width] = visit.grid;
  found.caption = `Where the image resembles “${rows[row].symptom}”: ${height} × ${width} cells, interpolated. Not the outline of a lesion.`;
  found.cells = levels(task, asked.mode, visit, known[row].text);
  if (visit.second) found.second = levels(task, asked.mode, visit.second, known[row].text);
  return found;
}

/** The map of one symptom as whole numbers per cell, -127 (less similar) to 127 (more similar). */
function levels(task, mode, { cells, feature, grid: [height, width] }, text) {
  const exact = addsUp(cells, feature);
  const terms = evidence(task.scorer(mode).mapCells(cells), text);
  const end = exact ? (FULL * Math.max(...task.config.axis[mode].map(Math.abs))) / terms.length : Math.max(...terms.map(Math.abs)) || 1;
  const whole = terms.map(term => Math.round((Math.min(Math.max(term, -end), end) / end) * 127));
  return Array.from({ length: height }, (_, y) => whole.slice(y * width, (y + 1) * width));
}

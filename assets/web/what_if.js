/** What if: a person's own findings in place of the model's, and which symptoms the answer hangs on. As demo.state.what_if. */

import { perCent } from "./page/format.js";
import { argmax, quantile, softmax } from "./linear.js";

const CLEARLY_SEEN = 0.95; // quantile of the reference images of the symptom's class
const CLEARLY_ABSENT = 0.05; // quantile of those of the other classes
const NEIGHBOURS = 5;

/** The diagnosis of an image feature under what was asked, and what is known of each symptom. */
export async function diagnose(task, feature, asked) {
  const scorer = task.scorer(asked.mode);
  const known = await scorer.encodeSymptoms(asked.symptoms);
  return { diagnosis: overruled(task, asked, scorer.diagnosed(feature, asked.symptoms, known), known), known };
}

/**
 * The diagnosis with the person's own findings in place of the model's similarities: a symptom's term of the logit is
 * proportional to its similarity, so it is scaled to the 95th percentile of the reference images of its class (seen) or
 * to the 5th percentile of those of the other classes (absent).
 */
function overruled(task, asked, diagnosis, known) {
  const scorer = task.scorer(asked.mode);
  const bank = scorer.similarityReference;
  if (!bank || !asked.findings.some(Boolean)) return diagnosis;
  const { classes } = asked.symptoms;
  const logits = { ...diagnosis.logits };
  const flat = known.flat();
  const symptoms = diagnosis.symptoms.map((score, row) => {
    const finding = asked.findings[row];
    if (finding === null) return score;
    const label = classes.indexOf(score.class);
    const seen = finding === "seen";
    const known = flat[row].similarities.filter((_, index) => (bank.labels[index] === label) === seen).sort();
    const similarity = quantile(known, seen ? CLEARLY_SEEN : CLEARLY_ABSENT);
    const contribution = score.similarity ? (score.contribution / score.similarity) * similarity : 0;
    logits[score.class] += contribution - score.contribution;
    return { ...score, similarity, contribution };
  });
  const values = softmax(classes.map(name => logits[name] / scorer.temperature));
  const probabilities = Object.fromEntries(classes.map((name, index) => [name, values[index]]));
  return { ...diagnosis, prediction: classes[argmax(values)], probabilities, logits, symptoms };
}

/** How many of the most similar reference images had each class; empty without a bank. */
export function nearestClasses(task, feature) {
  const labels = task.reference?.nearestLabels(feature, NEIGHBOURS) ?? [];
  return labels.length ? task.config.classes.map((_, label) => labels.filter(each => each === label).length) : [];
}

/** The labels of the most similar reference images, in words. */
export function neighbours(task, feature) {
  const counts = nearestClasses(task, feature);
  const total = counts.reduce((sum, each) => sum + each, 0);
  const found = task.config.classes.filter((_, label) => counts[label]).map(name => `${counts[task.config.classes.indexOf(name)]} ${name}`);
  return total ? `Labels of the ${total} most similar reference images: ${found.join(", ")}.` : "";
}

/** The symptom whose removal moves the probability most, and the one or two whose removal flips the prediction. */
export async function whatWouldChange(task, feature, asked, diagnosis) {
  const { classes, finding } = task.config;
  const name = finding === null ? diagnosis.prediction : classes[finding];
  const value = diagnosis.probabilities[name];
  const rows = asked.places.map((_, row) => row);
  const singles = [];
  for (const row of rows) {
    const found = await without(task, feature, asked, [row]);
    if (found) singles.push({ row, found });
  }
  if (!singles.length) return ["Every class has only one symptom; none can be removed."];
  const moves = singles.map(({ found }) => Math.abs(found.probabilities[name] - value));
  const best = singles[argmax(moves)];
  const text = row => `“${diagnosis.symptoms[row].symptom}”`;
  const lines = [`Removing ${text(best.row)} changes the probability of ${name} most: from ${perCent(value)} to ${perCent(best.found.probabilities[name])}.`];
  const single = singles.find(({ found }) => found.prediction !== diagnosis.prediction);
  if (single) return [...lines, `The prediction flips without ${text(single.row)}.`];
  for (const first of rows) {
    for (const second of rows.slice(first + 1)) {
      const found = await without(task, feature, asked, [first, second]);
      if (found && found.prediction !== diagnosis.prediction) {
        return [...lines, `The prediction flips without ${text(first)} and ${text(second)}.`];
      }
    }
  }
  return [...lines, "No single symptom or pair is decisive: the prediction is the same without any one or two of them."];
}

/** The diagnosis without some rows; null where a class would have none left. */
async function without(task, feature, asked, rows) {
  const kept = asked.places.map((_, row) => row).filter(row => !rows.includes(row));
  const { classes } = asked.symptoms;
  const flat = asked.symptoms.symptoms.flat();
  const symptoms = classes.map(name => kept.filter(row => asked.places[row][0] === name).map(row => flat[row]));
  if (!symptoms.every(lines => lines.length)) return null;
  const findings = kept.map(row => asked.findings[row]);
  return (await diagnose(task, feature, { ...asked, symptoms: { classes, symptoms }, findings })).diagnosis;
}

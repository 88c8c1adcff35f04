/** The sentences under the answer: what its probability is worth, what the cut-offs found, and how stable the class is. */

import { count, perCent } from "./format.js";

const SURE = 0.8; // below this a class is often wrong, however stable it is

/** @param {Object} about {task, scores, prevalence}; value: probability of the class `name`; before: with the original lists */
export function calibrationWords({ task, scores, prevalence }, value, name, before) {
  if (scores.mode !== "vip") return "Zero-shot, untested: not calibrated. Use the probability only to compare, not as a frequency.";
  if (scores.edited) return `With edited lists the probability is not calibrated. Use it only to compare it with the ${perCent(before)} of the original lists.`;
  if (!task.calibrated_n) return "Not calibrated.";
  if (prevalence !== null) return "";
  const mix = task.mix === null || task.finding === null ? "" : ` (${perCent(task.mix)} of them had it)`;
  const about = value > 0.995 ? "nearly all" : value < 0.005 ? "almost none" : `about ${Math.round(100 * value)}`;
  return `Calibrated on ${count(task.calibrated_n, "validation image")}${mix}: of 100 images with this score, ${about} had ${name}.`;
}

/** What the screening point is for, and what it and one half found on test images. */
export function cutoffWords({ task, scores, prevalence }, name) {
  if (scores.mode !== "vip") return ""; // they were measured with the trained model
  const half = task.cutoffs.find(cutoff => cutoff.kind === "half");
  const screening = task.cutoffs.find(cutoff => cutoff.kind === "screening");
  const known = cutoff => cutoff && cutoff.found !== null;
  const found = cutoff => `sensitivity is ${perCent(cutoff.found)}, ${cutoff === screening ? "its" : "the"} false-positive rate ${perCent(cutoff.false_alarms)}`;
  const aim = screening?.aim ? `The screening point is set to find ${perCent(screening.aim)} of ${name} on validation images` : "";
  const sentences = [
    known(screening) ? `${aim ? `${aim}; on` : "At the screening point, on"} test images its ${found(screening)}.` : aim && `${aim}.`,
    known(half) ? `At ½, the likelier class, the ${found(half)}${known(screening) ? "" : ` (of those without ${name}) on test images`}.` : "",
    known(half) && scores.edited ? "They were measured with the original lists." : "",
    known(half) && prevalence !== null ? "They do not depend on the prevalence." : "",
  ];
  return sentences.filter(Boolean).join(" ");
}

/** What small changes of the image and of the wording do to the class, and what that meant on validation images. */
export function stabilityWords({ task, scores }, doubt) {
  const { referral } = task;
  if (!doubt || !referral || scores.mode !== "vip" || scores.edited) return "";
  const right = share => (share === null ? "" : `; ${perCent(share)} of those were correct`);
  if (doubt.refer) {
    const range = `${perCent(doubt.low)} to ${perCent(doubt.high)}`;
    return `Refer to a person: a crop or a rewording changes the class (its probability: ${range}), as for ${perCent(1 - referral.coverage)} of validation images${right(referral.referred)}.`;
  }
  const stable = `Stable under ${doubt.views} crops and ${doubt.wordings} rewordings, as are ${perCent(referral.coverage)} of validation images`;
  const highest = Math.max(...scores.probabilities);
  return highest < SURE ? `${stable}. Near ½ (${perCent(highest)}) that says little.` : `${stable}${right(referral.kept)}.`;
}

/** The most similar reference images, where most of them had another class than the one that is named. */
export function nearestWords({ task, scores }, named) {
  const total = (scores.nearest ?? []).reduce((sum, each) => sum + each, 0);
  const most = (scores.nearest ?? []).findIndex((each, index) => index !== named && 2 * each > total);
  if (most < 0) return "";
  return `Of the ${total} most similar reference images, ${scores.nearest[most]} had ${task.classes[most]}, not ${task.classes[named]}.`;
}

/** Whether the image is not one that the model may be asked about. */
export function refused({ domain }) {
  return Boolean(domain && !domain.in_domain);
}

/** Why there is no result, and what to do. */
export function refusalWords({ task, scores: { domain } }) {
  const known = typeof domain.score === "number" && !domain.near_miss; // else the reason says it
  const distance = known ? ` Its distance to them is ${domain.score.toFixed(2)}; the limit is ${domain.threshold.toFixed(2)}.` : "";
  const likely = known && task.foreign ? ` Likely reasons: ${task.foreign}. Check the image; if it is as it should be, this model cannot read it.` : "";
  return `${domain.reason}${distance}${likely} Do not interpret the numbers below.`;
}

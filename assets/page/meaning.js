/** The sentences below the answer: what its probability means, what the cut-offs found, and how stable the class is. */

import { count, perCent } from "./format.js";

const SURE = 0.8; // below this a class is often wrong, however stable it is

/** @param {Object} about {task, scores, prevalence}; value: probability of the class `name`; before: with the original lists */
export function calibrationWords({ task, scores, prevalence }, value, name, before) {
  if (scores.mode !== "vip") return "Zero-shot, untested: not calibrated. Use the probability only for comparison, not as a frequency.";
  if (scores.edited) return `With edited lists the probability is not calibrated. Use it only for comparison with the ${perCent(before)} of the original lists.`;
  if (!task.calibrated_n) return "Not calibrated.";
  if (prevalence !== null) return "";
  const mix = task.mix === null || task.finding === null ? "" : ` (${perCent(task.mix)} of them labelled ${task.classes[task.finding]})`;
  const about = value > 0.995 ? "nearly all" : value < 0.005 ? "almost none" : `about ${Math.round(100 * value)}`;
  return `Calibrated on ${count(task.calibrated_n, "validation image")}${mix}: of 100 images with this score, ${about} were labelled ${name}.`;
}

/** What the screening point is for, and the rates measured there and at one half on test images. */
export function cutoffWords({ task, scores, prevalence }, name) {
  if (scores.mode !== "vip") return ""; // they were measured with the trained model
  const half = task.cutoffs.find(cutoff => cutoff.kind === "half");
  const screening = task.cutoffs.find(cutoff => cutoff.kind === "screening");
  const known = cutoff => cutoff && cutoff.found !== null;
  const found = cutoff => `sensitivity is ${perCent(cutoff.found)} and ${cutoff === screening ? "its" : "the"} false-positive rate ${perCent(cutoff.false_alarms)}`;
  const aim = screening?.aim ? `The screening point was set to detect ${perCent(screening.aim)} of the validation images with ${name}` : "";
  const sentences = [
    known(screening) ? `${aim ? `${aim}; on` : "At the screening point, on"} test images its ${found(screening)}.` : aim && `${aim}.`,
    known(half) ? `At ½, where the more probable class is named, the ${found(half)}${known(screening) ? "" : ` (of those without ${name}) on test images`}.` : "",
    known(half) && scores.edited ? "They were measured with the original lists." : "",
    known(half) && prevalence !== null ? "They do not depend on the prevalence." : "",
  ];
  return sentences.filter(Boolean).join(" ");
}

/** Whether small changes of the image or the wording change the class, and how often such predictions were right. */
export function stabilityWords({ task, scores }, doubt) {
  const { referral } = task;
  if (!doubt || !referral || scores.mode !== "vip" || scores.edited) return "";
  const right = share => (share === null ? "" : `; ${perCent(share)} of those were correct`);
  if (doubt.refer) {
    const range = `${perCent(doubt.low)} to ${perCent(doubt.high)}`;
    return `Refer to a person: a crop or a rewording changes the class (its probability ranges over ${range}). The same was true of ${perCent(1 - referral.coverage)} of validation images${right(referral.referred)}.`;
  }
  const stable = `The class is stable under ${doubt.views} crops and ${doubt.wordings} rewordings, as it is for ${perCent(referral.coverage)} of validation images`;
  const highest = Math.max(...scores.probabilities);
  return highest < SURE ? `${stable}. At a probability of ${perCent(highest)} this says little about whether the class is right.` : `${stable}${right(referral.kept)}.`;
}

/** The most similar reference images, if most of them belong to another class than the one named. */
export function nearestWords({ task, scores }, named) {
  const total = (scores.nearest ?? []).reduce((sum, each) => sum + each, 0);
  const most = (scores.nearest ?? []).findIndex((each, index) => index !== named && 2 * each > total);
  if (most < 0) return "";
  return `Of the ${total} most similar reference images, ${scores.nearest[most]} were labelled ${task.classes[most]}, not ${task.classes[named]}.`;
}

/** Whether the image is out of distribution, so that the model gives no answer for it. */
export function refused({ domain }) {
  return Boolean(domain && !domain.in_domain);
}

/** Why there is no result, and what to do about it. */
export function refusalWords({ task, scores: { domain } }) {
  const known = typeof domain.score === "number" && !domain.near_miss; // else the reason says it
  const distance = known ? ` Its distance to them is ${domain.score.toFixed(2)}; the limit is ${domain.threshold.toFixed(2)}.` : "";
  const likely = known && task.foreign ? ` Possible reasons: ${task.foreign}. Check the image. If nothing is wrong with it, this model is not suitable for it.` : "";
  return `${domain.reason}${distance}${likely} Do not interpret the numbers below.`;
}

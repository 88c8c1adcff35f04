/** What is said of one of two images that are compared: its answer and the domain check. */

import { perCent } from "./format.js";
import { refused } from "./meaning.js";

/**
 * @param {{probabilities: number[], domain: ?Object}} scores of the image
 * @param {Object} task
 * @param {(value: number) => number} probability of the finding as it is shown
 */
export function comparisonWords(scores, { classes, finding }, probability) {
  const { probabilities, domain } = scores;
  if (refused(scores)) return { answer: "No result", check: `Out of distribution. ${domain.reason}`, foreign: true };
  const best = finding ?? probabilities.indexOf(Math.max(...probabilities));
  const value = finding === null ? probabilities[best] : probability(probabilities[best]);
  return { answer: `${classes[best]} ${perCent(value)}`, check: domain ? "Resembles the reference images" : "Not checked", foreign: false };
}

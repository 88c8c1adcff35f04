/** How a probability changes where the finding is rarer or more common than in the calibration images. */

/**
 * Prior shift by odds: p/(1-p) · [q(1-r)] / [r(1-q)] (Saerens, Latinne and Decaestecker, Neural Computation 2002).
 * @param {number} p probability under the prevalence r
 * @param {number} r prevalence among the images that the probability was calibrated on
 * @param {number} q prevalence where the image comes from
 */
export function shifted(p, r, q) {
  if (q <= 0) return 0;
  if (q >= 1) return 1;
  const odds = (p / (1 - p)) * ((q * (1 - r)) / (r * (1 - q)));
  return Number.isFinite(odds) ? odds / (1 + odds) : 1;
}

/** Positive and negative predictive value at a prevalence, from sensitivity and specificity; null where undefined. */
export function predictiveValues(sensitivity, specificity, prevalence) {
  const positive = sensitivity * prevalence + (1 - specificity) * (1 - prevalence);
  const negative = specificity * (1 - prevalence) + (1 - sensitivity) * prevalence;
  return {
    ppv: positive > 0 ? (sensitivity * prevalence) / positive : null,
    npv: negative > 0 ? (specificity * (1 - prevalence)) / negative : null,
  };
}

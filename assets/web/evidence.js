/** Where a symptom's similarity comes from: one term per cell of the image. As vip_core.scoring.evidence. */

import { dot, norm, normalize } from "./linear.js";
import { meanOf } from "./vip.js";

const TOLERANCE = 0.1; // of |x|

/** Whether the cells average to the image feature (D,), so that their evidence is exact. */
export function addsUp(cells, feature) {
  const mean = meanOf(cells);
  return norm(mean.map((value, index) => value - feature[index])) < TOLERANCE * norm(feature);
}

/** The term of each cell; they sum to the similarity. */
export function evidence(cells, text) {
  const unit = normalize(text);
  const whole = cells.length * norm(meanOf(cells));
  return cells.map(cell => dot(cell, unit) / whole);
}

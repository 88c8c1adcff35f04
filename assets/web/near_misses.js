/** The learned half of the domain check: a task's images against its near misses. As vip_core.models.near_misses. */

import { normalize } from "./linear.js";

export class NearMisses {
  /**
   * @param {Matrix} weight (K + 1, D); the first row is that of the task's own images
   * @param {number[]} bias (K + 1,)
   * @param {{limit: number, kinds: string[]}} info of the card
   */
  constructor(weight, bias, info) {
    this.weight = weight;
    this.bias = bias;
    this.kinds = info.kinds;
    this.limit = info.limit;
  }

  /** The kind of near miss that an image feature (D,) is recognised as, or null. */
  recognise(feature) {
    const logits = this.weight.times(normalize(feature)).map((value, row) => value + this.bias[row]);
    const others = logits.slice(1);
    const highest = Math.max(...others);
    const sum = highest + Math.log(others.reduce((total, value) => total + Math.exp(value - highest), 0));
    return logits[0] - sum < this.limit ? this.kinds[others.indexOf(highest)] : null;
  }
}

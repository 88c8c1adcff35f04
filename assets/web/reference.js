/** The reference bank: features of some hundred known images, which give a number its meaning. As vip_core.models.reference. */

import { Matrix, dot, normalize, ranks } from "./linear.js";

export const MIN_FOR_PERCENTILES = 20; // reference images; a percentile among fewer would be a guess
const NEIGHBOURS = 5;

export class ReferenceBank {
  /**
   * @param {Matrix} features (N, D), normalised
   * @param {number[]} labels (N,) indices into the classes
   * @param {number} threshold the domain score above which an image is flagged
   * @param {?NearMisses} nearMisses the learned half of the domain check
   */
  constructor(features, labels, threshold, nearMisses = null) {
    this.features = features;
    this.labels = labels;
    this.threshold = threshold;
    this.nearMisses = nearMisses;
  }

  /** Domain score of an image feature (D,): mean cosine distance to the 5 nearest reference images. */
  distance(feature) {
    const nearest = this.features.times(normalize(feature)).sort().subarray(-NEIGHBOURS);
    return 1 - nearest.reduce((sum, value) => sum + value, 0) / nearest.length;
  }

  /** Is the image in domain? */
  check(feature) {
    const score = this.distance(feature);
    const near_miss = this.nearMisses?.recognise(feature) ?? null;
    return { in_domain: score <= this.threshold && near_miss === null, score, threshold: this.threshold, near_miss };
  }

  /** Labels of the most similar reference images. */
  nearestLabels(feature, count) {
    const similarity = this.features.times(normalize(feature));
    const order = [...similarity.keys()].sort((a, b) => similarity[b] - similarity[a]);
    return order.slice(0, count).map(index => this.labels[index]);
  }

  /** Cosines (N,) of the reference images with a text feature (D,). */
  similarities(text) {
    return this.features.times(normalize(text));
  }

  /** Per cent of the reference images, given their sorted similarities, that are less similar (ties count half). */
  percentile(sorted, similarity) {
    const [less, most] = ranks(sorted, similarity);
    return (50 * (less + most)) / sorted.length;
  }

  /** AUROC with which similarities (N,) rank the images of class `label` above the others: Mann and Whitney's statistic. */
  separation(similarities, label) {
    const others = similarities.filter((_, index) => this.labels[index] !== label).sort();
    const own = similarities.filter((_, index) => this.labels[index] === label);
    if (!others.length || !own.length) return NaN;
    const won = own.reduce((sum, value) => {
      const [less, most] = ranks(others, value);
      return sum + (less + most) / 2;
    }, 0);
    return won / (own.length * others.length);
  }

  /** The same images with their features changed. */
  mapped(change) {
    const data = new Float32Array(this.features.data.length);
    for (let i = 0; i < this.features.rows; i++) data.set(change(this.features.row(i)), i * this.features.columns);
    return new ReferenceBank(new Matrix(data, this.features.columns), this.labels, this.threshold, this.nearMisses);
  }
}

/** Cosine of a normalised image (D,) with a text feature (D,). */
export function cosine(image, text) {
  return dot(image, normalize(text));
}

/** ViP: the context prompt and the merge prompt over text features; logits and their exact explanation. As vip_core.models.vip. */

import { Matrix, dot, norm, normalize, softmax } from "./linear.js";
import { cosine } from "./reference.js";

/** Moves a normalised image feature by a low-rank function of what sets it apart. As vip_core.models.adapter. */
export class ImageAdapter {
  constructor(tensors) {
    this.mean = tensors["image_adapter.mean"].data;
    [this.distance] = tensors["image_adapter.distance"].data;
    this.down = new Matrix(tensors["image_adapter.down"].data, this.mean.length); // V (r, D)
    this.up = new Matrix(tensors["image_adapter.up"].data, this.down.rows); // U (D, r)
  }

  /** The adapted feature (D,), normalised, of a normalised image feature. */
  forward(image) {
    return normalize(this.#moved(image));
  }

  /** Cells whose mean is the adapted feature: to first order, what each cell changes in it. */
  cells(cells) {
    const feature = meanOf(cells);
    const image = normalize(feature);
    const moved = this.#moved(image);
    const adapted = normalize(moved);
    const scale = norm(feature) * norm(moved);
    return cells.map(cell => {
      const change = without(cell, image);
      const move = this.up.times(this.down.times(change.map(value => value / this.distance)));
      return without(change.map((value, index) => value + move[index]), adapted)
        .map((value, index) => adapted[index] + value / scale);
    });
  }

  #moved(image) {
    const z = Float64Array.from(image, (value, index) => (value - this.mean[index]) / this.distance);
    const move = this.up.times(this.down.times(z));
    return Float64Array.from(image, (value, index) => value + move[index]);
  }
}

/** A vector less its part along a unit vector. */
function without(vector, direction) {
  const part = dot(vector, direction);
  return Float64Array.from(vector, (value, index) => value - part * direction[index]);
}

/** The mean (D,) of vectors. */
export function meanOf(vectors) {
  const sum = new Float64Array(vectors[0].length);
  for (const vector of vectors) for (let i = 0; i < sum.length; i++) sum[i] += vector[i];
  return sum.map(value => value / vectors.length);
}

export class ViP {
  /**
   * @param {Object} tensors of model.safetensors
   * @param {Object} card of card.json
   * @param {number} scale exp(logit_scale), by which CLIP multiplies a cosine
   */
  constructor(tensors, card, scale) {
    const { shape, data } = tensors["context_prompt.vectors"]; // (M, W) or (C, M, W)
    const count = shape.length === 2 ? 1 : shape[0];
    const size = data.length / count;
    this.contexts = Array.from({ length: count }, (_, c) => data.subarray(c * size, (c + 1) * size));
    const matrix = name => new Matrix(tensors[`merge_prompt.${name}`].data, tensors[`merge_prompt.${name}`].shape[1]);
    this.tokens = matrix("tokens"); // (C, D)
    const [query, key] = [matrix("query.weight"), matrix("key.weight")];
    // (W_k T)(W_q p) = T (W_k^T W_q p): one vector per class, whatever the texts
    this.queries = Array.from({ length: this.tokens.rows }, (_, c) => key.transposedTimes(query.times(this.tokens.row(c))));
    this.adapter = "image_adapter.mean" in tensors ? new ImageAdapter(tensors) : null;
    this.temperature = card.temperature;
    this.scale = scale;
  }

  /** Which of the contexts the symptoms of a class have. */
  contextOf(label) {
    return this.contexts.length === 1 ? 0 : label;
  }

  /** The image feature (D,) as it is compared with the symptoms: normalised, and adapted if there is an adapter. */
  adapt(feature) {
    const image = normalize(feature);
    return this.adapter ? this.adapter.forward(image) : image;
  }

  /** Class feature (D,) and attention of the text features of class c's symptoms. */
  merge(text, c) {
    const attention = softmax(text.map(feature => dot(feature, this.queries[c]) / Math.sqrt(feature.length)));
    const merged = Float64Array.from(this.tokens.row(c));
    text.forEach((feature, j) => {
      for (let i = 0; i < merged.length; i++) merged[i] += attention[j] * feature[i];
    });
    return { merged, attention };
  }

  /**
   * Split the logits: logit_c = s/|g_c| (p_c·x + sum_j a_cj T_cj·x).
   * @param {Float32Array} feature of the image (D,)
   * @param {Float32Array[][]} text per class, the features of its symptoms
   * @returns per class {token, symptoms, attention, similarity}
   */
  explain(feature, text) {
    const image = this.adapt(feature);
    return text.map((features, c) => {
      const { merged, attention } = this.merge(features, c);
      const factor = this.scale / norm(merged);
      return {
        token: factor * dot(image, this.tokens.row(c)),
        symptoms: features.map((each, j) => factor * attention[j] * dot(image, each)),
        attention,
        similarity: features.map(each => cosine(image, each)),
      };
    });
  }
}

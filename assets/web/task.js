/** A task of the page: its configuration, and what scores in each mode. As demo.state.tasks. */

import { Matrix } from "./linear.js";
import { NearMisses } from "./near_misses.js";
import { ReferenceBank } from "./reference.js";
import { readTensors } from "./safetensors.js";
import { Predictor, ZeroShot } from "./scorer.js";
import { ViP } from "./vip.js";

export class Task {
  /**
   * @param {Object} config of the task, from config.json
   * @param {Object} encoder the text tower
   * @param {Object} backbone of model/backbone.json
   * @param {?Object} files {card, model, reference, text} of a trained task, as they were fetched
   */
  constructor(config, encoder, backbone, files) {
    this.config = config;
    this.own = Object.values(config.lists);
    this.reference = files && bankOf(files, backbone.embed_dim);
    this.zeroShot = new ZeroShot(encoder, backbone.scale, this.reference);
    if (!files) return;
    const vip = new ViP(readTensors(files.model), files.card, backbone.scale);
    this.predictor = new Predictor(encoder, vip, this.reference, this.own);
    this.#remember(readTensors(files.text), backbone.embed_dim);
  }

  /** Keep the text features that were exported, so that an image is scored before the text tower is there. */
  #remember(tensors, dimension) {
    for (const mode of Object.keys(tensors)) {
      const features = new Matrix(tensors[mode].data, dimension);
      let row = 0;
      this.prompts(mode).symptoms.forEach((lines, label) => {
        for (const line of lines) this.scorer(mode).know(this.scorer(mode).contextOf(label), line, features.row(row++));
      });
    }
  }

  /** What scores in a mode. */
  scorer(mode) {
    return mode === "vip" ? this.predictor : this.zeroShot;
  }

  /** What is scored in a mode by default: the task's own symptoms, or one prompt per class. */
  prompts(mode) {
    const { classes } = this.config;
    return { classes, symptoms: mode === "names" ? this.config.prompts.map(prompt => [prompt]) : this.own };
  }
}

function bankOf({ card, reference }, dimension) {
  const { features, labels, near_miss_weight: weight, near_miss_bias: bias } = readTensors(reference);
  const learned = card.near_misses && new NearMisses(new Matrix(weight.data, dimension), bias.data, card.near_misses);
  return new ReferenceBank(new Matrix(features.data, dimension), labels.data, card.domain_threshold, learned);
}

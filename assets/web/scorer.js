/** From an image feature and symptoms to a diagnosis; texts met before are not encoded again. As vip_core.scoring. */

import { argmax, normalize, softmax } from "./linear.js";
import { MIN_FOR_PERCENTILES, cosine } from "./reference.js";

const CACHED_SYMPTOMS = 4096;

/** What Predictor and ZeroShot share. A symptom set is {classes, symptoms}: names, and a list of texts for each. */
class Scorer {
  /** @param {Object} encoder {encodePrompts(texts, context): Promise<Float32Array[]>}, the text tower */
  constructor(encoder, reference, temperature) {
    this.encoder = encoder;
    this.reference = reference;
    this.temperature = temperature;
    this.texts = new Map(); // "context|symptom" -> {text, similarities, sorted}
  }

  /** Keep a text feature that is known already. */
  know(context, symptom, text) {
    if (this.texts.size >= CACHED_SYMPTOMS) this.texts.delete(this.texts.keys().next().value);
    const similarities = this.similarityReference?.similarities(text) ?? null;
    this.texts.set(`${context}|${symptom}`, { text, similarities, sorted: similarities && Float64Array.from(similarities).sort() });
  }

  /** Per class, what is known of each symptom. Only symptoms not met before go through the text tower. */
  async encodeSymptoms({ symptoms }) {
    const missing = new Map(); // context -> texts
    symptoms.forEach((lines, label) => {
      const context = this.contextOf(label);
      for (const line of lines) {
        const key = `${context}|${line}`;
        if (this.texts.has(key)) {
          const known = this.texts.get(key); // moved to the end, so that what is in use is dropped last
          this.texts.delete(key);
          this.texts.set(key, known);
          continue;
        }
        if (!missing.has(context)) missing.set(context, new Set());
        missing.get(context).add(line);
      }
    });
    for (const [context, lines] of missing) {
      const features = await this.encoder.encodePrompts([...lines], this.vectorsOf(context));
      [...lines].forEach((line, index) => this.know(context, line, features[index]));
    }
    return symptoms.map((lines, label) => lines.map(line => this.texts.get(`${this.contextOf(label)}|${line}`)));
  }

  /** The diagnosis of an image feature (D,), as `python -m vip_core.score --json` prints it. Throws an Error. */
  async diagnose(feature, symptoms) {
    return this.diagnosed(feature, symptoms, await this.encodeSymptoms(symptoms));
  }

  /** The same with the symptoms encoded. */
  diagnosed(feature, { classes, symptoms }, known) {
    const terms = this.explain(feature, known.map(each => each.map(({ text }) => text)));
    const logits = terms.map(term => term.symptoms.reduce((sum, value) => sum + value, term.token));
    const probabilities = softmax(logits.map(value => value / this.temperature));
    const byClass = values => Object.fromEntries(classes.map((name, c) => [name, values[c]]));
    const percentiles = this.similarityReference && this.similarityReference.labels.length >= MIN_FOR_PERCENTILES;
    return {
      prediction: classes[argmax(logits)],
      probabilities: byClass(probabilities),
      logits: byClass(logits),
      class_terms: byClass(terms.map(term => term.token)),
      symptoms: classes.flatMap((name, c) =>
        symptoms[c].map((symptom, j) => ({
          class: name,
          symptom,
          similarity: terms[c].similarity[j],
          percentile: percentiles ? this.similarityReference.percentile(known[c][j].sorted, terms[c].similarity[j]) : null,
          contribution: terms[c].symptoms[j],
          attention: terms[c].attention[j],
        })),
      ),
      domain: this.reference ? this.reference.check(feature) : null,
      calibrated: this.calibrated(symptoms),
    };
  }

  /** Per symptom, the AUROC with which it ranks the reference images of its class above the others; null without any. */
  separations(known) {
    const reference = this.similarityReference;
    return known.flatMap((each, label) =>
      each.map(entry => {
        if (!reference) return null;
        entry.separations ??= {};
        return (entry.separations[label] ??= reference.separation(entry.similarities, label));
      }),
    );
  }
}

/** Scores with a trained model. */
export class Predictor extends Scorer {
  /** @param {string[][]} own the symptoms that the model was trained and calibrated with */
  constructor(encoder, vip, reference, own) {
    super(encoder, reference, vip.temperature);
    this.vip = vip;
    this.own = own;
    this.similarityReference = vip.adapter ? reference.mapped(feature => vip.adapt(feature)) : reference;
  }

  contextOf(label) {
    return this.vip.contextOf(label);
  }

  vectorsOf(context) {
    return this.vip.contexts[context];
  }

  explain(feature, text) {
    return this.vip.explain(feature, text);
  }

  /** An image's cells as the symptoms are compared with them. */
  mapCells(cells) {
    return this.vip.adapter ? this.vip.adapter.cells(cells) : cells;
  }

  calibrated(symptoms) {
    return JSON.stringify(symptoms) === JSON.stringify(this.own);
  }
}

/** Scores by the mean similarity with the symptoms of each class, without training. As vip_core.scoring.zero_shot. */
export class ZeroShot extends Scorer {
  constructor(encoder, scale, reference) {
    super(encoder, reference, 1);
    this.scale = scale;
    this.similarityReference = reference;
  }

  contextOf() {
    return 0;
  }

  vectorsOf() {
    return new Float32Array(0);
  }

  explain(feature, text) {
    const image = normalize(feature);
    return text.map(features => {
      const similarity = features.map(each => cosine(image, each));
      const attention = features.map(() => 1 / features.length);
      return { token: 0, symptoms: similarity.map((value, j) => this.scale * value * attention[j]), attention, similarity };
    });
  }

  mapCells(cells) {
    return cells;
  }

  calibrated() {
    return false;
  }
}

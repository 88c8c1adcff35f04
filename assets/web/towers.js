/** The two towers of the backbone under onnxruntime-web: one thread, WebAssembly, whatever the browser. */

import { resize } from "./resize.js";

const RUNTIME = new URL("./runtime/", import.meta.url);

/** The runtime with its WebAssembly, which was fetched already. */
export async function loadRuntime(wasm) {
  const ort = await import(new URL("ort.wasm.min.mjs", RUNTIME).href);
  ort.env.wasm.numThreads = 1; // more would need headers that a static server does not send
  ort.env.wasm.wasmPaths = RUNTIME.href;
  ort.env.wasm.wasmBinary = wasm;
  ort.env.logLevel = "error";
  return ort;
}

export class ImageTower {
  constructor(ort, session, [height, width]) {
    Object.assign(this, { ort, session, height, width });
  }

  static async load(ort, file, { image_size: size }) {
    return new ImageTower(ort, await ort.InferenceSession.create(file, { executionProviders: ["wasm"] }), size);
  }

  /** Image feature (D,) and cells (h w of them, each (D,)) of a picture, with the grid [h, w]. */
  async encodeWithPatches(picture) {
    const { ort, height, width } = this;
    const pixels = resize(picture, width, height);
    const planes = new Float32Array(3 * height * width);
    for (let i = 0; i < height * width; i++) {
      for (let c = 0; c < 3; c++) planes[c * height * width + i] = pixels[3 * i + c];
    }
    const { features, cells } = await this.session.run({ pixels: new ort.Tensor("float32", planes, [1, 3, height, width]) });
    const [rows, columns, size] = cells.dims;
    const all = new Float32Array(cells.data);
    const split = Array.from({ length: rows * columns }, (_, index) => all.subarray(index * size, (index + 1) * size));
    return { feature: new Float32Array(features.data), cells: split, grid: [rows, columns] };
  }
}

export class TextTower {
  constructor(ort, session, tokenizer, width) {
    Object.assign(this, { ort, session, tokenizer, width });
  }

  static async load(ort, file, tokenizer, { text_width: width }) {
    return new TextTower(ort, await ort.InferenceSession.create(file, { executionProviders: ["wasm"] }), tokenizer, width);
  }

  /**
   * Text features, each (D,), of prompts "[context][symptom].", not normalised.
   * @param {string[]} texts
   * @param {Float32Array} context M vectors of the text tower's width, flat; none for plain sentences
   * @throws {Error} with a sentence, where a text cannot be a prompt
   */
  async encodePrompts(texts, context) {
    const { ort, tokenizer } = this;
    const size = context.length / this.width;
    const rows = texts.map(text => {
      const words = tokenizer.promptTokens(text, size);
      // a place of the context has the first token of its text, which is neither a marker nor padding
      return [...tokenizer.start, ...Array(size).fill(words[0]), ...words, ...tokenizer.end];
    });
    const length = Math.max(...rows.map(row => row.length));
    const tokens = new BigInt64Array(rows.length * length);
    rows.forEach((row, index) => row.forEach((token, place) => (tokens[index * length + place] = BigInt(token))));
    const ends = BigInt64Array.from(rows, row => BigInt(row.length - 1));
    const { text } = await this.session.run({
      tokens: new ort.Tensor("int64", tokens, [rows.length, length]),
      context: new ort.Tensor("float32", context, [size, this.width]),
      ends: new ort.Tensor("int64", ends, [rows.length]),
    });
    const dimension = text.dims[1];
    return rows.map((_, index) => text.data.slice(index * dimension, (index + 1) * dimension));
  }
}

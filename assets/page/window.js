/** Window and level of an image of more than 8 bits: what is seen, never what the model reads. */

import { make } from "./dom.js";

export class Window {
  /** @param {(url: string) => void} onshow takes the windowed picture */
  constructor(onshow) {
    this.onshow = onshow;
    this.raw = null;
    this.node = make("div", { class: "vip-window", hidden: true });
  }

  /**
   * Take the values of an image, or null for a picture of 8 bits.
   * @param {?Object} raw {values (base64 of 16-bit words), rows, columns, slope, intercept, low, high, presets, inverted}
   */
  take(raw) {
    this.raw = raw && { ...raw, values: words(raw.values) };
    this.node.hidden = !raw;
    if (!raw) return;
    const presets = [...raw.presets, { label: "full range", centre: (raw.low + raw.high) / 2, width: raw.high - raw.low }];
    const choose = event => this.set(presets[event.target.value].centre, presets[event.target.value].width);
    this.node.replaceChildren(
      this.#number("Level", "centre"),
      this.#number("Window", "width"),
      make("select", { "aria-label": "Presets of the file", onchange: choose }, ...presets.map(({ label }, value) => make("option", { value }, label))),
      make("small", {}, "Shift-drag changes both. The model’s prediction does not change."),
    );
    this.set(presets[0].centre, presets[0].width);
  }

  #number(label, name) {
    this[name] = make("input", { type: "number", step: "any", oninput: () => this.set(Number(this.centre.value), Number(this.width.value), false) });
    return make("label", {}, `${label} `, this[name]);
  }

  /** Change level and window from where they were, by shares of the whole range. */
  shift(from, dx, dy) {
    const span = this.raw.high - this.raw.low;
    this.set(from.centre + (dy * span) / 400, Math.max(1, from.width + (dx * span) / 400));
  }

  /** Show the values between centre ± width/2 as black to white. */
  set(centre, width, write = true) {
    if (!this.raw || !(width > 0) || !Number.isFinite(centre)) return;
    this.raw.window = { centre, width };
    if (write) {
      this.centre.value = Math.round(centre);
      this.width.value = Math.round(width);
    }
    const { values, columns, rows, slope, intercept, inverted } = this.raw;
    const pixels = new Uint8ClampedArray(4 * columns * rows);
    const low = centre - width / 2;
    for (let i = 0; i < columns * rows; i++) {
      const tone = Math.min(255, Math.max(0, ((values[i] * slope + intercept - low) / width) * 255));
      pixels.fill(inverted ? 255 - tone : tone, 4 * i, 4 * i + 3);
      pixels[4 * i + 3] = 255;
    }
    const canvas = make("canvas", { width: columns, height: rows });
    canvas.getContext("2d").putImageData(new ImageData(pixels, columns, rows), 0, 0);
    this.onshow(canvas.toDataURL("image/png"));
  }
}

function words(base64) {
  const bytes = Uint8Array.from(atob(base64), character => character.charCodeAt(0));
  return new Uint16Array(bytes.buffer);
}

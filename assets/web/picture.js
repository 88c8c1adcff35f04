/** An image file as upright RGB pixels that can be read row by row, and its preview. */

import { readDeepPng, toTones } from "./deep_png.js";
import { fileType } from "./file_type.js";

const PREVIEW = 768; // pixels of the preview's longer side
const QUALITY = 0.9;

/**
 * @param {Blob} file
 * @param {string} name for the sentence
 * @returns {Promise<Picture>} to be closed
 * @throws {Error} with a sentence for the person
 */
export async function readPicture(file, name) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const found = fileType(bytes, name);
  let picture;
  try {
    picture = found.deep ? deepPicture(await readDeepPng(bytes)) : new Picture(await createImageBitmap(file, { premultiplyAlpha: "none" }));
  } catch {
    throw new Error(`${name} is damaged, cut short or unusual; export it again as PNG.`);
  }
  return found.alpha ? opaque(picture, name) : picture;
}

class Picture {
  /**
   * @param {ImageBitmap|OffscreenCanvas} source
   * @param {?Uint8ClampedArray} pixels RGBA, where they are known; else they are read from the source in bands
   */
  constructor(source, pixels = null) {
    this.source = source;
    this.pixels = pixels;
    this.width = source.width;
    this.height = source.height;
  }

  /** Rows as RGBA. */
  read(top, rows) {
    if (this.pixels) return this.pixels.subarray(4 * top * this.width, 4 * (top + rows) * this.width);
    this.band ??= new OffscreenCanvas(this.width, rows);
    if (this.band.height < rows) this.band.height = rows;
    const context = this.band.getContext("2d", { willReadFrequently: true });
    context.clearRect(0, 0, this.width, rows);
    context.drawImage(this.source, 0, -top);
    return context.getImageData(0, 0, this.width, rows).data;
  }

  /** A small JPEG as a data URL, with its size. */
  async preview() {
    const scale = Math.min(1, PREVIEW / Math.max(this.width, this.height));
    const [width, height] = [this.width, this.height].map(side => Math.max(1, Math.round(side * scale)));
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(this.source, 0, 0, width, height);
    const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
    return { url: new FileReaderSync().readAsDataURL(blob), width, height };
  }

  close() {
    this.source.close?.();
    for (const canvas of [this.source, this.band]) if (canvas instanceof OffscreenCanvas) canvas.width = canvas.height = 0;
  }
}

function fromPixels(pixels, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").putImageData(new ImageData(pixels, width, height), 0, 0);
  return new Picture(canvas, pixels);
}

function deepPicture(image) {
  return fromPixels(toTones(image), image.width, image.height);
}

/** The picture laid on the median colour of its outermost fully opaque pixels. As vip_core.data.pixels.fill_transparent. */
function opaque(picture, name) {
  const { width, height } = picture;
  const pixels = new Uint8ClampedArray(picture.read(0, height));
  const edge = edgePixels(pixels, width, height);
  picture.close();
  if (!edge.length) throw new Error(`${name} has no fully opaque pixel; export it without transparency.`);
  const tone = [0, 1, 2].map(c => median(edge.map(at => pixels[at + c])));
  for (let at = 0; at < pixels.length; at += 4) {
    const alpha = pixels[at + 3];
    if (alpha === 255) continue;
    for (let c = 0; c < 3; c++) pixels[at + c] = Math.round((pixels[at + c] * alpha + tone[c] * (255 - alpha)) / 255);
    pixels[at + 3] = 255;
  }
  return fromPixels(pixels, width, height);
}

/** Where the first and last opaque pixel of each row and column is; a pixel may come up to four times. */
function edgePixels(pixels, width, height) {
  const found = [];
  const scan = (count, at) => {
    for (let i = 0; i < count; i++) {
      if (pixels[at(i) + 3] === 255) return found.push(at(i));
    }
    return 0;
  };
  for (let y = 0; y < height; y++) {
    scan(width, x => 4 * (y * width + x));
    scan(width, x => 4 * (y * width + width - 1 - x));
  }
  for (let x = 0; x < width; x++) {
    scan(height, y => 4 * (y * width + x));
    scan(height, y => 4 * ((height - 1 - y) * width + x));
  }
  return found;
}

function median(values) {
  const sorted = values.sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return Math.round(sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2);
}

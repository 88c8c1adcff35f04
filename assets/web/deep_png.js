/** 16-bit PNG files as 8-bit tones: grey by its range, colour by its depth. As vip_core.data; a canvas would drop the low bytes. */

const TRIMMED = 0.001; // share of the pixels at either end of the range that may be extreme
const MID_TONE = 128; // of an image without contrast

/**
 * @param {Uint8Array} bytes of a PNG file of 16 bits per channel, grey or RGB, without alpha, not interlaced
 * @returns {Promise<{width, height, values: Uint16Array, channels: number}>}
 */
export async function readDeepPng(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const [width, height, channels] = [view.getUint32(16), view.getUint32(20), bytes[25] === 2 ? 3 : 1];
  const parts = [];
  for (let at = 8; at < bytes.length; at += 12 + view.getUint32(at)) {
    const kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (kind === "IDAT") parts.push(bytes.subarray(at + 8, at + 8 + view.getUint32(at)));
    if (kind === "IEND") break;
  }
  const packed = new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate"));
  const raw = new Uint8Array(await new Response(packed).arrayBuffer());
  const step = 2 * channels;
  const length = width * step;
  if (raw.length < height * (length + 1)) throw new Error("too little data");
  const values = new Uint16Array(width * height * channels);
  let above = new Uint8Array(length);
  for (let y = 0; y < height; y++) {
    const row = raw.subarray(y * (length + 1) + 1, (y + 1) * (length + 1));
    unfilter(raw[y * (length + 1)], row, above, step);
    for (let i = 0; i < width * channels; i++) values[y * width * channels + i] = (row[2 * i] << 8) | row[2 * i + 1];
    above = row;
  }
  return { width, height, values, channels };
}

/** Undo a PNG filter in place. */
function unfilter(kind, row, above, step) {
  for (let i = 0; i < row.length; i++) {
    const left = i < step ? 0 : row[i - step];
    const up = above[i];
    const corner = i < step ? 0 : above[i - step];
    if (kind === 1) row[i] += left;
    else if (kind === 2) row[i] += up;
    else if (kind === 3) row[i] += (left + up) >> 1;
    else if (kind === 4) row[i] += paeth(left, up, corner);
  }
}

function paeth(left, up, corner) {
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
}

/** Values as RGBA of 8 bits. */
export function toTones({ width, height, values, channels }) {
  const grey = channels === 1 || isGrey(values);
  const table = grey ? byRange(values) : byDepth(values);
  const pixels = new Uint8ClampedArray(width * height * 4);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) pixels[4 * i + c] = table[values[channels === 1 ? i : 3 * i + c]];
    pixels[4 * i + 3] = 255;
  }
  return pixels;
}

function isGrey(values) {
  for (let i = 0; i < values.length; i += 3) if (values[i] !== values[i + 1] || values[i] !== values[i + 2]) return false;
  return true;
}

/** The tone of each value: the lowest becomes 0, the highest 255. */
function byRange(values) {
  const counts = new Uint32Array(65536);
  for (const value of values) counts[value] += 1;
  const [low, high] = valueRange(counts);
  return low === high ? new Uint8Array(65536).fill(MID_TONE) : scaled(low, high);
}

/** The range to show, given the number of pixels with each value; a few extreme values may be left out of it. */
export function valueRange(counts) {
  const present = [...counts.keys()].filter(value => counts[value]);
  const passed = [];
  let sum = 0;
  for (const value of present) passed.push((sum += counts[value]));
  const dropped = Math.trunc(sum * TRIMMED);
  const [low, high] = [present[0], present.at(-1)];
  const innerLow = present[passed.findIndex(count => count >= dropped + 1)];
  const innerHigh = present[passed.findIndex(count => count >= sum - dropped)];
  const span = innerHigh - innerLow;
  if (!(span > 0 && span < 0.1 * (high - low))) return [low, high];
  const kept = present.filter(value => value >= innerLow - span && value <= innerHigh + span);
  return [kept[0], kept.at(-1)];
}

/** The tone of each value by its depth: 16 bits, or the least of 8, 10 and 12 that hold all values. */
function byDepth(values) {
  const largest = values.reduce((most, value) => Math.max(most, value), 0);
  return scaled(0, 2 ** [8, 10, 12, 16].find(depth => largest < 2 ** depth) - 1);
}

function scaled(low, high) {
  return Uint8Array.from({ length: 65536 }, (_, value) => rint(((Math.min(Math.max(value, low), high) - low) / (high - low)) * 255));
}

/** Rounded to the nearest whole number, halves to the even one. */
function rint(value) {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 ? below + 1 : below;
}

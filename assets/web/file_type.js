/** What an image file is by its first bytes, and why it cannot be read, before anything is decoded. */

export const MAX_BYTES = 64 * 2 ** 20;
export const MAX_PIXELS = 50_000_000; // a phone's memory; vip_core itself reads 64 million
export const MIN_SIDE = 8;

const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/**
 * @param {Uint8Array} bytes of the whole file
 * @param {string} name for the sentence
 * @returns {{kind: string, width: number, height: number, alpha: boolean, deep: boolean}} deep: over 8 bits per channel
 * @throws {Error} with a sentence for the person
 */
export function fileType(bytes, name) {
  if (!bytes.length) throw new Error(`${name} is empty; copy or export it again.`);
  if (bytes.length > MAX_BYTES) throw new Error(`${name} is ${(bytes.length / 2 ** 20).toFixed(1)} MB; the limit is 64.0 MB; export it smaller.`);
  const found = found_in(bytes, name);
  const size = `${found.width.toLocaleString("en")} x ${found.height.toLocaleString("en")} pixels`;
  if (Math.min(found.width, found.height) < MIN_SIDE) throw new Error(`${name} has ${size}; each side needs at least ${MIN_SIDE}; choose a larger image.`);
  if (found.width * found.height > MAX_PIXELS) {
    throw new Error(`${name} has ${size}; the limit is ${MAX_PIXELS.toLocaleString("en")} pixels in total; export it smaller.`);
  }
  return found;
}

function found_in(bytes, name) {
  const ascii = (at, length) => String.fromCharCode(...bytes.subarray(at, at + length));
  if (ascii(128, 4) === "DICM" || /\.(dcm|dicom|dic|dc3|ima)$/i.test(name)) {
    throw new Error(`${name} is a DICOM file, which this page does not read; export it as PNG, or use the page with a server (vip demo).`);
  }
  if (PNG.every((byte, index) => bytes[index] === byte)) return png(bytes, name, ascii);
  if (bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff) return jpeg(bytes, name);
  if (ascii(0, 4) === "RIFF" && ascii(8, 4) === "WEBP") return webp(bytes, name, ascii);
  throw new Error(`${name} is not a PNG, JPEG or WebP file; export it as one of these.`);
}

function damaged(name) {
  return new Error(`${name} is damaged, cut short or unusual; export it again as PNG.`);
}

function png(bytes, name, ascii) {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const kinds = new Set();
  for (let at = 8; !kinds.has("IEND"); ) {
    if (at + 12 > bytes.length) throw damaged(name);
    kinds.add(ascii(at + 4, 4));
    at += 12 + view.getUint32(at);
    if (at > bytes.length) throw damaged(name);
  }
  if (!kinds.has("IHDR") || !kinds.has("IDAT")) throw damaged(name);
  if (kinds.has("acTL")) throw new Error(`${name} holds several frames; save the one to read as a file of its own.`);
  const alpha = [4, 6].includes(bytes[25]) || kinds.has("tRNS");
  const deep = bytes[24] === 16;
  if (deep && (alpha || bytes[28])) {
    throw new Error(`${name} is a 16-bit PNG with transparency or interlacing; export it without.`);
  }
  return { kind: "png", width: view.getUint32(16), height: view.getUint32(20), alpha, deep };
}

function jpeg(bytes, name) {
  let size = null;
  for (let at = 2; at + 4 <= bytes.length; ) {
    if (bytes[at] !== 0xff) throw damaged(name);
    const marker = bytes[at + 1];
    if (marker === 0xff) {
      at += 1; // padding
      continue;
    }
    const length = (bytes[at + 2] << 8) | bytes[at + 3];
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      if (bytes[at + 4] !== 8) throw new Error(`${name} is a JPEG of ${bytes[at + 4]} bits per channel, which browsers do not show; export it as PNG.`);
      size = { height: (bytes[at + 5] << 8) | bytes[at + 6], width: (bytes[at + 7] << 8) | bytes[at + 8] };
    }
    if (marker === 0xda) {
      let end = bytes.length - 2; // cut short, a file has no end marker after its scan
      while (end > at && !(bytes[end] === 0xff && bytes[end + 1] === 0xd9)) end -= 1;
      if (!size || end <= at) throw damaged(name);
      return { kind: "jpeg", ...size, alpha: false, deep: false };
    }
    at += 2 + length;
  }
  throw damaged(name);
}

function webp(bytes, name, ascii) {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  if (bytes.length < 30 || view.getUint32(4, true) + 8 > bytes.length) throw damaged(name);
  const kind = ascii(12, 4);
  if (kind === "VP8X") {
    if (bytes[20] & 2) throw new Error(`${name} holds several frames; save the one to read as a file of its own.`);
    const side = at => 1 + (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16));
    return { kind: "webp", width: side(24), height: side(27), alpha: Boolean(bytes[20] & 16), deep: false };
  }
  if (kind === "VP8L") {
    const bits = view.getUint32(21, true);
    return { kind: "webp", width: (bits & 0x3fff) + 1, height: ((bits >> 14) & 0x3fff) + 1, alpha: Boolean((bits >> 28) & 1), deep: false };
  }
  if (kind !== "VP8 ") throw damaged(name);
  return { kind: "webp", width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff, alpha: false, deep: false };
}

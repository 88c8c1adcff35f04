/** One file out of a ZIP file, in the browser: what a person chose stays there, and is opened again without an upload. */

const END = 0x06054b50; // of the ZIP's list of files
const ENTRY = 0x02014b50; // one of that list
const LONGEST_END = 65557; // bytes: the end's own 22 and the longest comment
const STORED = 0;
const DEFLATED = 8;

/** A file's own name, without folders. */
export function baseName(path) {
  return path.split(/[\\/]/).filter(Boolean).at(-1)?.trim() ?? "";
}

/** Whether a Blob begins as a ZIP file does. */
export async function isZip(blob) {
  const mark = new Uint8Array(await blob.slice(0, 2).arrayBuffer());
  return mark[0] === 0x50 && mark[1] === 0x4b;
}

/**
 * The files of a ZIP, in its order, without folders and hidden ones.
 * @param {Blob} blob
 * @returns {Promise<{name: string, read: () => Promise<Blob>}[]>} none where the ZIP cannot be read
 */
export async function entries(blob) {
  const tailStart = Math.max(0, blob.size - LONGEST_END);
  const tail = new DataView(await blob.slice(tailStart).arrayBuffer());
  let end = tail.byteLength - 22;
  while (end >= 0 && tail.getUint32(end, true) !== END) end -= 1;
  if (end < 0) return [];
  const size = tail.getUint32(end + 12, true);
  const start = tail.getUint32(end + 16, true);
  const list = new DataView(await blob.slice(start, start + size).arrayBuffer());
  const found = [];
  for (let at = 0; at + 46 <= list.byteLength && list.getUint32(at, true) === ENTRY; ) {
    const [nameSize, extraSize, commentSize] = [28, 30, 32].map(offset => list.getUint16(at + offset, true));
    const path = new TextDecoder().decode(new Uint8Array(list.buffer, at + 46, nameSize));
    const entry = { method: list.getUint16(at + 10, true), size: list.getUint32(at + 20, true), header: list.getUint32(at + 42, true) };
    const hidden = path.split("/").some(part => part.startsWith(".") || part.startsWith("__MACOSX"));
    if (!path.endsWith("/") && !hidden) found.push({ name: baseName(path), read: () => unpack(blob, entry) });
    at += 46 + nameSize + extraSize + commentSize;
  }
  return found;
}

/** The content of an entry. Throws an Error where it is packed in an unusual way. */
async function unpack(blob, { method, size, header }) {
  const head = new DataView(await blob.slice(header, header + 30).arrayBuffer());
  const start = header + 30 + head.getUint16(26, true) + head.getUint16(28, true);
  const packed = blob.slice(start, start + size);
  if (method === STORED) return packed;
  if (method !== DEFLATED) throw new Error("The ZIP file uses an unusual compression.");
  return new Response(packed.stream().pipeThrough(new DecompressionStream("deflate-raw"))).blob();
}

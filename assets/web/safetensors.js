/** Reading safetensors files, in which checkpoints are stored. */

/**
 * Tensors by name: {shape, data}, data a Float32Array or, for labels, an array of whole numbers.
 * @param {ArrayBuffer} buffer
 */
export function readTensors(buffer) {
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const tensors = {};
  for (const [name, value] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const [start, end] = value.data_offsets;
    const bytes = buffer.slice(8 + length + start, 8 + length + end); // a copy begins at a multiple of any size
    tensors[name] = { shape: value.shape, data: numbers(value.dtype, bytes) };
  }
  return tensors;
}

function numbers(type, bytes) {
  if (type === "F32") return new Float32Array(bytes);
  if (type === "F16") return Float32Array.from(new Uint16Array(bytes), fromHalf);
  if (type === "I64") return Array.from(new BigInt64Array(bytes), Number);
  throw new Error(`The checkpoint contains tensors of type ${type}, which this page does not read. Export it again.`);
}

/** The value of 16 bits (IEEE 754, binary16). */
export function fromHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
}

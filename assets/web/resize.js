/**
 * Bicubic resizing with antialiasing as Pillow does it: two passes, horizontal first, in whole numbers of 22 bits after the
 * point, rounded to 8 bits after each. A canvas resizes otherwise, and the model would see another image.
 */

const PRECISION = 22;
const SUPPORT = 2; // of the bicubic filter
const A = -0.5;
const BAND = 256; // rows that are held at a time

/**
 * @param {{width: number, height: number, read: (top: number, rows: number) => Uint8ClampedArray}} image rows as RGBA
 * @returns {Uint8ClampedArray} RGB of (height, width)
 */
export function resize(image, width, height) {
  const across = coefficients(image.width, width);
  const down = coefficients(image.height, height);
  const middle = new Uint8ClampedArray(image.height * width * 3);
  for (let top = 0; top < image.height; top += BAND) {
    const rows = Math.min(BAND, image.height - top);
    const pixels = image.read(top, rows);
    for (let y = 0; y < rows; y++) horizontal(pixels, 4 * y * image.width, across, middle, (top + y) * width * 3);
  }
  const result = new Uint8ClampedArray(height * width * 3);
  down.forEach(({ first, weights }, y) => {
    for (let x = 0; x < width * 3; x++) {
      let sum = 2 ** (PRECISION - 1);
      for (let i = 0; i < weights.length; i++) sum += middle[(first + i) * width * 3 + x] * weights[i];
      result[y * width * 3 + x] = Math.floor(sum / 2 ** PRECISION); // the array clips to 0 and 255
    }
  });
  return result;
}

function horizontal(pixels, start, across, target, to) {
  for (let x = 0; x < across.length; x++) {
    const { first, weights } = across[x];
    let red = 2 ** (PRECISION - 1);
    let green = red;
    let blue = red;
    let at = start + 4 * first;
    for (let i = 0; i < weights.length; i++, at += 4) {
      red += pixels[at] * weights[i];
      green += pixels[at + 1] * weights[i];
      blue += pixels[at + 2] * weights[i];
    }
    target[to + 3 * x] = Math.floor(red / 2 ** PRECISION);
    target[to + 3 * x + 1] = Math.floor(green / 2 ** PRECISION);
    target[to + 3 * x + 2] = Math.floor(blue / 2 ** PRECISION);
  }
}

/** For each of `to` places: the first of the `from` pixels that it takes from, and their weights as whole numbers. */
export function coefficients(from, to) {
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  const support = SUPPORT * stretch;
  return Array.from({ length: to }, (_, place) => {
    const centre = (place + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const last = Math.min(from, Math.trunc(centre + support + 0.5));
    const weights = Array.from({ length: last - first }, (_, i) => bicubic((i + first - centre + 0.5) / stretch));
    const sum = weights.reduce((a, b) => a + b, 0);
    return {
      first,
      weights: Int32Array.from(weights, weight => {
        const scaled = (weight / sum) * 2 ** PRECISION;
        return Math.trunc(scaled + (scaled < 0 ? -0.5 : 0.5));
      }),
    };
  });
}

function bicubic(x) {
  const distance = Math.abs(x);
  if (distance < 1) return ((A + 2) * distance - (A + 3)) * distance * distance + 1;
  if (distance < 2) return (((distance - 5) * distance + 8) * distance - 4) * A;
  return 0;
}

/** The map of a symptom as a picture: yellow where a cell adds to the similarity, purple where it takes away. */

const MORE = [255, 224, 0]; // yellow and purple: no class has them, the colour-blind tell them apart, on skin as on grey
const LESS = [106, 32, 160];
const FINE = 16; // pixels per cell

/**
 * A transparent PNG as a data URL.
 * @param {number[][]} cells rows of values from -127 (less similar) to 127 (more similar); 0 is clear
 */
export function heat(cells) {
  const rows = cells.length;
  const columns = cells[0].length;
  const canvas = document.createElement("canvas");
  canvas.width = columns * FINE;
  canvas.height = rows * FINE;
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  for (let y = 0; y < canvas.height; y++) {
    for (let x = 0; x < canvas.width; x++) {
      const value = Math.max(-127, Math.min(127, bilinear(cells, (y + 0.5) / FINE - 0.5, (x + 0.5) / FINE - 0.5)));
      const at = 4 * (y * canvas.width + x);
      image.data.set(value > 0 ? MORE : LESS, at);
      image.data[at + 3] = Math.round((Math.abs(value) / 127) * 255);
    }
  }
  context.putImageData(image, 0, 0);
  return canvas.toDataURL("image/png");
}

/** The value between cell centres; beyond the outermost centres it stays. */
export function bilinear(cells, y, x) {
  const within = (value, most) => Math.max(0, Math.min(most, value));
  const top = within(Math.floor(y), cells.length - 1);
  const left = within(Math.floor(x), cells[0].length - 1);
  const bottom = within(top + 1, cells.length - 1);
  const right = within(left + 1, cells[0].length - 1);
  const dy = within(y - top, 1);
  const dx = within(x - left, 1);
  return (
    (1 - dy) * ((1 - dx) * cells[top][left] + dx * cells[top][right]) + dy * ((1 - dx) * cells[bottom][left] + dx * cells[bottom][right])
  );
}

/** Whether a picture is in colour, so that a map over it would change what a person reads from it. */

const SIDE = 32; // pixels that are looked at, each way
const SPREAD = 24; // between the largest and the least of red, green and blue; JPEG leaves grey images less
const SHARE = 0.05; // of the pixels

/** @param {string} url of a picture of this page's own */
export async function inColour(url) {
  const picture = new Image();
  picture.src = url;
  try {
    await picture.decode();
  } catch {
    return false; // replaced meanwhile
  }
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE;
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0, SIDE, SIDE);
  const { data } = context.getImageData(0, 0, SIDE, SIDE);
  let coloured = 0;
  for (let at = 0; at < data.length; at += 4) {
    const tones = data.subarray(at, at + 3);
    if (Math.max(...tones) - Math.min(...tones) > SPREAD) coloured += 1;
  }
  return coloured > SHARE * SIDE * SIDE;
}

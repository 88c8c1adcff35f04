/** Zoom and pan: how large the images are shown and which part, the same for both of two. */

export const ZOOM_STEP = 1.4; // factor of a button or a key
const LARGEST_ZOOM = 16;

export class Zoom {
  /**
   * @param {HTMLElement} box what the images are shown in
   * @param {HTMLElement[]} moved what is moved in it
   */
  constructor(box, moved) {
    this.box = box;
    this.moved = moved;
    this.scale = 1;
    this.x = 0;
    this.y = 0;
  }

  /** Zoom by a factor. at: the pointer whose place in the image stays where it is; the middle without. */
  by(factor, at = null) {
    const scale = Math.min(LARGEST_ZOOM, Math.max(1, this.scale * factor));
    const box = this.box.getBoundingClientRect();
    const px = at ? at.clientX - box.left - box.width / 2 : 0;
    const py = at ? at.clientY - box.top - box.height / 2 : 0;
    const ratio = scale / this.scale;
    this.scale = scale;
    this.x = px - (px - this.x) * ratio;
    this.y = py - (py - this.y) * ratio;
    this.pan(0, 0);
  }

  /** Move the images, as far as they fill the box. */
  pan(dx, dy) {
    const box = this.box.getBoundingClientRect();
    const limit = size => (size * (this.scale - 1)) / 2;
    const within = (value, most) => Math.min(most, Math.max(-most, value));
    this.x = within(this.x + dx, limit(box.width));
    this.y = within(this.y + dy, limit(box.height));
    for (const node of this.moved) node.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
  }

  fit() {
    this.scale = 1;
    this.x = this.y = 0;
    this.pan(0, 0);
  }
}

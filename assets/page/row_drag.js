/** Dragging a row by its handle to another place in the list of its class. */

export class RowDrag {
  /** @param {(name: string, from: number, to: number) => void} onmove */
  constructor(onmove) {
    this.onmove = onmove;
    this.dragged = null;
  }

  /** Let a row be dragged, and take one that is dragged here. */
  listen(row) {
    row.handle.addEventListener("dragstart", event => {
      this.dragged = { name: row.name, index: row.index };
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setData("text/plain", row.text.value);
    });
    row.node.addEventListener("dragover", event => this.#fits(row) && event.preventDefault());
    row.node.addEventListener("drop", event => {
      if (!this.#fits(row)) return;
      event.preventDefault();
      event.stopPropagation(); // it is no picture
      this.onmove(row.name, this.dragged.index, row.index);
      this.dragged = null;
    });
  }

  #fits(row) {
    return this.dragged?.name === row.name;
  }
}

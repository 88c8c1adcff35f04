/** What wheel, pointer and keys do over the image: choose one, zoom, pan, and window and level by a Shift-drag. */

import { ZOOM_STEP } from "./zoom.js";

const NOTCH = 1.15; // factor of the zoom by one notch of the wheel
const MOVES = { ArrowLeft: [30, 0], ArrowRight: [-30, 0], ArrowUp: [0, 30], ArrowDown: [0, -30] };

/**
 * Listen to the stage of the viewer.
 * @param {HTMLElement} stage
 * @param {Object} options
 * @param {import("./zoom.js").Zoom} options.zoom
 * @param {import("./window.js").Window} options.levels
 * @param {() => boolean} options.filled whether an image is shown
 * @param {() => void} options.choose lets the person choose an image
 */
export function listenToStage(stage, { zoom, levels, filled, choose }) {
  stage.addEventListener("keydown", event => {
    if (event.target !== stage) return;
    if (event.key === "+" || event.key === "=") zoom.by(ZOOM_STEP);
    else if (event.key === "-") zoom.by(1 / ZOOM_STEP);
    else if (event.key === "0") zoom.fit();
    else if (event.key === "Enter" && !filled()) choose();
    else if (MOVES[event.key] && zoom.scale > 1) zoom.pan(...MOVES[event.key]);
    else return;
    event.preventDefault();
  });
  stage.addEventListener("wheel", event => {
    if (!filled()) return;
    event.preventDefault();
    zoom.by(event.deltaY < 0 ? NOTCH : 1 / NOTCH, event);
  }, { passive: false });
  stage.addEventListener("dblclick", () => zoom.fit());
  stage.addEventListener("click", () => !filled() && choose());
  stage.addEventListener("pointerdown", event => {
    if (event.button !== 0 || !filled() || event.target.closest("input, button")) return;
    const from = event.shiftKey && levels.raw ? { ...levels.raw.window } : null;
    let { clientX: x, clientY: y } = event;
    drag(stage, event, next => {
      const [dx, dy] = [next.clientX - x, next.clientY - y];
      if (from) return levels.shift(from, dx, dy); // by the whole way from where the drag began
      zoom.pan(dx, dy);
      [x, y] = [next.clientX, next.clientY];
    });
  });
}

/** Pass on each move of the pointer until it is lifted. */
function drag(node, { pointerId }, onmove) {
  node.setPointerCapture(pointerId);
  const end = () => {
    node.removeEventListener("pointermove", onmove);
    node.removeEventListener("pointerup", end);
    node.removeEventListener("pointercancel", end);
  };
  node.addEventListener("pointermove", onmove);
  node.addEventListener("pointerup", end);
  node.addEventListener("pointercancel", end);
}

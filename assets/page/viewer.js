/** The image viewer: stage, tools, and what is said of the image. It changes only what is seen, never what the model reads. */

import { attribute, button, make, say } from "./dom.js";
import { listenToStage } from "./gestures.js";
import { ImageInput } from "./image_input.js";
import { SymptomMap } from "./map.js";
import { Panes } from "./panes.js";
import { Window } from "./window.js";
import { ZOOM_STEP, Zoom } from "./zoom.js";

export class Viewer {
  /**
   * @param {HTMLElement} root
   * @param {Object} options
   * @param {(file: File, second: boolean) => void} options.onfile
   * @param {() => void} options.onclear
   * @param {() => void} options.onremovesecond
   */
  constructor(root, { onfile, onclear, onremovesecond }) {
    this.inverted = false;
    this.stage = make("div", { class: "vip-stage", tabindex: "0", role: "group", "aria-label": "Image. Scroll zooms, drag pans, double click fits." });
    this.input = new ImageInput(onfile);
    this.panes = new Panes(this.stage, onremovesecond);
    this.map = new SymptomMap(this.stage, this.panes);
    this.zoom = new Zoom(this.panes.node, [this.panes.first.moved, this.panes.second.moved]);
    this.levels = new Window(url => (this.panes.first.picture.src = url));
    this.hint = make("span", { class: "vip-hint" });
    this.busy = make("span", { class: "vip-busy", role: "status" });
    this.facts = make("p", { class: "vip-facts" });
    this.stage.append(
      this.panes.node,
      this.panes.words,
      this.hint,
      this.busy,
      button("Leave full screen", () => this.fullScreen(), { class: "vip-leave" }),
    );
    root.append(this.stage, this.#tools(onclear), this.levels.node, this.facts, this.map.words);
    this.input.listen(this.stage);
    listenToStage(this.stage, {
      zoom: this.zoom,
      levels: this.levels,
      filled: () => Boolean(this.panes.first.picture.src),
      choose: () => this.open(),
    });
    this.clear("");
  }

  #tools(onclear) {
    const { input, panes, map, zoom } = this;
    this.negative = button("Invert", () => this.invert(), { class: "vip-invert", "aria-pressed": "false" });
    return make(
      "div",
      { class: "vip-tools", role: "toolbar", "aria-label": "Image tools" },
      button("Open", () => this.open(), { class: "vip-open" }),
      button("Camera", () => input.camera.click(), { class: "vip-camera" }),
      button("Compare", () => input.second.click(), { class: "vip-compare", title: "Show a second image beside this one" }),
      panes.layout,
      panes.remove,
      make("label", {}, map.box, " Map"),
      map.opacity,
      this.negative,
      button("−", () => zoom.by(1 / ZOOM_STEP), { "aria-label": "Zoom out" }),
      button("+", () => zoom.by(ZOOM_STEP), { "aria-label": "Zoom in" }),
      button("Fit", () => zoom.fit()),
      button("Full screen", () => this.fullScreen(), { class: "vip-full" }),
      button("Clear", onclear, { class: "vip-clear" }),
      input.file,
      input.camera,
      input.second,
    );
  }

  /** The second image, or null. */
  get second() {
    return this.panes.picture;
  }

  /** Let the person choose an image. */
  open() {
    this.input.file.click();
  }

  clear(hint) {
    for (const each of [this.panes.first, this.panes.second]) each.clear();
    this.panes.removeSecond();
    this.levels.take(null);
    this.map.show(null);
    say(this.facts, "");
    if (hint !== "") say(this.hint, hint);
    this.hint.hidden = false;
    this.zoom.fit();
  }

  /** Say that an image is being read. name: of it; empty when that is over */
  reading(name) {
    say(this.busy, name ? `Reading ${name} …` : "");
    this.stage.classList.toggle("vip-reading", Boolean(name));
  }

  /** @param {{url: string, label: string, facts: string, raw: ?Object, fit: string}} picture */
  show(picture) {
    this.reading("");
    this.hint.hidden = true;
    this.panes.first.show(picture);
    this.map.offer(picture.url);
    say(this.facts, picture.facts ?? "");
    this.levels.take(picture.raw ?? null);
    this.zoom.fit();
  }

  /** Show a second image. names: of both */
  showSecond(picture, names) {
    this.reading("");
    if (picture.facts) say(this.facts, `${this.facts.textContent} ${picture.facts}`.trim());
    this.panes.showSecond(picture, names);
  }

  invert() {
    this.inverted = !this.inverted;
    attribute(this.negative, "aria-pressed", String(this.inverted));
    this.stage.classList.toggle("vip-inverted", this.inverted);
  }

  fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else if (this.stage.requestFullscreen) this.stage.requestFullscreen();
    else this.stage.classList.toggle("vip-filling"); // phones that show only films full screen
  }
}

/**
 * The image viewer: drop, paste, choose or photograph an image; zoom, pan, invert, window and level; the map of a symptom on
 * top; a second image beside it or under a slider. Changes here affect only what is seen, never what the model reads.
 */

import { inColour } from "./colour.js";
import { attribute, button, make, say } from "./dom.js";
import { heat } from "./heat.js";
import { pane } from "./pane.js";
import { Window } from "./window.js";

const LARGEST_ZOOM = 16;
const ACCEPT = "image/*,.dcm,.dicom,.ima,.tif,.tiff,application/dicom";

export class Viewer {
  /**
   * @param {HTMLElement} root
   * @param {Object} options
   * @param {(file: File, second: boolean) => void} options.onfile
   * @param {() => void} options.onclear
   */
  constructor(root, { onfile, onclear, onremovesecond }) {
    this.onfile = onfile;
    this.view = { zoom: 1, x: 0, y: 0 };
    this.inverted = false;
    this.second = null;
    this.layout = "beside";
    this.file = make("input", { type: "file", accept: ACCEPT, hidden: true, "aria-label": "Choose an image", onchange: () => this.#chosen(this.file, false) });
    this.camera = make("input", { type: "file", accept: "image/*", capture: "environment", hidden: true, "aria-label": "Take a photograph", onchange: () => this.#chosen(this.camera, false) });
    this.other = make("input", { type: "file", accept: ACCEPT, hidden: true, "aria-label": "Choose a second image", onchange: () => this.#chosen(this.other, true) });
    this.first = pane("The image");
    this.beside = pane("The second image");
    this.beside.node.hidden = true;
    this.hint = make("span", { class: "vip-hint" });
    this.busy = make("span", { class: "vip-busy", role: "status" });
    this.swipe = make("input", { type: "range", class: "vip-swipe", min: 0, max: 100, value: 50, "aria-label": "Boundary between the two images", hidden: true, oninput: () => this.#arrange() });
    this.panes = make("div", { class: "vip-panes" }, this.first.node, this.beside.node, this.swipe);
    this.words = make("div", { class: "vip-panes-words", hidden: true, role: "status" }, this.first.words, this.beside.words);
    this.stage = make(
      "div",
      { class: "vip-stage", tabindex: "0", role: "group", "aria-label": "Image. Scroll zooms, drag pans, double click fits.", onkeydown: event => this.#key(event) },
      this.panes,
      this.words,
      this.hint,
      this.busy,
      button("Leave full screen", () => this.fullScreen(), { class: "vip-leave" }),
    );
    this.opacity = make("input", { type: "range", min: 0, max: 100, value: 60, class: "vip-opacity", "aria-label": "Opacity of the map", oninput: () => this.#opacity() });
    this.map = make("input", { type: "checkbox", checked: true, onchange: () => this.#chooseMap() });
    this.wantsMap = null; // whether a person wants the map; null until they say so
    this.tools = {
      open: button("Open", () => this.file.click(), { class: "vip-open" }),
      camera: button("Camera", () => this.camera.click(), { class: "vip-camera" }),
      compare: button("Compare", () => this.other.click(), { class: "vip-compare", title: "Show a second image beside this one" }),
      layout: button("Swipe", () => this.#toggleLayout(), { hidden: true, title: "One image over the other, with a slider between them" }),
      remove: button("Remove second", onremovesecond, { hidden: true, class: "vip-remove-second" }),
      invert: button("Invert", () => this.invert(), { class: "vip-invert", "aria-pressed": "false" }),
      out: button("−", () => this.zoom(1 / 1.4), { "aria-label": "Zoom out" }),
      in: button("+", () => this.zoom(1.4), { "aria-label": "Zoom in" }),
      fit: button("Fit", () => this.fit()),
      full: button("Full screen", () => this.fullScreen(), { class: "vip-full" }),
      clear: button("Clear", onclear, { class: "vip-clear" }),
    };
    this.window = new Window(url => (this.first.picture.src = url));
    this.caption = make("p", { class: "vip-map-caption" });
    this.key = make("p", { class: "vip-map-key", hidden: true }, "Map: less ", make("i", { "aria-hidden": "true" }), " more similar");
    this.facts = make("p", { class: "vip-facts" });
    root.append(
      this.stage,
      make(
        "div",
        { class: "vip-tools", role: "toolbar", "aria-label": "Image tools" },
        this.tools.open,
        this.tools.camera,
        this.tools.compare,
        this.tools.layout,
        this.tools.remove,
        make("label", {}, this.map, " Map"),
        this.opacity,
        this.tools.invert,
        this.tools.out,
        this.tools.in,
        this.tools.fit,
        this.tools.full,
        this.tools.clear,
        this.file,
        this.camera,
        this.other,
      ),
      this.window.node,
      this.facts,
      make("div", { class: "vip-map-words" }, this.key, this.caption),
    );
    this.#wire(root);
    this.#opacity();
    this.clear("");
  }

  // ---- ways in

  #chosen(input, second) {
    const [file] = input.files;
    input.value = ""; // the same file can be chosen again
    if (file) this.onfile(file, second);
  }

  #wire(root) {
    // The whole page takes a drop, also on the picture that is there.
    const page = root.ownerDocument;
    const holdsFiles = event => [...(event.dataTransfer?.types ?? [])].includes("Files");
    page.addEventListener("dragover", event => {
      if (!holdsFiles(event) || !this.#visible()) return;
      event.preventDefault();
      this.stage.classList.add("vip-drop");
    });
    page.addEventListener("dragleave", event => event.relatedTarget === null && this.stage.classList.remove("vip-drop"));
    page.addEventListener("drop", event => {
      this.stage.classList.remove("vip-drop");
      if (!holdsFiles(event) || !this.#visible()) return;
      event.preventDefault();
      event.stopPropagation();
      if (event.dataTransfer.files.length) this.onfile(event.dataTransfer.files[0], false);
    }, true);
    page.addEventListener("paste", event => {
      const file = [...(event.clipboardData?.files ?? [])][0];
      if (!file || !this.#visible()) return;
      event.preventDefault();
      this.onfile(file, false);
    });
    this.stage.addEventListener("wheel", event => {
      if (!this.first.picture.src) return;
      event.preventDefault();
      this.zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15, event);
    }, { passive: false });
    this.stage.addEventListener("dblclick", () => this.fit());
    this.stage.addEventListener("click", () => !this.first.picture.src && this.file.click());
    this.stage.addEventListener("pointerdown", event => this.#drag(event));
  }

  #visible() {
    return this.stage.offsetParent !== null;
  }

  #key(event) {
    if (event.target !== this.stage) return;
    const moves = { ArrowLeft: [30, 0], ArrowRight: [-30, 0], ArrowUp: [0, 30], ArrowDown: [0, -30] };
    if (event.key === "+" || event.key === "=") this.zoom(1.4);
    else if (event.key === "-") this.zoom(1 / 1.4);
    else if (event.key === "0") this.fit();
    else if (event.key === "Enter" && !this.first.picture.src) this.file.click();
    else if (moves[event.key] && this.view.zoom > 1) this.#pan(...moves[event.key]);
    else return;
    event.preventDefault();
  }

  #drag(event) {
    if (event.button !== 0 || !this.first.picture.src || event.target.closest("input, button")) return;
    const start = { x: event.clientX, y: event.clientY };
    const window = event.shiftKey && this.window.raw ? { ...this.window.raw.window } : null;
    this.stage.setPointerCapture(event.pointerId);
    const move = next => {
      const dx = next.clientX - start.x;
      const dy = next.clientY - start.y;
      if (window) {
        this.window.shift(window, dx, dy);
      } else {
        this.#pan(dx, dy);
        start.x = next.clientX;
        start.y = next.clientY;
      }
    };
    const end = () => {
      this.stage.removeEventListener("pointermove", move);
      this.stage.removeEventListener("pointerup", end);
      this.stage.removeEventListener("pointercancel", end);
    };
    this.stage.addEventListener("pointermove", move);
    this.stage.addEventListener("pointerup", end);
    this.stage.addEventListener("pointercancel", end);
  }

  // ---- what is seen

  clear(hint) {
    for (const each of [this.first, this.beside]) each.clear();
    this.removeSecond();
    this.window.take(null);
    this.showMap(null);
    say(this.facts, "");
    if (hint !== "") say(this.hint, hint);
    this.hint.hidden = false;
    this.fit();
  }

  reading(name) {
    say(this.busy, name ? `Reading ${name} …` : "");
    this.stage.classList.toggle("vip-reading", Boolean(name));
  }

  /** @param {{url: string, label: string, facts: string, raw: ?Object, fit: string}} picture */
  show(picture) {
    this.reading("");
    this.hint.hidden = true;
    this.first.show(picture);
    this.#offerMap(picture.url);
    say(this.facts, picture.facts ?? "");
    this.window.take(picture.raw ?? null);
    this.fit();
  }

  showSecond(picture, names) {
    this.reading("");
    this.second = picture;
    if (picture.facts) say(this.facts, `${this.facts.textContent} ${picture.facts}`.trim());
    this.beside.show(picture);
    this.beside.node.hidden = false;
    this.words.hidden = this.tools.layout.hidden = this.tools.remove.hidden = false;
    say(this.first.label, names[0]);
    say(this.beside.label, names[1]);
    this.#arrange();
  }

  removeSecond() {
    this.second = null;
    this.beside.clear();
    this.beside.node.hidden = true;
    this.swipe.hidden = true;
    this.words.hidden = this.tools.layout.hidden = this.tools.remove.hidden = true;
    this.compare(null, null);
    this.#arrange();
  }

  /** What the model says of each of two images; null where it says nothing yet. */
  compare(first, second) {
    this.first.say(first);
    this.beside.say(second);
  }

  #toggleLayout() {
    this.layout = this.layout === "beside" ? "swipe" : "beside";
    say(this.tools.layout, this.layout === "beside" ? "Swipe" : "Side by side");
    this.#arrange();
  }

  #arrange() {
    const two = this.second !== null;
    this.stage.classList.toggle("vip-two", two);
    this.stage.classList.toggle("vip-beside", two && this.layout === "beside");
    this.stage.classList.toggle("vip-swiping", two && this.layout === "swipe");
    this.swipe.hidden = !(two && this.layout === "swipe");
    this.beside.node.style.clipPath = two && this.layout === "swipe" ? `inset(0 0 0 ${this.swipe.value}%)` : "";
  }

  /** The map of a row, and what it says in words. */
  showMap(map) {
    this.first.setMap(map ? heat(map.cells) : null, map?.fit);
    this.beside.setMap(map?.second ? heat(map.second) : null, map?.fit);
    this.mapped = map;
    this.#captionMap();
  }

  #captionMap() {
    const { mapped } = this;
    this.key.hidden = !mapped || !this.map.checked;
    say(this.caption, !mapped ? "" : this.map.checked ? mapped.caption : "The map is off: it would change the colours. “Map” turns it on.");
  }

  /** A map changes what colours look like, so an image in colour starts without, unless the person wants it. */
  async #offerMap(url) {
    const colour = this.wantsMap === null && (await inColour(url));
    if (this.wantsMap !== null || this.first.picture.getAttribute("src") !== url) return;
    this.map.checked = !colour;
    this.#opacity();
  }

  #chooseMap() {
    this.wantsMap = this.map.checked;
    this.#opacity();
  }

  #opacity() {
    this.stage.style.setProperty("--vip-map-opacity", this.map.checked ? this.opacity.value / 100 : 0);
    this.#captionMap();
  }

  toggleMap() {
    this.map.checked = !this.map.checked;
    this.#chooseMap();
  }

  invert() {
    this.inverted = !this.inverted;
    attribute(this.tools.invert, "aria-pressed", String(this.inverted));
    this.stage.classList.toggle("vip-inverted", this.inverted);
  }

  zoom(factor, at = null) {
    const zoom = Math.min(LARGEST_ZOOM, Math.max(1, this.view.zoom * factor));
    const box = this.panes.getBoundingClientRect();
    const px = at ? at.clientX - box.left - box.width / 2 : 0;
    const py = at ? at.clientY - box.top - box.height / 2 : 0;
    const ratio = zoom / this.view.zoom;
    this.view = { zoom, x: px - (px - this.view.x) * ratio, y: py - (py - this.view.y) * ratio };
    this.#pan(0, 0);
  }

  #pan(dx, dy) {
    const box = this.panes.getBoundingClientRect();
    const limit = size => (size * (this.view.zoom - 1)) / 2;
    const within = (value, most) => Math.min(most, Math.max(-most, value));
    this.view.x = within(this.view.x + dx, limit(box.width));
    this.view.y = within(this.view.y + dy, limit(box.height));
    for (const each of [this.first, this.beside]) {
      each.moved.style.transform = `translate(${this.view.x}px, ${this.view.y}px) scale(${this.view.zoom})`;
    }
  }

  fit() {
    this.view = { zoom: 1, x: 0, y: 0 };
    this.#pan(0, 0);
  }

  fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else if (this.stage.requestFullscreen) this.stage.requestFullscreen();
    else this.stage.classList.toggle("vip-filling"); // phones that show only films full screen
  }
}

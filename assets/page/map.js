/** The map of a symptom on top of the image: whether it is drawn, how strongly, and what it says in words. */

import { inColour } from "./colour.js";
import { make, say } from "./dom.js";
import { heat } from "./heat.js";

export class SymptomMap {
  /**
   * @param {HTMLElement} stage takes the opacity of the map
   * @param {import("./panes.js").Panes} panes
   */
  constructor(stage, panes) {
    this.stage = stage;
    this.panes = panes;
    this.wanted = null; // whether a person wants the map; null until they say so
    this.drawn = null;
    this.box = make("input", { type: "checkbox", checked: true, onchange: () => this.#choose() });
    this.opacity = make("input", { type: "range", min: 0, max: 100, value: 60, class: "vip-opacity", "aria-label": "Opacity of the map", oninput: () => this.#paint() });
    this.caption = make("p", { class: "vip-map-caption" });
    this.key = make("p", { class: "vip-map-key", hidden: true }, "Map: less ", make("i", { "aria-hidden": "true" }), " more similar");
    this.words = make("div", { class: "vip-map-words" }, this.key, this.caption);
    this.#paint();
  }

  /** Show the map of a row and its words, or none. map: {cells, second, fit, caption} or null */
  show(map) {
    const { first, second } = this.panes;
    first.setMap(map ? heat(map.cells) : null, map?.fit);
    second.setMap(map?.second ? heat(map.second) : null, map?.fit);
    this.drawn = map;
    this.#explain();
  }

  /** A map changes what colours look like, so an image in colour starts without, unless the person wants it. */
  async offer(url) {
    const colour = this.wanted === null && (await inColour(url));
    if (this.wanted !== null || this.panes.first.picture.getAttribute("src") !== url) return;
    this.box.checked = !colour;
    this.#paint();
  }

  toggle() {
    this.box.checked = !this.box.checked;
    this.#choose();
  }

  #choose() {
    this.wanted = this.box.checked;
    this.#paint();
  }

  #paint() {
    this.stage.style.setProperty("--vip-map-opacity", this.box.checked ? this.opacity.value / 100 : 0);
    this.#explain();
  }

  #explain() {
    const { drawn, box } = this;
    this.key.hidden = !drawn || !box.checked;
    say(this.caption, !drawn ? "" : box.checked ? drawn.caption : "The map is off because it would change the colours of the image. Switch it on with “Map”.");
  }
}

/** One image or two: side by side, or one over the other with a slider between them, and the words under both. */

import { button, make, say } from "./dom.js";
import { pane } from "./pane.js";

export class Panes {
  /**
   * @param {HTMLElement} stage shows by its classes how the images are arranged
   * @param {() => void} onremove removes the second image
   */
  constructor(stage, onremove) {
    this.stage = stage;
    this.first = pane("The image");
    this.second = pane("The second image");
    this.second.node.hidden = true;
    this.picture = null; // the second one
    this.swiped = false; // whether two images share one place
    this.slider = make("input", { type: "range", class: "vip-swipe", min: 0, max: 100, value: 50, "aria-label": "Boundary between the two images", hidden: true, oninput: () => this.#arrange() });
    this.node = make("div", { class: "vip-panes" }, this.first.node, this.second.node, this.slider);
    this.words = make("div", { class: "vip-panes-words", hidden: true, role: "status" }, this.first.words, this.second.words);
    this.layout = button("Swipe", () => this.#toggle(), { hidden: true, title: "One image over the other, with a slider between them" });
    this.remove = button("Remove second", onremove, { hidden: true, class: "vip-remove-second" });
  }

  /** Show a second image. names: of both */
  showSecond(picture, names) {
    this.picture = picture;
    this.second.show(picture);
    this.second.node.hidden = false;
    this.words.hidden = this.layout.hidden = this.remove.hidden = false;
    say(this.first.label, names[0]);
    say(this.second.label, names[1]);
    this.#arrange();
  }

  removeSecond() {
    this.picture = null;
    this.second.clear();
    this.second.node.hidden = true;
    this.slider.hidden = true;
    this.words.hidden = this.layout.hidden = this.remove.hidden = true;
    this.compare(null, null);
    this.#arrange();
  }

  /** What the model says of each of two images; null where it says nothing yet. */
  compare(first, second) {
    this.first.say(first);
    this.second.say(second);
  }

  #toggle() {
    this.swiped = !this.swiped;
    say(this.layout, this.swiped ? "Side by side" : "Swipe");
    this.#arrange();
  }

  #arrange() {
    const two = this.picture !== null;
    const swiping = two && this.swiped;
    this.stage.classList.toggle("vip-two", two);
    this.stage.classList.toggle("vip-beside", two && !swiping);
    this.stage.classList.toggle("vip-swiping", swiping);
    this.slider.hidden = !swiping;
    this.second.node.style.clipPath = swiping ? `inset(0 0 0 ${this.slider.value}%)` : "";
  }
}

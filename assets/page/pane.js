/** One picture of the viewer with its map, and the words under it when two are compared. */

import { attribute, make, say } from "./dom.js";

export function pane(alt) {
  const picture = make("img", { class: "vip-picture", alt, draggable: "false" });
  const map = make("img", { class: "vip-map", alt: "", draggable: "false" });
  const label = make("span", { class: "vip-pane-label" });
  const answer = make("b", { class: "vip-pane-answer" });
  const check = make("span", { class: "vip-pane-check" });
  const words = make("div", { class: "vip-pane-words" }, label, answer, check);
  const frame = make("div", { class: "vip-frame" }, picture, map);
  const moved = make("div", { class: "vip-moved" }, frame);
  const node = make("div", { class: "vip-pane" }, moved);
  const setMap = (url, fit) => {
    attribute(map, "src", url);
    map.hidden = !url;
    attribute(map, "data-fit", fit ?? null);
  };
  return {
    node,
    picture,
    moved,
    label,
    words,
    setMap,
    /** @param {{answer: string, check: string, foreign: boolean}|null} said of this image by the model */
    say(said) {
      say(answer, said?.answer ?? "");
      say(check, said?.check ?? "");
      check.classList.toggle("vip-foreign", said?.foreign ?? false);
    },
    show({ url, alt: description, width, height }) {
      picture.src = url;
      frame.style.setProperty("--vip-aspect", width / height);
      picture.alt = description ?? alt;
      picture.hidden = false;
      setMap(null);
    },
    clear() {
      picture.removeAttribute("src");
      picture.hidden = true;
      setMap(null);
    },
  };
}

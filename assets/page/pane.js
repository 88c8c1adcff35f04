/** One picture of the viewer, with its map and its label. */

import { attribute, make } from "./dom.js";

export function pane(alt) {
  const picture = make("img", { class: "vip-picture", alt, draggable: "false" });
  const map = make("img", { class: "vip-map", alt: "", draggable: "false" });
  const label = make("span", { class: "vip-pane-label" });
  const frame = make("div", { class: "vip-frame" }, picture, map);
  const moved = make("div", { class: "vip-moved" }, frame);
  const node = make("div", { class: "vip-pane" }, moved, label);
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
    setMap,
    show({ url, alt: words, width, height }) {
      picture.src = url;
      frame.style.setProperty("--vip-aspect", width / height);
      picture.alt = words ?? alt;
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

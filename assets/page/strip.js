/** The strip of a row: this image's similarity as a bar, over the reference images of each class as distributions. */

import { attribute, make } from "./dom.js";
import { PER_CENT, signed } from "./format.js";

const WIDTH = 200;
const HEIGHT = 32;
const MIDDLE = HEIGHT / 2;

/** An empty strip; `paintStrip` fills it. */
export function strip() {
  const svg = make("svg", {
    class: "vip-strip",
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    preserveAspectRatio: "none",
    role: "img",
    "aria-label": "no similarity yet",
  });
  const parts = {
    above: make("path", { class: "vip-above" }),
    below: make("path", { class: "vip-below" }),
    zero: make("path", { class: "vip-zero", "vector-effect": "non-scaling-stroke" }),
    bar: make("rect", { class: "vip-bar", y: MIDDLE - 3, height: 6 }),
    before: make("path", { class: "vip-before", "vector-effect": "non-scaling-stroke" }),
    tick: make("path", { class: "vip-tick", "vector-effect": "non-scaling-stroke" }),
  };
  svg.append(...Object.values(parts));
  return { svg, parts, drawn: "" };
}

/**
 * Paint a strip. All rows share one axis, so that bars can be compared.
 * @param {{svg: SVGElement, parts: Object, drawn: string}} view
 * @param {Object} data
 * @param {[number, number]} data.axis ends of the axis of similarities
 * @param {number[][]|null} data.counts reference images per bin: [drawn above, drawn below]
 * @param {[string, string]} data.names what the two distributions are of
 * @param {[string, string]} data.colours
 * @param {number|null} data.similarity
 * @param {number|null} data.before the similarity before the edit, where it moved
 * @param {number[]|null} data.percentiles per cent of each group below this image
 */
export function paintStrip(view, { axis, counts, names, colours, similarity, before, percentiles }) {
  const { svg, parts } = view;
  const x = value => (((Math.min(Math.max(value, axis[0]), axis[1]) - axis[0]) / (axis[1] - axis[0])) * WIDTH).toFixed(1);
  const drawn = JSON.stringify([axis, counts]);
  if (drawn !== view.drawn) {
    view.drawn = drawn;
    const tallest = counts ? Math.max(1, ...counts.flat()) : 1;
    attribute(parts.above, "d", counts && outline(counts[0], tallest, -1));
    attribute(parts.below, "d", counts && outline(counts[1], tallest, 1));
  }
  attribute(parts.above, "fill", colours[0]);
  attribute(parts.below, "fill", colours[1]);
  attribute(parts.zero, "d", `M0 ${MIDDLE}H${WIDTH}`);
  const missing = similarity === null;
  const from = x(0);
  const to = missing ? from : x(similarity);
  attribute(parts.bar, "x", Math.min(from, to));
  attribute(parts.bar, "width", Math.abs(to - from).toFixed(1));
  attribute(parts.tick, "d", missing ? null : `M${to} 1V${HEIGHT - 1}`);
  attribute(parts.before, "d", before === null ? null : `M${x(before)} 1V${HEIGHT - 1}`);
  attribute(svg, "aria-label", missing ? "no similarity yet" : description({ similarity, before, percentiles, names }));
}

function description({ similarity, before, percentiles, names }) {
  const parts = [`Similarity ${signed(similarity, 2, "")}`];
  if (before !== null) parts.push(`before the edit ${signed(before, 2, "")}`);
  if (percentiles) {
    parts.push(`higher than ${percentiles.map((value, i) => `${Math.round(value)}${PER_CENT} of ${names[i]}`).join(" and ")}`);
  }
  return `${parts.join(", ")}.`;
}

/** A histogram as an area that grows from the middle line, up (-1) or down (1). */
function outline(bins, tallest, direction) {
  const step = WIDTH / bins.length;
  const points = bins.map(
    (value, i) => `L${((i + 0.5) * step).toFixed(1)} ${(MIDDLE + (direction * value * (MIDDLE - 1)) / tallest).toFixed(1)}`,
  );
  return `M0 ${MIDDLE}${points.join("")}L${WIDTH} ${MIDDLE}Z`;
}

/** Elements without templates: every text from a person or a server enters the page as text, never as HTML. */

const SVG = "http://www.w3.org/2000/svg";
const SVG_TAGS = new Set(["svg", "path", "rect", "line", "circle", "text", "g", "title"]);

/**
 * An element with its attributes, listeners and children.
 * @param {string} tag
 * @param {Object} attributes `on…` takes a listener, `class`, `style` and the rest are attributes; null and false are left out
 * @param {...(Node|string|null)} children
 */
export function make(tag, attributes = {}, ...children) {
  const node = SVG_TAGS.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked") node[name] = value;
    else if (name === "style") node.style.cssText = value; // as an attribute, a Content-Security-Policy forbids it
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter(child => child !== null && child !== undefined));
  return node;
}

/** Set an attribute or remove it (null, false). Nothing is written when nothing changes, so nothing is painted again. */
export function attribute(node, name, value) {
  if (value === null || value === undefined || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else if (node.getAttribute(name) !== String(value === true ? "" : value)) {
    node.setAttribute(name, value === true ? "" : value);
  }
}

/** Set a node's text when it differs. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** A button with a label, and a longer name for screen readers and the tooltip. */
export function button(label, onclick, attributes = {}) {
  return make("button", { type: "button", ...attributes, onclick }, label);
}

/** A file input that is opened by a button and hands over the chosen file. onfile(file): takes it */
export function fileInput(label, attributes, onfile) {
  const node = make("input", {
    type: "file",
    ...attributes,
    hidden: true,
    "aria-label": label,
    onchange: () => {
      const [file] = node.files;
      node.value = ""; // the same file can be chosen again
      if (file) onfile(file);
    },
  });
  return node;
}

/** Offer a text or a Blob as a download. */
export function download(name, content, type = "application/json") {
  const link = make("a", { href: URL.createObjectURL(new Blob([content], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

/** Suggestions below a row that is being written: wordings of the libraries, each with the AUROC of its class if that is known. */

import { make, say } from "./dom.js";
import { share } from "./format.js";

const MOST = 8;
const CAUTION = "The AUROC is that of the class: it does not show that the model recognises the finding.";

/** Wordings that hold every word typed so far, in the order of the library: the AUROC is no reason to choose one. */
export function matching(library, typed, used) {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  return library
    .filter(entry => !used.has(entry.text) && words.every(word => entry.text.toLowerCase().includes(word)))
    .slice(0, MOST);
}

/** A list box that belongs to whichever text box has the focus. */
export class Suggestions {
  constructor(onchoose) {
    this.onchoose = onchoose;
    this.list = make("ul", { role: "listbox", id: "vip-suggestions", "aria-label": "Wordings from the libraries" });
    this.caution = make("p", {});
    this.node = make("div", { class: "vip-suggestions" }, this.list, this.caution);
    this.node.hidden = true;
    this.entries = [];
    this.chosen = -1;
    this.box = null;
  }

  get open() {
    return !this.node.hidden;
  }

  /** note: how far AUROCs on the reference images can be trusted */
  show(box, entries, note) {
    if (!entries.length) return this.close();
    say(this.caution, `${CAUTION} ${note}`);
    this.box = box;
    this.entries = entries;
    this.chosen = -1;
    this.list.replaceChildren(
      ...entries.map((entry, index) =>
        make(
          "li",
          {
            role: "option",
            id: `vip-suggestion-${index}`,
            "aria-selected": "false",
            onpointerdown: event => {
              event.preventDefault(); // the text box keeps the focus
              this.#choose(index);
            },
          },
          make("span", {}, entry.text),
          make("small", {}, entry.auroc === null || entry.auroc === undefined ? `library ${entry.from}` : `AUROC ${share(entry.auroc)}`),
        ),
      ),
    );
    this.node.hidden = false;
    const place = box.getBoundingClientRect();
    const home = this.node.offsetParent?.getBoundingClientRect() ?? { left: 0, top: 0 };
    this.node.style.left = `${place.left - home.left}px`;
    this.node.style.top = `${place.bottom - home.top + 2}px`;
    this.node.style.minWidth = `${place.width}px`;
  }

  close() {
    this.node.hidden = true;
    this.box?.removeAttribute("aria-activedescendant");
    this.box = null;
  }

  /** Returns whether the key was for the list. */
  key(event) {
    if (!this.open) return false;
    if (event.key === "Escape") this.close();
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") this.#move(event.key === "ArrowDown" ? 1 : -1);
    else if (event.key === "Enter" && this.chosen >= 0) this.#choose(this.chosen);
    else return false;
    event.preventDefault();
    return true;
  }

  #move(step) {
    const options = [...this.list.children];
    this.chosen = (this.chosen + step + options.length) % options.length;
    options.forEach((option, index) => option.setAttribute("aria-selected", String(index === this.chosen)));
    options[this.chosen].scrollIntoView({ block: "nearest" });
    this.box.setAttribute("aria-activedescendant", options[this.chosen].id);
  }

  #choose(index) {
    const { text } = this.entries[index];
    const box = this.box;
    this.close();
    this.onchoose(box, text);
  }
}


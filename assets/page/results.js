/** What the page shows of an image: its picture, the prediction, the numbers of the rows, and what is below the fold. */

import { comparisonWords } from "./comparison.js";
import { visited } from "./keeping.js";
import { refused } from "./meaning.js";

export class Results {
  /**
   * @param {HTMLElement} root shows by its classes what is wrong with the scores
   * @param {{viewer: Object, answer: Object, rows: Object, more: Object}} views
   */
  constructor(root, { viewer, answer, rows, more }) {
    this.root = root;
    this.viewer = viewer;
    this.answer = answer;
    this.rows = rows;
    this.more = more;
  }

  /** Show no scores. */
  blank() {
    this.answer.doubt = null;
    this.answer.paint(null);
    this.rows.paint(null);
  }

  /** Show the picture of an image, or of a second one, or why there is none. */
  showPicture(picture) {
    if (picture.none) {
      this.viewer.reading("");
      this.viewer.clear(picture.none);
    } else if (picture.second) {
      this.viewer.showSecond(picture, picture.labels);
    } else {
      this.viewer.show(picture);
    }
  }

  /** Show scores and their map. */
  paint(scores, page) {
    const { second, map } = scores;
    this.root.classList.remove("vip-stale");
    this.root.classList.toggle("vip-out", refused(scores));
    if (this.answer.first) visited();
    this.answer.paint(scores);
    this.rows.paint(scores);
    if (map !== undefined) this.viewer.map.show(map && { ...map, second: second && refused(second) ? null : map.second });
    if (map?.focus) {
      this.rows.focused = { name: map.focus.class, index: map.focus.index };
      this.rows.mark();
    }
    this.paintMore(scores, page);
  }

  /** Show that there are no scores of the lists as they are now, and why; those that are shown are older. */
  paintError(scores, error) {
    this.root.classList.add("vip-stale");
    this.answer.paint(scores, error);
  }

  /** Show what depends on the prevalence and the versions, too. page: {task, store} */
  paintMore(scores, { task, store }) {
    const probability = value => this.answer.probability(value);
    if (scores?.second) this.viewer.panes.compare(...[scores, scores.second].map(each => comparisonWords(each, task, probability)));
    this.more.paint({ scores, task, store, probability });
  }
}

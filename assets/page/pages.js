/**
 * What joins the pages of the Gradio demo in the browser: their addresses, the one set of lists that Diagnose and Cohort
 * share, and a row of the Cohort that opens in Diagnose with its picture. `window.vipPages` is what event listeners call.
 */

import { texts } from "./store.js";
import { baseName, entries, isZip } from "./zip.js";

const TABS = '#vip-tabs [role="tab"]';

/** @param {import("./bench.js").Bench} bench */
export function pages(bench) {
  const uploads = keptFiles();
  addresses();
  leadToResults();
  window.vipPages = {
    /** Task, lists of it and versions for the Cohort page; it keeps its own task while it has images. boxes: how many. */
    toCohort(task, choices, boxes) {
      const summary = document.querySelector("#vip-cohort-summary"); // null on the first visit
      const empty = summary === null || summary.querySelector(".vip-empty") !== null;
      const key = empty && choices.includes(bench.key) ? bench.key : task;
      return [key, ...window.vipPages.lists(key, boxes), JSON.stringify(versionsOf(bench.storeOf(key)))];
    },
    /** Text of each box: the lists of a task. */
    lists(key, boxes) {
      const lists = Object.values(texts(bench.storeOf(key).lists)).map(lines => lines.join("\n"));
      return Array.from({ length: boxes }, (_, index) => lists[index] ?? "");
    },
    /** Take the boxes of the Cohort page as the lists of its task, while a person types in one of them. */
    fromCohort(key, ...boxes) {
      if (!document.activeElement?.closest('[id^="vip-cohort-box-"]')) return;
      const { classes } = bench.config.tasks[key];
      const lists = Object.fromEntries(classes.map((name, index) => [name, boxes[index].split("\n").map(line => line.trim()).filter(Boolean)]));
      if (Object.values(lists).every(lines => lines.length)) bench.write(key, lists);
    },
    /** The task's own lists again. */
    reset(key) {
      bench.write(key, bench.config.tasks[key].lists);
    },
    /** Open a row of the Cohort page: its picture where this browser still has the file, else its features alone. */
    async open(chosen) {
      if (!chosen) return;
      const { task, place, name, nth } = JSON.parse(chosen);
      select("Diagnose");
      scrollTo(0, 0);
      if (bench.key !== task) bench.take(task);
      const file = await uploads.find(name, nth);
      bench.read(file ? { file, name } : { cohort: place, name });
    },
  };
}

function versionsOf(store) {
  return store.versions.map(({ name, lists }) => ({ name, lists: texts(lists) }));
}

// ---- addresses: each page has one, which survives a reload, a bookmark and the browser's Back

function tabs() {
  return [...document.querySelectorAll(TABS)];
}

function select(name) {
  tabs().find(tab => tab.textContent.trim() === name)?.click();
}

function addresses() {
  const page = () => tabs().find(tab => tab.getAttribute("aria-selected") === "true")?.textContent.trim();
  const named = () => tabs().find(tab => `#${tab.textContent.trim().toLowerCase()}` === location.hash)?.textContent.trim();
  const follow = () => {
    const wanted = named() ?? tabs()[0]?.textContent.trim();
    if (wanted && wanted !== page()) select(wanted);
  };
  if (named()) follow();
  window.addEventListener("popstate", follow);
  new MutationObserver(() => {
    const shown = page();
    if (!shown || shown === (named() ?? tabs()[0]?.textContent.trim())) return;
    history.pushState(null, "", `${location.pathname}${location.search}#${shown.toLowerCase()}`);
  }).observe(document.querySelector("#vip-tabs"), { subtree: true, attributes: true, attributeFilter: ["aria-selected"] });
}

/** On a phone the results are far below the upload. */
function leadToResults() {
  document.addEventListener("click", event => {
    if (event.target.closest?.(".vip-to-results")) document.querySelector("#vip-cohort-summary").scrollIntoView();
  });
}

// ---- the files of the Cohort page, as this browser has them

function keptFiles() {
  let files = [];
  const take = (event, list) => {
    if (event.target.closest?.("#vip-cohort-files") && list?.length) files = [...list];
  };
  document.addEventListener("change", event => take(event, event.target.files), true);
  document.addEventListener("drop", event => take(event, event.dataTransfer?.files), true);
  return {
    /** The file of a name, the `nth` of that name from 0 on; null where it is not here. */
    async find(name, nth) {
      let left = nth;
      for (const file of files) {
        const found = (await isZip(file)) ? await entries(file) : [{ name: baseName(file.name), read: async () => file }];
        for (const entry of found.filter(each => each.name === name)) {
          if (left > 0) left -= 1;
          else return entry.read().then(blob => new File([blob], name), () => null);
        }
      }
      return null;
    },
  };
}

/** How lists are kept and passed on: symptom files, links, and the browser's own storage (texts only, never an image). */

import { download, say } from "./dom.js";
import { linkQuery, readFile, readLink } from "./store.js";

const MEMORY = "vip:task:"; // keys of the storage, each with the name of a task
const SEEN = "vip:seen";
const ADDED = "vip:added"; // classes that the person has added: [[task, class, …], …]
const LARGEST = 256 * 1024; // bytes of a symptom file

/** The lists of a symptom file that a person chose. Throws an Error with a sentence. */
export async function loadLists(file, classes) {
  if (file.size > LARGEST) throw new Error("The symptom file is larger than 256 kB. Choose a smaller one.");
  return readFile(await file.text(), classes);
}

/** Offer the lists as a symptom file, with what is switched off beside them. Throws an Error with a sentence. */
export function saveLists(task, store) {
  const classes = {};
  const off = {};
  for (const [name, rows] of Object.entries(store.lists)) {
    const kept = rows.filter(row => row.text.trim());
    classes[name] = kept.filter(row => row.on).map(row => row.text.trim());
    const rest = kept.filter(row => !row.on).map(row => row.text.trim());
    if (rest.length) off[name] = rest;
    if (!classes[name].length) throw new Error(`All symptoms of “${name}” are switched off. Switch on at least one.`);
  }
  let source = task.source;
  if (store.edited) {
    source = { kind: "edited on the page", date: new Date().toISOString().slice(0, 10), edited_from: task.source };
    if (Object.keys(off).length) source.switched_off = off;
  }
  download(`${task.key}-symptoms.json`, `${JSON.stringify({ modality: task.modality, source, classes }, null, 2)}\n`);
}

/** Show a link to the lists, and copy it. */
export function shareLists(task, store, link, status) {
  if (task.base) return say(status, "A link cannot contain an added class. Save the lists as a file instead.");
  const query = linkQuery(task.key, store.lists);
  if (query === null) return say(status, "These lists are too long for a link. Save them as a file instead.");
  const address = `${location.origin}${location.pathname}?${query}`;
  link.href = address;
  say(link, "Link to these lists");
  link.hidden = false;
  const copied = navigator.clipboard?.writeText(address) ?? Promise.reject();
  copied.then(
    () => say(status, "Link copied. It contains the lists, never an image."),
    () => say(status, "Copy the link from here. It contains the lists, never an image."),
  );
}

/** Task and lists that the page's address names; null where it names none. Throws an Error with a sentence. */
export function linkedLists(tasks) {
  return readLink(location.search, Object.fromEntries(Object.entries(tasks).map(([key, task]) => [key, task.classes])));
}

/** Keep the lists of a task in this browser, where they differ from its own. */
export function remember(key, store) {
  try {
    if (store.edited || store.versions.length) localStorage.setItem(MEMORY + key, JSON.stringify(store.saved()));
    else localStorage.removeItem(MEMORY + key);
  } catch {
    // full or switched off: the page works without
  }
}

/** Take what was kept of a task, if there is something and it fits. */
export function recall(key, store) {
  try {
    store.restore(JSON.parse(localStorage.getItem(MEMORY + key) ?? "null"));
  } catch {
    // switched off or damaged: the task's own lists
  }
}

/** Keep that a task with added classes is there. */
export function rememberAdded({ base, added }) {
  try {
    const kept = recallAdded().filter(each => JSON.stringify(each) !== JSON.stringify([base, ...added]));
    localStorage.setItem(ADDED, JSON.stringify([...kept, [base, ...added]]));
  } catch {
    // full or switched off: the page works without
  }
}

/** The tasks with added classes that were kept: the key of the task, then the names, of each. */
export function recallAdded() {
  try {
    const kept = JSON.parse(localStorage.getItem(ADDED) ?? "[]");
    return kept.filter(each => Array.isArray(each) && each.length > 1 && each.every(name => typeof name === "string"));
  } catch {
    return []; // switched off or damaged
  }
}

/** Whether nobody has seen a result in this browser yet. */
export function firstVisit() {
  try {
    return localStorage.getItem(SEEN) === null;
  } catch {
    return true;
  }
}

/** Record that a result has been seen in this browser. */
export function visited() {
  try {
    localStorage.setItem(SEEN, "yes");
  } catch {
    // full or switched off: the hint comes again
  }
}

/** Remove everything that this page keeps in the browser. */
export function forget() {
  try {
    for (const key of Object.keys(localStorage)) if (key.startsWith(MEMORY) || key === ADDED) localStorage.removeItem(key);
  } catch {
    // switched off: nothing is there
  }
}

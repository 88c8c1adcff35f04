/**
 * The symptom lists that a person edits: rows, undo and redo, named versions, links and files. No DOM.
 *
 * A row is {text, on, finding}: `on` says whether it is scored; `finding` is null (the model decides), "seen", "absent"
 * or "unknown" (what the person says of it).
 */

export const MOST_SYMPTOMS = 64; // per class
export const LONGEST_LINK = 8000; // characters of the query; servers and mail programs cut longer ones
const MOST_STEPS = 100;
const ONE_STEP = 1500; // milliseconds; typing in one row without such a pause is undone at once

/** @returns {{text: string, on: boolean, finding: string|null}} */
export function row(text = "", on = true, finding = null) {
  return { text, on, finding };
}

/** Rows of each class from plain texts. A text that begins with "#" is a row that is switched off. */
export function rowsOf(lists) {
  return Object.fromEntries(
    Object.entries(lists).map(([name, lines]) => [
      name,
      lines.map(line => (line.trimStart().startsWith("#") ? row(line.trimStart().slice(1).trim(), false) : row(line))),
    ]),
  );
}

const copy = value => JSON.parse(JSON.stringify(value));
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

export class Store {
  /** @param {Object<string, string[]>} original the task's own lists, by class in the model's order */
  constructor(original) {
    this.original = copy(original);
    this.lists = rowsOf(original);
    this.steps = [];
    this.undone = [];
    this.versions = [];
    this.typing = null;
  }

  get classes() {
    return Object.keys(this.original);
  }

  /** Whether what is scored differs from the task's own lists. */
  get edited() {
    return !same(this.lists, rowsOf(this.original));
  }

  get canUndo() {
    return this.steps.length > 0;
  }

  get canRedo() {
    return this.undone.length > 0;
  }

  /** Remember the lists as they are before a change. place: the row being typed in, where it is typing. */
  #remember(place = null, now = Date.now()) {
    const goesOn = place !== null && this.typing?.place === place && now - this.typing.at < ONE_STEP;
    if (!goesOn) {
      this.steps.push(copy(this.lists));
      this.steps.splice(0, this.steps.length - MOST_STEPS);
    }
    this.undone = [];
    this.typing = place === null ? null : { place, at: now };
  }

  type(name, index, text, now = Date.now()) {
    if (this.lists[name][index].text === text) return;
    this.#remember(`${name}|${index}`, now);
    this.lists[name][index].text = text;
  }

  set(name, index, change) {
    this.#remember();
    Object.assign(this.lists[name][index], change);
  }

  /** Insert rows before `index`; returns how many there was room for. */
  insert(name, index, texts) {
    const room = Math.max(0, MOST_SYMPTOMS - this.lists[name].length);
    const rows = texts.slice(0, room).map(text => row(text));
    if (rows.length) {
      this.#remember();
      this.lists[name].splice(index, 0, ...rows);
    }
    return rows.length;
  }

  remove(name, index) {
    this.#remember();
    this.lists[name].splice(index, 1);
  }

  /** Move a row within its class. */
  move(name, from, to) {
    if (to < 0 || to >= this.lists[name].length || to === from) return false;
    this.#remember();
    this.lists[name].splice(to, 0, ...this.lists[name].splice(from, 1));
    return true;
  }

  /** Take other lists (a file, a version, a library), as one step. place: where they are being typed, if they are. */
  replace(lists, place = null) {
    this.#remember(place);
    this.lists = copy(lists);
  }

  reset() {
    this.replace(rowsOf(this.original));
  }

  undo() {
    if (!this.canUndo) return false;
    this.undone.push(copy(this.lists));
    this.lists = this.steps.pop();
    this.typing = null;
    return true;
  }

  redo() {
    if (!this.canRedo) return false;
    this.steps.push(copy(this.lists));
    this.lists = this.undone.pop();
    this.typing = null;
    return true;
  }

  keep(name) {
    this.versions = this.versions.filter(version => version.name !== name);
    this.versions.push({ name, lists: copy(this.lists) });
  }

  forget(name) {
    this.versions = this.versions.filter(version => version.name !== name);
  }

  /** What survives in the browser. */
  saved() {
    return { lists: this.lists, versions: this.versions };
  }

  /** Take what was saved, where it fits this task. Returns whether it did. */
  restore(saved) {
    const fits = lists =>
      lists && same(Object.keys(lists), this.classes) && Object.values(lists).every(rows => Array.isArray(rows) && rows.every(isRow));
    if (!fits(saved?.lists)) return false;
    this.lists = copy(saved.lists);
    this.versions = (Array.isArray(saved.versions) ? saved.versions : []).filter(version => fits(version?.lists));
    return true;
  }
}

function isRow(value) {
  return typeof value?.text === "string" && typeof value.on === "boolean";
}

/** The lists as plain texts; rows that are switched off begin with "#", empty rows are left out. */
export function texts(lists) {
  return Object.fromEntries(
    Object.entries(lists).map(([name, rows]) => [
      name,
      rows.filter(each => each.text.trim()).map(each => (each.on ? "" : "# ") + each.text.trim()),
    ]),
  );
}

/** The query of a link that opens the page with these lists, or null where it would be too long to survive. */
export function linkQuery(task, lists) {
  const query = new URLSearchParams({ task, symptoms: JSON.stringify(texts(lists)) }).toString();
  return query.length > LONGEST_LINK ? null : query;
}

/**
 * Task and lists of a link.
 * @returns {{task: string, lists: ?Object<string, string[]>}|null} null where the query names neither
 * @throws {Error} with a sentence for the person
 */
export function readLink(search, tasks) {
  const query = new URLSearchParams(search);
  if (!query.has("task") && !query.has("symptoms")) return null;
  const task = query.get("task") ?? Object.keys(tasks)[0];
  if (!(task in tasks)) throw new Error(`The link names a task that is not available here. Choose one of ${Object.keys(tasks).join(", ")}.`);
  if (!query.has("symptoms")) return { task, lists: null };
  const problem = "The symptoms in the link are damaged. Ask for the link again, or for a file.";
  let lists;
  try {
    lists = JSON.parse(query.get("symptoms"));
  } catch {
    throw new Error(problem);
  }
  return { task, lists: matched(lists, tasks[task], problem) };
}

/**
 * The lists of a symptom file, in either form: {"classes": {class: [symptom]}} or {class: [symptom]}.
 * @throws {Error} with a sentence for the person
 */
export function readFile(text, classes) {
  let data;
  try {
    data = JSON.parse(text);
  } catch {
    throw new Error("The symptom file is not JSON. Choose a file that was saved on this page or written by the generator.");
  }
  const lists = data?.classes && typeof data.classes === "object" && !Array.isArray(data.classes) ? data.classes : data;
  const found = matched(lists, classes, "The symptom file does not contain a list of texts for each class.");
  const off = data?.source?.switched_off ?? {};
  return Object.fromEntries(
    Object.entries(found).map(([name, lines]) => [name, [...lines, ...(Array.isArray(off[name]) ? off[name].map(line => `# ${line}`) : [])]]),
  );
}

/** Lists in the order of the classes. Throws `problem`, or a sentence with the names, where they do not fit. */
function matched(lists, classes, problem) {
  if (!lists || typeof lists !== "object" || Array.isArray(lists)) throw new Error(problem);
  const names = Object.keys(lists);
  if (!same([...names].sort(), [...classes].sort())) {
    throw new Error(`These lists are for ${names.join(", ") || "no class"}; this task has ${classes.join(", ")}.`);
  }
  for (const lines of Object.values(lists)) {
    if (!Array.isArray(lines) || !lines.every(line => typeof line === "string")) throw new Error(problem);
    if (lines.length > MOST_SYMPTOMS) throw new Error(`A list has ${lines.length} symptoms; at most ${MOST_SYMPTOMS} per class are scored.`);
  }
  return Object.fromEntries(classes.map(name => [name, lists[name].map(line => line.split(/\s+/).join(" ").trim()).filter(Boolean)]));
}

/** The library's wordings for a class, with their AUROC where it is known. */

export class Wordings {
  /** @param {(name: string, texts: string[]) => void} onwanted the AUROCs of wordings for a class are wanted */
  constructor(onwanted) {
    this.onwanted = onwanted;
    this.aurocs = {};
  }

  /** The wordings with their AUROC for a class. A library of the static page has them by class, with the AUROC. */
  of(task, name) {
    const { library } = task;
    if (!Array.isArray(library)) return library[name] ?? [];
    const known = this.aurocs[keyOf(task, name)];
    if (!known) this.onwanted(name, library.map(entry => entry.text));
    return library.map((entry, index) => ({ ...entry, auroc: known?.[index] ?? null }));
  }

  know(task, name, aurocs) {
    this.aurocs[keyOf(task, name)] = aurocs;
  }
}

function keyOf(task, name) {
  return `${task.key}|${name}`;
}

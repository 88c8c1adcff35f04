/** Classes that a person adds to a task: a task of its own, scored zero-shot and marked as untrained. No DOM. */

export const MOST_ADDED = 6;
export const LONGEST_NAME = 60;
const COLOURS = ["#0b6cab", "#c2500a", "#00795a", "#a33f80", "#1f6f8b", "#8a6100", "#6a4fb3", "#b3423f"];
const OTHERS = "#7b8794";
const UNTRAINED_LABEL = " (untested)";
const UNTRAINED = "No model was trained for these classes: results are zero-shot and untested. For exploration only.";

/**
 * A task with several more classes, as they were kept; null where they do not fit any more.
 * @param {Object} task undefined where the page has no such task any more
 * @param {string[]} names
 */
export function withClasses(task, names) {
  try {
    return task ? names.reduce(withClass, task) : null;
  } catch {
    return null; // the task has such a class by now
  }
}

/**
 * A task with one more class.
 * @param {Object} task as the page received it
 * @param {string} name of the class
 * @throws {Error} with a sentence for the person
 */
export function withClass(task, name) {
  const wanted = name.trim().replace(/\s+/g, " ");
  if (!wanted) throw new Error("Give the new class a name, such as “tuberculosis”.");
  if (wanted.length > LONGEST_NAME) throw new Error(`A class name can have at most ${LONGEST_NAME} characters.`);
  if (task.classes.some(each => each.toLowerCase() === wanted.toLowerCase())) throw new Error(`The class “${wanted}” already exists.`);
  const added = [...(task.added ?? []), wanted];
  if (added.length > MOST_ADDED) throw new Error(`At most ${MOST_ADDED} classes can be added.`);
  const classes = [...task.classes, wanted];
  const colours = classes.map((_, index) => task.colours[index] ?? COLOURS[index % COLOURS.length]);
  const base = task.base ?? task.key;
  return {
    ...task,
    key: [base, ...added].join("+"),
    base,
    added,
    label: `${task.base ? task.label.replace(UNTRAINED_LABEL, "") : task.label} + ${wanted}${UNTRAINED_LABEL}`,
    classes,
    colours,
    finding: null,
    strip_names: classes.map((each, index) => (index < classes.length - added.length ? [`${each} images`, "all others"] : ["no reference images", "all reference images"])),
    strip_colours: colours.map(colour => [colour, OTHERS]),
    scope: UNTRAINED,
    lists: { ...task.lists, [wanted]: [wanted] },
    modes: task.modes.filter(mode => mode !== "vip"),
    cutoffs: [],
    mix: null,
    calibrated_n: 0,
    referral: null,
  };
}

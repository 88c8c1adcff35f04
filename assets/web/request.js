/** What the page asks for, checked. As demo.state.request. */

export const MAX_CHARACTERS = 20_000; // of a list
const MAX_SYMPTOMS = 64; // per class
const [SEEN, ABSENT, UNKNOWN] = ["seen", "absent", "unknown"];

/**
 * @param {Object} task {config, scorer(mode), prompts(mode)}
 * @returns {{mode, symptoms: {classes, symptoms}, places, findings, drawn}} places: class and index of each scored symptom
 * @throws {Error} with a sentence for the person
 */
export function readRequest(task, request, lists = request.lists) {
  const { mode } = request;
  const { classes } = task.config;
  if (mode === "names") {
    const none = classes.map(() => null);
    return { mode, symptoms: task.prompts(mode), places: classes.map(name => [name, 0]), findings: none, drawn: classes.map(() => false) };
  }
  const asked = { mode, symptoms: { classes, symptoms: [] }, places: [], findings: [], drawn: [] };
  for (const name of classes) {
    const kept = [];
    lists[name].forEach(({ text, on, finding, drawn }, index) => {
      if (!text.trim() || !on || finding === UNKNOWN) return;
      if (!text.isWellFormed()) throw new Error(`A symptom of “${name}” contains an incomplete character (a lone surrogate); type it again.`);
      kept.push(text.trim());
      asked.places.push([name, index]);
      asked.findings.push([SEEN, ABSENT].includes(finding) ? finding : null);
      asked.drawn.push(Boolean(drawn));
    });
    if (!kept.length) throw new Error(`No symptom of “${name}” is scored; switch one on, or write one.`);
    if (kept.length > MAX_SYMPTOMS) throw new Error(`Class “${name}” has ${kept.length} symptoms; the limit is ${MAX_SYMPTOMS} per class.`);
    if (kept.reduce((sum, text) => sum + text.length, 0) > MAX_CHARACTERS) {
      throw new Error(`The list of “${name}” is longer than ${MAX_CHARACTERS.toLocaleString("en")} characters; shorten it.`);
    }
    asked.symptoms.symptoms.push(kept);
  }
  return asked;
}

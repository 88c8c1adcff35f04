/** Files to save: the diagnosis, and the report with what was edited, as JSON. As demo.state.report_data. */

import { beforeEdits } from "./answers.js";
import { readRequest } from "./request.js";
import { diagnose } from "./what_if.js";

const LONGEST_NOTE = 1000;

/** The diagnosis as `python -m vip_core.score --json` prints it. */
export async function diagnosisFile(task, visit, request) {
  const { diagnosis } = await diagnose(task, visit.feature, readRequest(task, request));
  return jsonFile("vip-diagnosis", diagnosis);
}

/** The diagnosis, what was edited, what it was with the original lists, and what made the numbers. */
export async function reportFile(task, visit, request, disclaimer) {
  const note = tidy(request.note ?? "");
  if (note.length > LONGEST_NOTE) throw new Error(`The note has ${note.length} characters; the limit is ${LONGEST_NOTE}. Shorten it.`);
  const asked = readRequest(task, request);
  const { diagnosis } = await diagnose(task, visit.feature, asked);
  const original = await task.scorer(asked.mode).diagnose(visit.feature, task.prompts(asked.mode));
  const before = beforeEdits(original, asked);
  const edited = asked.findings.some(Boolean) || JSON.stringify(asked.symptoms.symptoms) !== JSON.stringify(task.prompts(asked.mode).symptoms);
  const lists = asked.mode !== "names";
  const kept = before.map((old, row) => old !== null && old.symptom === diagnosis.symptoms[row].symptom);
  const removed = lists ? original.symptoms.filter(score => !before.includes(score)) : [];
  return jsonFile("vip-report", {
    task: task.config.key,
    method: asked.mode,
    date: new Date().toISOString().replace(/\.\d+Z$/, "+00:00"),
    ...diagnosis,
    symptoms: diagnosis.symptoms.map((score, row) => ({
      ...score,
      edit: lists ? (before[row] === null ? "added" : kept[row] ? "original" : "reworded") : null,
      was: !lists || before[row] === null || kept[row] ? null : before[row].symptom,
      your_finding: asked.findings[row],
    })),
    removed: removed.map(score => ({ class: score.class, symptom: score.symptom })),
    with_original_lists: edited ? { prediction: original.prediction, probabilities: original.probabilities } : null,
    note,
    prevalence: request.prevalence > 0 && request.prevalence < 1 ? request.prevalence : null,
    versions: task.config.versions,
    disclaimer,
  });
}

function jsonFile(name, content) {
  const bytes = new TextEncoder().encode(JSON.stringify(content, null, 2));
  const stamp = new Date().toISOString().slice(0, 16).replace("T", "-").replace(":", "");
  return { name: `${name}-${stamp}.json`, type: "application/json", data: btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join("")) };
}

/** A note without blank lines and control characters. */
function tidy(note) {
  const lines = note.split(/\r?\n/).map(line => line.replace(/\p{Cc}/gu, " ").trim());
  return lines.filter(Boolean).join("\n");
}

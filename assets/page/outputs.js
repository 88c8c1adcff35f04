/** Report and charts: asked of the backend, and saved as files when they have come. */

import { download } from "./dom.js";

/** Ask for the report. page: {latest, asking, frame, more, answer} */
export function askForReport({ latest, asking, frame, more, answer }) {
  if (!latest) return frame.say("Choose an image first. The report contains what the page shows.");
  frame.say("Preparing the report …");
  asking.report({ note: more.note.value, prevalence: answer.prevalence });
}

/** Ask for a chart. page: {latest, asking, frame}; format: png, svg or json */
export function askForChart({ latest, asking, frame }, format) {
  if (!latest) return frame.say("Choose an image first.");
  asking.chart(format);
}

/** Save files that the backend made: [{name, type, data (base64)}], or say why there are none. */
export function saveFiles(frame, { files = [], error = null }) {
  if (error) return frame.say(error);
  for (const { name, type, data } of files) {
    download(name, Uint8Array.from(atob(data), character => character.charCodeAt(0)), type);
  }
  frame.say(`Saved: ${files.map(file => file.name).join(", ")}.`);
}

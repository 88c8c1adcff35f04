/** The bench over Gradio: what the bench asks becomes a value and an event of its component; answers come as JSON texts. */

import { Bench } from "./bench.js";
import { pages } from "./pages.js";

const PARTS = ["picture", "scores", "doubt", "files", "put"]; // of an answer, each with the bench's method of that name

/** @param {Object} parts element of the page; config; trigger, props and upload of the components that ask */
export function start({ element, config, edits, others }) {
  const root = element.querySelector(".vip-bench");
  const send = (event, request, by = others) => {
    by.props.value = request;
    by.trigger(event);
  };
  const backend = {
    async read({ file, ...request }) {
      if (!file) return send("select", request);
      try {
        const { path } = await others.upload(file);
        send("upload", { ...request, path });
      } catch (error) {
        bench.failed({ choice: request.choice, error: `${file.name} could not be sent to the server: ${error.message || "it may be too large"}.` });
      }
    },
    score: request => send("input", JSON.stringify(request), edits), // a text: Gradio copies each part of an object by itself
    clear: request => send("clear", request),
    report: request => send("submit", request),
    chart: request => send("download", request),
  };
  const bench = new Bench(root, config, backend);
  root.bench = bench; // for the console and for tests
  root.answer = text => {
    const answer = JSON.parse(text);
    for (const part of PARTS) if (answer[part]) bench[part](answer[part]);
  };
  pages(bench);
  root.dataset.ready = "yes";
}

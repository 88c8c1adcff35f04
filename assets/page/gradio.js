/** The bench over Gradio: what the bench asks becomes a value and an event of the component, and props come back as answers. */

import { Bench } from "./bench.js";
import { pages } from "./pages.js";

/** @param {Object} component what Gradio hands to a component's script: element, trigger, props, upload, watch */
export function start({ element, trigger, props, upload, watch }) {
  const send = (event, request) => {
    props.value = request;
    trigger(event);
  };
  const backend = {
    async read({ file, ...request }) {
      if (!file) return send("select", request);
      try {
        const { path } = await upload(file);
        send("upload", { ...request, path });
      } catch (error) {
        bench.failed({ choice: request.choice, error: `${file.name} could not be sent to the server: ${error.message || "it may be too large"}.` });
      }
    },
    score: request => send("input", request),
    clear: request => send("clear", request),
    report: request => send("submit", request),
    chart: request => send("download", request),
  };
  const bench = new Bench(element.querySelector(".vip-bench"), props.config, backend);
  element.querySelector(".vip-bench").bench = bench; // for the console and for tests
  const answers = { picture: "picture", scores: "scores", doubt: "doubt", files: "files", put: "put" };
  for (const [name, method] of Object.entries(answers)) watch(name, () => props[name] && bench[method](props[name]));
  pages(bench);
  element.querySelector(".vip-bench").dataset.ready = "yes";
}

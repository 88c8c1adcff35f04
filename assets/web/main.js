/** The static page: the bench over a worker in this browser, in the place of a server. */

import { Bench } from "./page/bench.js";
import { say } from "./page/dom.js";

const root = document.querySelector(".vip-bench");
const loading = document.querySelector(".vip-loading");

start().catch(error => say(loading, `The page could not be loaded (${error.message}). Check the connection and reload it.`));

async function start() {
  const kept = await keepOffline();
  const [config, manifest] = await Promise.all(["config.json", "files.json"].map(async path => (await fetch(path)).json()));
  const sizes = Object.fromEntries(Object.entries(manifest.files).map(([name, file]) => [name, file.bytes]));
  const needed = Object.entries(sizes).filter(([name]) => /^(model|tasks|examples)\/|\.wasm$/.test(name));
  const total = needed.reduce((sum, [, bytes]) => sum + bytes, 0);
  const worker = new Worker("worker.js", { type: "module" });
  const bench = (root.bench = new Bench(root, config, backendOf(worker, () => root.bench)));
  worker.onerror = event => bench.failed({ error: `The model has stopped (${event.message || "no reason given"}). Reload the page.` });
  worker.onmessage = ({ data: { method, value } }) => {
    if (method === "progress") say(loading, `Loading the model: ${megabytes(value)} of ${megabytes(total)} MB.`);
    else if (method === "loaded") settled(config, kept);
    else if (method === "broken") say(loading, `The model could not be loaded. ${value}`);
    else if (value) bench[method](value);
  };
  worker.postMessage({ act: "load", request: { config, sizes } });
  root.dataset.ready = document.documentElement.dataset.ready = "yes";
}

/** What the bench asks becomes a message; of scores only the newest request waits while one is being answered. */
function backendOf(worker, bench) {
  const post = (act, request) => worker.postMessage({ act, request });
  let waiting = null;
  let busy = false;
  const next = () => {
    busy = waiting !== null;
    if (busy) post("score", waiting);
    waiting = null;
  };
  worker.addEventListener("message", ({ data: { method, value } }) => {
    if (method === "scores" || (method === "failed" && value.choice === bench().choice)) next();
  });
  return {
    read: request => post("read", request),
    score: request => {
      waiting = request;
      if (!busy) next();
    },
    clear: request => post("clear", request ?? {}),
    report: request => post("report", request),
    chart: request => post("chart", request),
  };
}

/** Keep the files in this browser; false if it does not allow that. */
async function keepOffline() {
  const workers = navigator.serviceWorker;
  try {
    const registration = await workers.register("service-worker.js");
    const first = workers.controller ? null : registration.installing;
    if (first) {
      await new Promise(resolve => {
        workers.addEventListener("controllerchange", resolve, { once: true });
        first.addEventListener("statechange", () => first.state === "redundant" && resolve());
      });
    }
    return Boolean(workers.controller ?? registration.active);
  } catch {
    return false; // a private window, or an address without https
  }
}

function settled({ precision }, kept) {
  const offline = kept ? "This page now works without a network." : "This browser does not store the page: the next visit needs a network.";
  say(loading, `The model is loaded (weights in ${precision}). ${offline} The page makes no further requests.`);
  document.documentElement.dataset.loaded = "yes";
}

const megabytes = bytes => (bytes / 1e6).toFixed(0);

const dark = matchMedia("(prefers-color-scheme: dark)");
const shade = () => document.documentElement.classList.toggle("dark", dark.matches);
dark.addEventListener("change", shade);
shade();

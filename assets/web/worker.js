/** The model of the static page: it loads the files once, then answers what the page asks. Nothing leaves this worker. */

import { answer } from "./answers.js";
import { diagnosisFile, reportFile } from "./files.js";
import { readPicture } from "./picture.js";
import { Task } from "./task.js";
import { Tokenizer } from "./tokenizer.js";
import { ImageTower, TextTower, loadRuntime } from "./towers.js";

const UNDATED = ["first image, undated", "second image, undated"];
const model = {}; // promises of what is loaded: tasks, image, text, examples
let visit = { choice: 0 };
let queue = Promise.resolve();

const send = (method, value) => postMessage({ method, value });

onmessage = ({ data: { act, request } }) => {
  if (act === "load") return load(request);
  if (act === "read") visit.choice = Math.max(visit.choice, request.choice); // at once: it overtakes what is still being read
  queue = queue.then(() => acts[act](request)).catch(error => send("failed", { choice: request.choice, error: sentence(error) }));
};

/** Our own errors are sentences; another is a fault of the page. */
function sentence(error) {
  return error.constructor === Error ? error.message : `The page has an internal error (${error}); reload it.`;
}

// ---- loading

function load({ config, sizes }) {
  let loaded = 0;
  const fetched = async (path, kind) => {
    const response = await fetch(path);
    if (!response.ok) throw new Error(`${path} could not be loaded (${response.status}); reload the page.`);
    const content = await response[kind]();
    loaded += sizes[path] ?? 0;
    send("progress", loaded);
    return content;
  };
  const backbone = fetched("model/backbone.json", "json");
  const runtime = fetched("runtime/ort-wasm-simd-threaded.wasm", "arrayBuffer").then(loadRuntime);
  model.examples = exampleFiles(config, fetched);
  model.image = Promise.all([runtime, fetched("model/image.onnx", "arrayBuffer"), backbone]).then(each => ImageTower.load(...each));
  model.tasks = backbone.then(facts => tasks(config, facts, fetched));
  // the text tower comes after what the first image needs
  model.text = Promise.all([model.image, model.tasks]).then(async () => {
    const [ort, file, merges] = await Promise.all([runtime, fetched("model/text.onnx", "arrayBuffer"), fetched("model/merges.txt", "text")]);
    const tower = await TextTower.load(ort, file, new Tokenizer(merges, await backbone), await backbone);
    await tower.encodePrompts(["a first run, so that the first edit is as fast as the others"], new Float32Array(0));
    return tower;
  });
  model.disclaimer = config.disclaimer;
  Promise.all(Object.values(model)).then(
    () => send("loaded", null),
    error => send("broken", sentence(error)),
  );
}

async function exampleFiles(config, fetched) {
  const all = Object.values(config.tasks).flatMap(task => task.examples.map(({ file }) => file));
  return Object.fromEntries(await Promise.all(all.map(async file => [file, await fetched(file, "blob")])));
}

async function tasks(config, backbone, fetched) {
  const encoder = { encodePrompts: async (...asked) => (await model.text).encodePrompts(...asked) };
  const made = Object.entries(config.tasks).map(async ([key, task]) => [key, new Task(task, encoder, backbone, task.files && (await checkpoint(task.files, fetched)))]);
  return Object.fromEntries(await Promise.all(made));
}

async function checkpoint(folder, fetched) {
  const [card, ...rest] = await Promise.all([
    fetched(`${folder}/card.json`, "json"),
    ...["model", "reference", "text"].map(name => fetched(`${folder}/${name}.safetensors`, "arrayBuffer")),
  ]);
  return { card, model: rest[0], reference: rest[1], text: rest[2] };
}

// ---- what the page asks

const acts = {
  async read(request) {
    const { choice, second } = request;
    const task = (await model.tasks)[request.task];
    if (choice !== visit.choice) return;
    if (!second) visit = { choice };
    const example = request.example === null ? null : task.config.examples[request.example];
    const file = example ? (await model.examples)[example.file] : request.file;
    const picture = await readPicture(file, example ? example.file : file.name);
    try {
      const read = await (await model.image).encodeWithPatches(picture);
      const shown = await picture.preview();
      if (choice !== visit.choice) return;
      visit = second ? { ...visit, second: read } : { choice, ...read, second: null };
      send("picture", { ...shown, choice, facts: "", raw: null, ...(second ? { second: true, labels: UNDATED } : {}) });
    } finally {
      picture.close();
    }
    await acts.score(request);
  },

  async score(request) {
    if (!visit.feature || request.choice !== visit.choice) return send("scores", null);
    try {
      send("scores", await answer((await model.tasks)[request.task], visit, request));
    } catch (error) {
      send("scores", { choice: request.choice, id: request.id, error: sentence(error) });
    }
  },

  clear({ second = false, choice = 0 }) {
    if (second) visit.second = null;
    else if (choice >= visit.choice) visit = { choice };
  },

  async report(request) {
    await file(request, (task, seen) => reportFile(task, seen, request, model.disclaimer));
  },

  async chart(request) {
    await file(request, (task, seen) => diagnosisFile(task, seen, request));
  },
};

async function file(request, made) {
  try {
    if (!visit.feature || request.choice !== visit.choice) throw new Error("There is no image. Choose one first; the file contains what the page shows.");
    send("files", { files: [await made((await model.tasks)[request.task], visit)], id: request.id });
  } catch (error) {
    send("files", { error: sentence(error), id: request.id });
  }
}

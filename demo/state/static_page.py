"""Files of the static page: its configuration, its README with a Space's front matter, and licence texts."""

import json
from collections.abc import Iterable, Mapping
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path

from vip_core import __version__
from vip_core.utils.paths import PROJECT
from vip_core.web.model_files import class_prompt_lists, model_facts
from vip_core.web.runtime import RUNTIME, RUNTIME_VERSION

from .. import DISCLAIMER
from .task_view import Json, aurocs, task_config
from .tasks import EXAMPLES, MODES, Task

PRIVACY = "Your image stays in this browser: it is read here, sent nowhere, and discarded when you close the page."
OF_THE_SERVER = ("gradio.js", "pages.js", "zip.js")  # scripts that the static page has no use for
APACHE = PROJECT / "LICENSE"
FRONT_MATTER = """---
title: ViP
emoji: 🫁
colorFrom: blue
colorTo: gray
sdk: static
app_file: index.html
pinned: false
license: apache-2.0
short_description: Edit the visual findings behind a diagnosis
tags:
  - medical-imaging
  - explainable-ai
  - onnx
  - privacy
{models}---
"""
README = """
# ViP, the page without a server

See which visual findings support a diagnosis, and edit them live. **{disclaimer}**

Any web server can serve this folder. It consists of plain files; the model runs in the visitor's browser. No image
leaves the visitor's machine: the page may connect to its own address only, and makes no request once it has loaded. It
works offline after the first visit. `vip export-web` of vip-core {version} wrote it, with weights in {precision}.

| Task | Test images | AUROC (95 % interval) |
|---|---|---|
{rows}

The figures are those of the checkpoints. `files.json` lists every file with its SHA-256. Licences and sources:
[licences/](licences/NOTICE.md).
"""
NOTICE = """# Licences and sources

| Part | Licence | Text or source |
|---|---|---|
| ViP: scripts, prompts, symptom lists, vip-mini | Apache-2.0 | apache-2.0.txt |
| {runtime} {version}, in `runtime/` | MIT | onnxruntime.txt, onnxruntime-third-party.txt |
| CLIP's byte-pair vocabulary, in `model/merges.txt` | MIT | open-clip.txt |
| EfficientNet-Lite0, from which vip-mini's image tower was trained | Apache-2.0 | apache-2.0.txt |
| all-MiniLM-L6-v2, from which vip-mini's text tower was distilled | Apache-2.0 | apache-2.0.txt |
| Example images, in `examples/` | CC BY 4.0 and CC-0 | examples.md |
"""


def page_config(tasks: Mapping[str, Task], offered: Mapping[str, Task], precision: str) -> Json:
    """The configuration of the page: that of the served page, and where each task's files are.

    Args:
        tasks: the trained ones.
        offered: all that the page offers, those without a trained model too.
        precision: of the weights, for people.
    """
    described = {key: task_config(task, tasks) for key, task in offered.items()}
    for key, task in offered.items():
        facts = described[key]
        facts["files"] = f"tasks/{key}" if key in tasks else None
        facts["invitation"] = facts["invitation"].replace("PNG, JPEG, TIFF or DICOM", "PNG, JPEG or WebP")
        facts["library"] = rated_library(task, facts["library"])
        facts["prompts"] = class_prompt_lists(task.predictor.symptoms)
        facts["versions"] = {"vip_core": __version__, "checkpoint": key, **model_facts(task.predictor.vip)}
        for example, (path, _) in zip(facts["examples"], task.examples, strict=True):
            example["file"] = f"examples/{key}/{path.name}"
    return {
        "tasks": described,
        "order": list(offered),
        "modes": list(MODES.items()),
        "disclaimer": DISCLAIMER,
        "privacy": PRIVACY,
        "charts": False,  # drawn in Python
        "precision": precision,
    }


def rated_library(task: Task, library: list[Json]) -> Json:
    """The wordings of a library for each class, with their AUROC: a browser would take long to find it."""
    texts = [entry["text"] for entry in library]
    rated = {name: aurocs(task, name, texts) for name in task.classes}
    return {
        name: [{**entry, "auroc": auroc} for entry, auroc in zip(library, values, strict=True)]
        for name, values in rated.items()
    }


def example_files(tasks: Mapping[str, Task]) -> dict[str, bytes]:
    """The example images of the tasks by their path in the page's folder."""
    paths = [(key, path) for key, task in tasks.items() for path, _ in task.examples]
    return {f"examples/{key}/{path.name}": path.read_bytes() for key, path in paths}


def page_files() -> dict[str, bytes]:
    """Our own scripts and styles: those of the served page's component, and those that replace its server."""
    page, web = PROJECT / "assets" / "page", PROJECT / "assets" / "web"
    shared = {
        f"page/{path.name}": path.read_bytes() for path in sorted(page.iterdir()) if path.name not in OF_THE_SERVER
    }
    return {**shared, **{path.name: path.read_bytes() for path in sorted(web.iterdir()) if path.is_file()}}


def readme(tasks: Mapping[str, Task], precision: str, models: Iterable[str]) -> bytes:
    """README.md with the front matter of a static Space. models: ids on the Hub of the checkpoints that are there."""
    listed = "".join(f"  - {model}\n" for model in models)
    front = FRONT_MATTER.format(models=f"models:\n{listed}" if listed else "")
    rows = "\n".join(figures_row(task) for task in tasks.values())
    return (front + README.format(disclaimer=DISCLAIMER, version=__version__, precision=precision, rows=rows)).encode()


def figures_row(task: Task) -> str:
    """A task's line in the table of the README."""
    card = task.predictor.vip.card
    test = {} if card is None else card.figures.get("test", {})
    if test.get("auroc") is None:
        return f"| {task.label} | | not measured |"
    low, high = test["intervals"]["auroc"]
    return f"| {task.label} | {test['n']} | {test['auroc']:.3f} ({low:.3f} to {high:.3f}) |"


def licence_files() -> dict[str, bytes]:
    """The texts of all licences, and which part of the folder each is of."""
    runtime = Path(str(files("onnxruntime")))  # the same project as onnxruntime-web, whose package has no texts
    return {
        "licences/NOTICE.md": NOTICE.format(runtime=RUNTIME, version=RUNTIME_VERSION).encode(),
        "licences/apache-2.0.txt": _apache(),
        "licences/onnxruntime.txt": (runtime / "LICENSE").read_bytes(),
        "licences/onnxruntime-third-party.txt": (runtime / "ThirdPartyNotices.txt").read_bytes(),
        "licences/open-clip.txt": _distributed("open_clip_torch", "LICENSE"),
        "licences/examples.md": (EXAMPLES / "ATTRIBUTION.md").read_bytes(),
    }


def _apache() -> bytes:
    return APACHE.read_bytes() if APACHE.is_file() else _distributed("vip-core", "LICENSE")  # in a wheel


def _distributed(package: str, name: str) -> bytes:
    """A file of an installed package's metadata."""
    found = distribution(package)
    path = next(path for path in found.files or () if path.name == name)
    return Path(str(found.locate_file(path))).read_bytes()


def config_file(config: Json) -> dict[str, bytes]:
    """The configuration as a file."""
    return {"config.json": json.dumps(config, ensure_ascii=False, separators=(",", ":")).encode()}

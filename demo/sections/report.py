"""The downloadable report: what the page shows of one image, as a PDF of one page and as JSON, built in memory."""

import base64
import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import gradio as gr
from torch import Tensor

from vip_core.errors import SymptomError, UsageError

from ..render.cards import message
from ..render.report_pdf import report_pdf
from ..state.diagnosis import diagnose_boxes
from ..state.image_view import mark_of
from ..state.report_data import make_report, report_dict
from ..state.tasks import Task
from .editor import PRIVATE
from .wiring import Json, Updates, listener

INTRODUCTION = (
    '<div class="vip-lists"><h2>Report</h2><p>What this page shows now, as a PDF and as JSON. It contains no file name '
    "and nothing of a DICOM header, only your note as you write it. The server keeps no file of it.</p></div>"
)
REPORT: Json = {"concurrency_id": "report", "concurrency_limit": 1, "preprocess": False, **PRIVATE}
# The first link is clicked once it is on the page.
DOWNLOAD = """async () => {
  for (let tries = 0; tries < 100; tries++) {
    const link = document.querySelector("#vip-report-links a[data-new]");
    if (link) { link.removeAttribute("data-new"); link.click(); return; }
    await new Promise(done => setTimeout(done, 20));
  }
}"""


def report_section(tasks: Mapping[str, Task], lists: list[Any], features: gr.State, image: gr.Image) -> None:
    """Lay the section out and wire it; called within gr.Blocks.

    Args:
        tasks: by key.
        lists: the components of task, mode and each box.
        features: the image's feature (D,), or None.
        image: holds the picture, within the page.
    """
    with gr.Column(elem_id="vip-report"):
        gr.HTML(INTRODUCTION, js_on_load=None)
        note = gr.Textbox(label="Note for the report (optional)", lines=2, max_lines=4, elem_id="vip-report-note")
        make = gr.Button("Download the report", size="sm", elem_id="vip-report-make")
        links = gr.HTML(elem_id="vip-report-links", js_on_load=None)
    asked = [features, image, note, *lists]
    made = make.click(**listener(partial(answer, tasks), asked, {"links": links}, show_progress="minimal", **REPORT))
    made.then(None, None, None, js=DOWNLOAD)
    for component in (image, note, *lists):  # the links are of what was shown before
        component.change(None, None, links, js="() => ''")


def answer(
    tasks: Mapping[str, Task],
    features: Tensor | None,
    image: Json | None,
    note: str | None,
    key: str,
    mode: str,
    *texts: str,
) -> Updates:
    """Links that hold the PDF and the JSON themselves, or the sentence that says why there are none."""
    try:
        if features is None:
            raise UsageError("There is no image. Choose one first; the report contains what the page then shows.")
        if isinstance(image, dict) and image.get("orig_name") != f"{mark_of(features)}.jpg":
            raise UsageError("The image has just changed. Wait for its result, then download the report again.")
        report = make_report(diagnose_boxes(tasks[key], mode, features, texts), image, note or "")
    except (SymptomError, UsageError) as error:
        return {"links": message(str(error))}
    files = {
        "PDF": ("application/pdf", report_pdf(report)),
        "JSON": ("application/json", json.dumps(report_dict(report), indent=2).encode()),
    }
    links = [
        f'<a download="vip-report-{report.made:%Y-%m-%d-%H%M}.{kind.lower()}"{" data-new" if kind == "PDF" else ""} '
        f'href="data:{mime};base64,{base64.b64encode(data).decode()}">{kind} ({len(data) / 1000:.0f} kB)</a>'
        for kind, (mime, data) in files.items()
    ]
    return {"links": f"<p>The report of {report.date}: {' and '.join(links)}.</p>"}

"""The downloadable report: what the page shows of one image, as a PDF of one page and as JSON, built in memory."""

import base64
import hashlib
import json
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from io import BytesIO
from typing import Any

import gradio as gr
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from torch import Tensor

from demo.render.cards import DISCLAIMER, message
from demo.render.report_pdf import report_pdf
from demo.state.diagnosis import Reading, read_boxes
from demo.state.tasks import MODES, Task
from vip_core import __version__
from vip_core.data.images import read_image
from vip_core.errors import ImageError, SymptomError, UsageError

INTRODUCTION = (
    '<div class="vip-lists"><h2>Report</h2><p>What stands on this page now, as a PDF and as JSON. It holds no file '
    "name and nothing of a DICOM header, but your note as you write it. The server keeps no file of it.</p></div>"
)
MOST_CHARACTERS = 1000  # of a note: with usual lists the report stays on one page
LARGEST_PICTURE = 4 * 2**20  # characters of a data URL: the page's own picture has some hundred thousand
REPORT = {"concurrency_id": "report", "concurrency_limit": 1, "preprocess": False, "api_visibility": "private"}
# The first link is clicked once it stands on the page.
DOWNLOAD = """async () => {
  for (let tries = 0; tries < 100; tries++) {
    const link = document.querySelector("#vip-report-links a[data-new]");
    if (link) { link.removeAttribute("data-new"); link.click(); return; }
    await new Promise(done => setTimeout(done, 20));
  }
}"""

Json = dict[str, Any]


@dataclass(frozen=True)
class Report:
    """All that a report says.

    Attributes:
        reading: what the page shows.
        edits: for each symptom its edit, "original", "reworded" or "added"; None where the mode uses no list.
        was: for each symptom its text before it was reworded.
        removed: class and symptom of what the original lists had besides.
        versions: what made the numbers.
        made: in UTC.
        note: as typed, without blank lines and control characters.
        picture: RGB, or None.
    """

    reading: Reading
    edits: tuple[str | None, ...]
    was: tuple[str | None, ...]
    removed: tuple[tuple[str, str], ...]
    versions: Json
    made: datetime
    note: str = ""
    picture: Image.Image | None = None

    @property
    def date(self) -> str:
        """When it was made, to the minute."""
        return f"{self.made:%Y-%m-%d %H:%M} UTC"

    @property
    def method(self) -> str:
        """The mode's name for people."""
        return MODES[self.reading.mode]


def report_section(
    tasks: Mapping[str, Task], lists: list[gr.components.Component], features: gr.State, image: gr.Image
) -> None:
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
    made = make.click(partial(answer, tasks), [features, image, note, *lists], links, **REPORT, show_progress="minimal")
    made.then(None, None, None, js=DOWNLOAD)
    for component in (image, note, *lists):  # the links are those of what stood here before
        component.change(None, None, links, js="() => ''")


def answer(
    tasks: Mapping[str, Task],
    features: Tensor | None,
    image: Json | None,
    note: str | None,
    key: str,
    mode: str,
    *texts: str,
) -> str:
    """Links that hold the PDF and the JSON themselves, or the sentence that says why there are none."""
    try:
        if features is None:
            raise UsageError("There is no image; choose one, and the report is of what the page then shows.")
        if isinstance(image, dict) and image.get("orig_name") != f"{mark_of(features)}.jpg":
            raise UsageError("The image was changed just now; wait for its result, and download the report again.")
        report = make_report(read_boxes(tasks[key], mode, features, texts), image, note or "")
    except (SymptomError, UsageError) as error:
        return message(str(error))
    files = {
        "PDF": ("application/pdf", report_pdf(report)),
        "JSON": ("application/json", json.dumps(report_dict(report), indent=2).encode()),
    }
    links = [
        f'<a download="vip-report-{report.made:%Y-%m-%d-%H%M}.{kind.lower()}"{" data-new" if kind == "PDF" else ""} '
        f'href="data:{mime};base64,{base64.b64encode(data).decode()}">{kind} ({len(data) / 1000:.0f} kB)</a>'
        for kind, (mime, data) in files.items()
    ]
    return f"<p>The report of {report.date}: {' and '.join(links)}.</p>"


def make_report(reading: Reading, image: Json | None, note: str = "") -> Report:
    """The report of a reading. image: as the page's image component has it. Raises UsageError for a long note."""
    if len(note) > MOST_CHARACTERS:
        raise UsageError(f"The note has {len(note):,} characters, and {MOST_CHARACTERS:,} have room; shorten it.")
    scores = reading.diagnosis.symptoms
    edits, was, removed = (None,) * len(scores), (None,) * len(scores), ()
    if reading.mode != "names":
        before = scores if reading.before is None else reading.before
        same = [old is not None and old.symptom == new.symptom for old, new in zip(before, scores, strict=True)]
        edits = tuple(
            "added" if old is None else "original" if kept else "reworded"
            for old, kept in zip(before, same, strict=True)
        )
        was = tuple(None if old is None or kept else old.symptom for old, kept in zip(before, same, strict=True))
        lost = Counter((s.class_name, s.symptom) for s in reading.original.symptoms)
        lost.subtract((old.class_name, old.symptom) for old in before if old is not None)
        removed = tuple(lost.elements())
    return Report(
        reading, edits, was, removed, versions(reading.task), datetime.now(timezone.utc), tidy(note), picture_of(image)
    )


def versions(task: Task) -> Json:
    """What made the numbers: the package, the checkpoint and its backbone."""
    vip = task.predictor.vip
    card = vip.card
    return {
        "vip_core": __version__,
        "checkpoint": task.key,
        "checkpoint_date": None if card is None else card.date,
        "checkpoint_version": None if card is None else card.version,
        "backbone": vip.backbone.name,
        "backbone_pretrained": vip.backbone.pretrained,
        "backbone_fingerprint": vip.backbone.fingerprint,
    }


def report_dict(report: Report) -> Json:
    """The report as JSON: the diagnosis as `python -m vip_core.score` prints it, and what it rests on."""
    reading = report.reading
    data = reading.diagnosis.to_dict()
    symptoms = [
        {**score, "edit": edit, "was": was}
        for score, edit, was in zip(data.pop("symptoms"), report.edits, report.was, strict=True)
    ]
    original = {"prediction": reading.original.prediction, "probabilities": dict(reading.original.probabilities)}
    return {
        "task": reading.task.key,
        "method": reading.mode,
        "date": report.made.isoformat(timespec="seconds"),
        **data,
        "symptoms": symptoms,
        "removed": [{"class": name, "symptom": line} for name, line in report.removed],
        "with_original_lists": original if reading.edited else None,
        "note": report.note,
        "versions": report.versions,
        "disclaimer": DISCLAIMER,
    }


def mark_of(features: Tensor) -> str:
    """What ties the page's picture to its features: these are read on the server when a report's turn comes."""
    return hashlib.sha256(features.numpy().tobytes()).hexdigest()[:16]


def picture_of(image: Json | None) -> Image.Image | None:
    """The picture that the page shows, from the page itself; None where it is none of ours."""
    url = image.get("url") if isinstance(image, dict) else None
    head = "data:image/jpeg;base64,"
    if not isinstance(url, str) or not url.startswith(head) or len(url) > LARGEST_PICTURE:
        return None
    try:
        picture = read_image(JpegImageFile(BytesIO(base64.b64decode(url.removeprefix(head)))))
    except (ImageError, SyntaxError, OSError, ValueError):  # what a damaged file makes of Pillow and base64
        return None
    picture.info = {}  # Pillow would write a comment of the JPEG into the next one
    return picture


def tidy(note: str) -> str:
    """A note without blank lines and control characters."""
    lines = ("".join(" " if unicodedata.category(c) == "Cc" else c for c in line) for line in note.splitlines())
    return "\n".join(line.strip() for line in lines if line.strip())

"""The data of a report: what the page shows of one image, what was edited, and what made the numbers."""

import base64
import unicodedata
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timezone
from io import BytesIO
from typing import Any

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from vip_core import __version__
from vip_core.data.images import read_image
from vip_core.errors import ImageError, UsageError

from .. import DISCLAIMER
from .diagnosis import DiagnosisView
from .tasks import MODES, Task

MAX_CHARACTERS = 1000  # of a note: with usual lists the report stays on one page
MAX_PICTURE = 4 * 2**20  # characters of a data URL: the page's own picture has some hundred thousand

Json = dict[str, Any]


@dataclass(frozen=True)
class Report:
    """The content of a report.

    Attributes:
        view: what the page shows.
        edits: for each symptom its edit, "original", "reworded" or "added"; None where the mode uses no list.
        was: for each symptom its text before it was reworded.
        removed: class and symptom of what the original lists had besides.
        versions: what made the numbers.
        made: in UTC.
        note: as typed, without blank lines and control characters.
        picture: RGB, or None.
    """

    view: DiagnosisView
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
        return MODES[self.view.mode]


def make_report(view: DiagnosisView, image: Json | None, note: str = "") -> Report:
    """The report of a view. image: as the page's image component has it. Raises UsageError for a long note."""
    if len(note) > MAX_CHARACTERS:
        raise UsageError(f"The note has {len(note):,} characters, and {MAX_CHARACTERS:,} have room; shorten it.")
    scores = view.diagnosis.symptoms
    edits, was, removed = (None,) * len(scores), (None,) * len(scores), ()
    if view.mode != "names":
        before = scores if view.before is None else view.before
        same = [old is not None and old.symptom == new.symptom for old, new in zip(before, scores, strict=True)]
        edits = tuple(
            "added" if old is None else "original" if kept else "reworded"
            for old, kept in zip(before, same, strict=True)
        )
        was = tuple(None if old is None or kept else old.symptom for old, kept in zip(before, same, strict=True))
        lost = Counter((s.class_name, s.symptom) for s in view.original.symptoms)
        lost.subtract((old.class_name, old.symptom) for old in before if old is not None)
        removed = tuple(lost.elements())
    return Report(
        view, edits, was, removed, versions(view.task), datetime.now(timezone.utc), tidy(note), picture_of(image)
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
    view = report.view
    data = view.diagnosis.to_dict()
    symptoms = [
        {**score, "edit": edit, "was": was}
        for score, edit, was in zip(data.pop("symptoms"), report.edits, report.was, strict=True)
    ]
    original = {"prediction": view.original.prediction, "probabilities": dict(view.original.probabilities)}
    return {
        "task": view.task.key,
        "method": view.mode,
        "date": report.made.isoformat(timespec="seconds"),
        **data,
        "symptoms": symptoms,
        "removed": [{"class": name, "symptom": line} for name, line in report.removed],
        "with_original_lists": original if view.edited else None,
        "note": report.note,
        "versions": report.versions,
        "disclaimer": DISCLAIMER,
    }


def picture_of(image: Json | None) -> Image.Image | None:
    """The picture that the page shows, from the page itself; None where it is none of ours."""
    url = image.get("url") if isinstance(image, dict) else None
    head = "data:image/jpeg;base64,"
    if not isinstance(url, str) or not url.startswith(head) or len(url) > MAX_PICTURE:
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

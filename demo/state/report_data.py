"""The data of a report: the results for one image, the edits, and the versions behind the numbers."""

import unicodedata
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timezone
from io import BytesIO
from typing import Any

from PIL import Image

from vip_core import __version__
from vip_core.errors import UsageError
from vip_core.scoring.uncertainty import Uncertainty

from .. import DISCLAIMER
from .diagnosis import DiagnosisView
from .finding import FindingAnswer, finding_answer
from .task_view import scope_of
from .tasks import MODES, Task

DO_NOT_INTERPRET = "Do not interpret the numbers below."
MAX_CHARACTERS = 1000  # of a note: with usual lists the report stays on one page

Json = dict[str, Any]


@dataclass(frozen=True)
class DiagnosisReport:
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
        prevalence: of the finding in the visitor's clinic, or None.
        doubt: what small changes of the image and of the wording do, where that was measured.
    """

    view: DiagnosisView
    edits: tuple[str | None, ...]
    was: tuple[str | None, ...]
    removed: tuple[tuple[str, str], ...]
    versions: Json
    made: datetime
    note: str = ""
    picture: Image.Image | None = None
    prevalence: float | None = None
    doubt: Uncertainty | None = None

    @property
    def answer(self) -> FindingAnswer | None:
        """What is said of the finding; None for a refused image, and where the task is not for one finding."""
        return finding_answer(self.view, self.prevalence)

    @property
    def date(self) -> str:
        """When it was made, to the minute."""
        return f"{self.made:%Y-%m-%d %H:%M} UTC"

    @property
    def method(self) -> str:
        """The mode's name for people."""
        return MODES[self.view.mode]


def make_report(
    view: DiagnosisView,
    image: bytes,
    note: str = "",
    prevalence: float | None = None,
    doubt: Uncertainty | None = None,
) -> DiagnosisReport:
    """The report of a view. image: the page's JPEG, or nothing. Raises UsageError for a long note."""
    if len(note) > MAX_CHARACTERS:
        raise UsageError(f"The note has {len(note):,} characters; the limit is {MAX_CHARACTERS:,}. Shorten it.")
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
    made = datetime.now(timezone.utc)
    share = prevalence if isinstance(prevalence, float) and 0 < prevalence < 1 else None
    return DiagnosisReport(
        view, edits, was, removed, versions(view.task), made, tidy(note), picture_of(image), share, doubt
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


def report_dict(report: DiagnosisReport) -> Json:
    """The report as JSON: the diagnosis as `python -m vip_core.score` prints it, and what it rests on."""
    view = report.view
    data = view.diagnosis.to_dict()
    findings = view.findings or (None,) * len(view.diagnosis.symptoms)
    symptoms = [
        {**score, "edit": edit, "was": was, "your_finding": finding}
        for score, edit, was, finding in zip(data.pop("symptoms"), report.edits, report.was, findings, strict=True)
    ]
    original = {"prediction": view.original.prediction, "probabilities": dict(view.original.probabilities)}
    return {
        "task": view.task.key,
        "method": view.mode,
        "date": report.made.isoformat(timespec="seconds"),
        "do_not_interpret": None if view.in_domain else view.warning or _foreign(view),
        "answer": None if report.answer is None else report.answer.to_dict(),
        "tested": view.mode == "vip",
        "scope": scope_of(view.task),
        "stability": None if report.doubt is None or not view.in_domain else report.doubt.to_dict(),
        **data,
        "symptoms": symptoms,
        "removed": [{"class": name, "symptom": line} for name, line in report.removed],
        "with_original_lists": original if view.edited else None,
        "note": report.note,
        "prevalence": report.prevalence,
        "versions": report.versions,
        "disclaimer": DISCLAIMER,
    }


def picture_of(image: bytes) -> Image.Image | None:
    """The picture that the page shows; None without one."""
    if not image:
        return None
    picture = Image.open(BytesIO(image)).convert("RGB")
    picture.info = {}  # Pillow would write a comment of the JPEG into the next one
    return picture


def tidy(note: str) -> str:
    """A note without blank lines and control characters."""
    lines = ("".join(" " if unicodedata.category(c) == "Cc" else c for c in line) for line in note.splitlines())
    return "\n".join(line.strip() for line in lines if line.strip())


def _foreign(view: DiagnosisView) -> str:
    domain = view.diagnosis.domain
    return f"{domain.reason} {DO_NOT_INTERPRET}" if domain else DO_NOT_INTERPRET

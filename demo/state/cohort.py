"""A cohort as data: its images' features, the labels given, and what a symptom list makes of them, as rows and CSV."""

import csv
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path, PurePath

import torch
from torch import Tensor

from vip_core.data.tables import class_key, read_csv
from vip_core.errors import DataError
from vip_core.evaluation.metrics import Metrics, compute_metrics
from vip_core.evaluation.positive_class import PositiveClass, measure_positive_class
from vip_core.symptoms import SymptomSet

from ..state.archive import shown_name
from ..state.tasks import Task

MAX_LABEL_BYTES = 2**20  # 500 lines have 50,000
HEADERS = ["Image", "Class", "Probability", "Domain", "Label", "Remark"]
KNOWN, UNLIKE, WRONG = "known", "unlike", "wrong"
ALL, FLAGGED, UNREAD, UNLABELLED = "all", "flagged", "unread", "unlabelled"
OF_CLASS = "class "  # with the class's index
UPLOADED, BY_NAME, UNSURE, FINDING, DISTANT = "uploaded", "name", "unsure", "finding", "distant"
# What a spreadsheet would carry out, at the start of a cell; some take ; or a tab for the end of one.
FORMULA = re.compile(r"(^|[;,\t\r\n])(\s*)(?=[=+\-@])")


@dataclass(frozen=True, eq=False)
class Cohort:
    """Images of one visitor, without the images.

    Attributes:
        names: n names in the order of the upload.
        errors: n sentences, None where the image could be read.
        features: (m, D) of the m images that could be read, in their order.
        notes: sentences about the upload as a whole.
        labels: n indices into the classes, of the reference images; None for an upload.
    """

    names: tuple[str, ...]
    errors: tuple[str | None, ...]
    features: Tensor
    notes: tuple[str, ...] = ()
    labels: tuple[int, ...] | None = None


@dataclass(frozen=True, eq=False)
class Labels:
    """A labels file. lines: line number, image's name and label, as they stand there."""

    file: str
    lines: tuple[tuple[int, str, str], ...]


@dataclass(frozen=True)
class CohortRow:
    """One image. label: index into the classes, None without one; probabilities: (C,), empty where it has an error."""

    image: str
    label: int | None
    error: str | None = None
    probabilities: tuple[float, ...] = ()
    known: bool | None = None
    distance: float | None = None

    @property
    def prediction(self) -> int | None:
        """Index into the classes."""
        return self.probabilities.index(max(self.probabilities)) if self.probabilities else None

    @property
    def wrong(self) -> bool:
        """Read, labelled, and of another class."""
        return bool(self.probabilities) and self.label is not None and self.label != self.prediction


@dataclass(frozen=True, eq=False)
class Results:
    """A cohort under symptom lists.

    Attributes:
        rows: in the order of the upload.
        figures: over the images read and labelled; None without any.
        belief: of the probability of the class that sensitivity is of, without intervals, on the same images.
        original: the same under the checkpoint's own lists, with its rows' predictions.
    """

    cohort: Cohort
    labels: Labels | None
    classes: tuple[str, ...]
    rows: tuple[CohortRow, ...]
    figures: Metrics | None
    notes: tuple[str, ...] = ()
    original: "Results | None" = field(default=None, repr=False)
    belief: PositiveClass | None = None

    @property
    def changed(self) -> int:
        """The number of images whose class the edit changes."""
        before = self.original.rows if self.original else self.rows
        return sum(row.prediction != old.prediction for row, old in zip(self.rows, before, strict=True))


# ---- the reference images


def reference_cohort(task: Task) -> Cohort:
    """The checkpoint's reference bank as a cohort. Raises DataError where it has none."""
    bank = task.predictor.vip.reference
    if bank is None:
        raise DataError("This checkpoint has no reference images; upload images of your own.")
    labels = tuple(bank.labels.tolist())
    names = tuple(f"reference image {i + 1:03d}" for i in range(len(labels)))
    note = "The model was trained on these images (features only), so the figures are optimistically biased."
    return Cohort(names, (None,) * len(names), bank.features, (note,), labels)


# ---- labels


def read_labels(path: Path, called: str) -> Labels:
    """A CSV file with the columns image and label. Raises DataError, which names the file but not its folder."""
    file = shown_name(called)
    if path.stat().st_size > MAX_LABEL_BYTES:
        raise DataError(f"{file} is larger than {MAX_LABEL_BYTES // 2**20} MB; give only the columns image and label.")
    try:
        records = read_csv(path, ("image", "label"))
    except DataError as error:
        raise DataError(str(error).replace(str(path), file)) from None
    if not records:
        raise DataError(f"{file} has no line below its first; give a line an image: its file name, its label.")
    return Labels(file, tuple((line, shown_name(record["image"]), record["label"]) for line, record in records))


def match_labels(
    labels: Labels, names: Sequence[str], classes: tuple[str, ...]
) -> tuple[list[int | None], tuple[str, ...]]:
    """The label of each image, by its base name (case, and a missing ending, do not count), and what did not fit."""
    places: defaultdict[str, set[int]] = defaultdict(set)
    for i, name in enumerate(names):
        places[name.casefold()].add(i)
        places[PurePath(name).stem.casefold()].add(i)
    label_of = {class_key(name): c for c, name in enumerate(classes)}
    found: list[int | None] = [None] * len(names)
    unknown, absent, twice, shared = [], [], [], []
    seen: set[int] = set()
    for line, image, label in labels.lines:
        at = places.get(image.casefold(), set())
        if len(at) != 1:
            (shared if at else absent).append(f"“{image}” in line {line}")
            continue
        (place,) = at
        if place in seen:
            twice.append(f"“{image}” in line {line}")
            found[place] = None
        elif class_key(label) in label_of:
            found[place] = label_of[class_key(label)]
        elif label:  # an empty cell is no label
            unknown.append(f"“{label[:40]}” in line {line}")
        seen.add(place)
    notes = []
    if unknown:
        notes.append(f"{labels.file} has labels other than {', '.join(classes)}: {_some(unknown)}; correct them.")
    if absent:
        notes.append(f"{labels.file} names images that are not here: {_some(absent)}.")
    if twice:
        notes.append(f"{labels.file} lists images twice: {_some(twice)}; these count as unlabelled.")
    if shared:
        notes.append(f"Several images here have one name: {_some(shared)}; these count as unlabelled.")
    return found, tuple(notes)


def _some(things: list[str]) -> str:
    return things[0] if len(things) == 1 else f"{len(things):,}, the first {things[0]}"


# ---- results


def score_cohort(
    task: Task, cohort: Cohort, labels: Labels | None, symptoms: SymptomSet, before: Results | None = None
) -> Results:
    """A cohort under symptom lists. before: an earlier result, whose `original` is kept where it is still the same.

    Raises SymptomError.
    """
    if symptoms.symptoms == task.predictor.symptoms.symptoms:
        return _score(task, cohort, labels, None)
    original = None
    if before is not None and before.cohort is cohort and before.labels is labels:
        original = before.original or before
    return _score(task, cohort, labels, symptoms, original or _score(task, cohort, labels, None))


def _score(
    task: Task, cohort: Cohort, labels: Labels | None, symptoms: SymptomSet | None, original: Results | None = None
) -> Results:
    classes, notes = task.classes, cohort.notes
    given: list[int | None] = [None] * len(cohort.names)
    if cohort.labels is not None:
        given = list(cohort.labels)
    elif labels is not None:
        given, more = match_labels(labels, cohort.names, classes)
        notes += more
    diagnoses = iter(task.predictor.diagnose_all(cohort.features, symptoms) if len(cohort.features) else ())
    rows = []
    for name, error, label in zip(cohort.names, cohort.errors, given, strict=True):
        if error is not None:
            rows.append(CohortRow(name, label, error))
            continue
        diagnosis = next(diagnoses)
        known, distance = None, None
        if diagnosis.domain is not None:
            known, distance = diagnosis.domain.in_domain, diagnosis.domain.score
        rows.append(CohortRow(name, label, None, tuple(diagnosis.probabilities.values()), known, distance))
    counted = [row for row in rows if row.label is not None and row.probabilities]
    measured, belief = None, None
    if counted:
        probabilities = torch.tensor([row.probabilities for row in counted])
        truth = torch.tensor([row.label for row in counted])
        measured = compute_metrics(probabilities, truth, classes)
        belief = measure_positive_class(
            probabilities.double().numpy(), truth.numpy(), classes, finding(task), resamples=0
        )
    return Results(cohort, labels, classes, tuple(rows), measured, notes, original, belief)


def finding(task: Task) -> int:
    """Index of the class that sensitivity speaks of: the one that the task is called after, else the last."""
    named = [c for c, name in enumerate(task.classes) if class_key(name) == class_key(task.key)]
    return named[0] if named else len(task.classes) - 1


# ---- as a table


def table_rows(
    results: Results, search: str = "", which: str = ALL, order: str = UPLOADED, positive: int = 0
) -> list[list[str | float | None]]:
    """The cells of HEADERS of the images whose name holds `search` and that are of the kind `which`, in an order.

    positive: the class that FINDING sorts by.
    """
    wanted = (search or "").strip().casefold()
    rows = [row for row in results.rows if wanted in row.image.casefold() and _is_of(row, which)]
    if order == BY_NAME:
        rows.sort(key=lambda row: row.image.casefold())
    elif order in (UNSURE, FINDING, DISTANT):
        rows.sort(key=lambda row: _place(row, order, positive))
    return [_cells(row, results.classes) for row in rows]


def _place(row: CohortRow, order: str, positive: int) -> float:
    """What sorts a row; those that could not be read come last."""
    if not row.probabilities:
        return float("inf")
    if order == DISTANT:
        return -(row.distance or 0.0)
    return max(row.probabilities) if order == UNSURE else -row.probabilities[positive]


def _is_of(row: CohortRow, which: str) -> bool:
    if which.startswith(OF_CLASS):
        return row.prediction is not None and f"{OF_CLASS}{row.prediction}" == which
    return {
        FLAGGED: row.known is False,
        WRONG: row.wrong,
        UNREAD: row.error is not None,
        UNLABELLED: row.label is None,
    }.get(which, True)


def _cells(row: CohortRow, classes: tuple[str, ...]) -> list[str | float | None]:
    prediction = row.prediction
    return [
        row.image,
        "" if prediction is None else classes[prediction],
        None if prediction is None or row.known is False else round(row.probabilities[prediction], 3),
        {True: KNOWN, False: UNLIKE, None: ""}[row.known],
        "" if row.label is None else classes[row.label],
        row.error or (WRONG if row.wrong else ""),
    ]


def as_csv(results: Results) -> str:
    """All images as CSV; no cell is a formula to a spreadsheet."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    probabilities = [f"probability of {name}" for name in results.classes]
    writer.writerow(map(harmless, ["image", "class", *probabilities, "in_domain", "domain_score", "label", "error"]))
    for row in results.rows:
        writer.writerow(
            [
                harmless(row.image),
                "" if row.prediction is None else harmless(results.classes[row.prediction]),
                *([f"{value:.6f}" for value in row.probabilities] or [""] * len(results.classes)),
                {True: "yes", False: "no", None: ""}[row.known],
                "" if row.distance is None else f"{row.distance:.6f}",
                "" if row.label is None else harmless(results.classes[row.label]),
                harmless(row.error or ""),
            ]
        )
    return text.getvalue()


def harmless(cell: str) -> str:
    """Text that no spreadsheet takes for a formula: an apostrophe before each place that could start one."""
    safe = FORMULA.sub(r"\1\2'", cell)
    return f"'{safe}" if safe[:1] in ("\t", "\r", "\n") else safe

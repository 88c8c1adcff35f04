"""A cohort as data: its images' features, the given labels, and the results for a set of symptom lists."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from vip_core.data.dataset import Row
from vip_core.data.tables import class_key
from vip_core.errors import DataError
from vip_core.evaluation.metrics import Metrics, compute_metrics
from vip_core.evaluation.positive_class import PositiveClass, measure_positive_class
from vip_core.evaluation.predictions import exact_probabilities
from vip_core.evaluation.study import Questions
from vip_core.evaluation.thresholds import at_threshold
from vip_core.symptoms import SymptomSet

from .labels import LabelMeanings, Labels, MatchedLabels, match_labels, patients_of
from .tasks import Task

HALF = 0.5
STEP = 0.005  # of a threshold that is chosen
SEED = Questions().seed  # of the bootstrap, as `evaluate` has it, so that the intervals are the same


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

    def feature(self, place: int) -> Tensor | None:
        """The feature (D,) of the image at a place of the upload; None where it could not be read."""
        if not 0 <= place < len(self.names) or self.errors[place] is not None:
            return None
        return self.features[sum(error is None for error in self.errors[:place])]


@dataclass(frozen=True)
class CohortRow:
    """One image.

    Attributes:
        image: its name.
        label: index into the classes, None without one.
        error: why it could not be read.
        probabilities: (C,), empty where it has an error.
        prediction: index into the classes, at the threshold.
        known: the domain check.
        distance: from the reference images.
    """

    image: str
    label: int | None
    error: str | None = None
    probabilities: tuple[float, ...] = ()
    prediction: int | None = None
    known: bool | None = None
    distance: float | None = None

    @property
    def wrong(self) -> bool:
        """Read, labelled, and of another class."""
        return bool(self.probabilities) and self.label is not None and self.label != self.prediction


@dataclass(frozen=True)
class CohortChoices:
    """What a visitor asks of a cohort beside the lists.

    Attributes:
        threshold: the probability of the finding from which on it is called, with two classes.
        prevalence: of the finding where decisions are made, or None.
        meanings: what labels mean that are no class's name.
    """

    threshold: float = HALF
    prevalence: float | None = None
    meanings: LabelMeanings = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Results:
    """A cohort under symptom lists.

    Attributes:
        rows: in the order of the upload.
        figures: over the images read and labelled, at the threshold; None without any, or where a class has none.
        within: the same without out-of-distribution images; None where there is none of these, or a class has none.
        refusal: why there are no figures although there are labels.
        matched: the labels as the images have them; None without a labels file.
        original: the same under the checkpoint's own lists, with its rows' predictions.
        belief: of the probability of the finding, without intervals, on the same images.
    """

    cohort: Cohort
    labels: Labels | None
    classes: tuple[str, ...]
    rows: tuple[CohortRow, ...]
    figures: Metrics | None
    within: Metrics | None = None
    asked: CohortChoices = field(default_factory=CohortChoices)
    refusal: str = ""
    matched: MatchedLabels | None = None
    notes: tuple[str, ...] = ()
    original: "Results | None" = field(default=None, repr=False)
    belief: PositiveClass | None = None

    @property
    def changed(self) -> int:
        """The number of images whose class the edit changes."""
        before = self.original.rows if self.original else self.rows
        return sum(row.prediction != old.prediction for row, old in zip(self.rows, before, strict=True))

    @property
    def counted(self) -> list[CohortRow]:
        """The rows that figures are over: read and labelled."""
        return [row for row in self.rows if row.label is not None and row.probabilities]

    @property
    def measured_rows(self) -> list[Row]:
        """The same as rows of a data set, with patients and the other columns of the labels file."""
        details = self._details
        patients = patients_of(details)
        return [
            Row(Path(row.image), row.label, patients[i] if patients else f"image {i}", details[i])
            for i, row in enumerate(self.rows)
            if row.label is not None and row.probabilities
        ]

    @property
    def _details(self) -> list[Mapping[str, str]]:
        return self.matched.details if self.matched is not None else [{}] * len(self.rows)


def reference_cohort(task: Task) -> Cohort:
    """The checkpoint's reference bank as a cohort. Raises DataError where it has none."""
    bank = task.predictor.vip.reference
    if bank is None:
        raise DataError("This checkpoint has no reference images; upload images of your own.")
    labels = tuple(bank.labels.tolist())
    names = tuple(f"reference image {i + 1:03d}" for i in range(len(labels)))
    card = task.predictor.vip.card
    if card is not None and card.reference_held_out:
        note = "These images (features only) were kept out of training; they are from the same source."
    else:
        note = "The model was trained on these images (features only), so the figures are optimistically biased."
    return Cohort(names, (None,) * len(names), bank.features, (note,), labels)


def score_cohort(
    task: Task,
    cohort: Cohort,
    labels: Labels | None,
    symptoms: SymptomSet,
    before: Results | None = None,
    asked: CohortChoices | None = None,
) -> Results:
    """A cohort under symptom lists.

    Args:
        task: of the checkpoint.
        cohort: the images.
        labels: theirs, or None.
        symptoms: the lists.
        before: an earlier result, whose `original` is kept where it is still the same.
        asked: threshold, prevalence and the meanings of labels.

    Raises:
        SymptomError: a list cannot be scored.
    """
    asked = asked or CohortChoices()
    if symptoms.symptoms == task.predictor.symptoms.symptoms:
        return _score(task, cohort, labels, None, asked)
    original = None
    if before is not None and (before.cohort, before.labels, before.asked) == (cohort, labels, asked):
        original = before.original or before
    original = original or _score(task, cohort, labels, None, asked)
    return replace(_score(task, cohort, labels, symptoms, asked), original=original)


def _score(
    task: Task, cohort: Cohort, labels: Labels | None, symptoms: SymptomSet | None, asked: CohortChoices
) -> Results:
    classes, notes, matched = task.classes, cohort.notes, None
    given: list[int | None] = [None] * len(cohort.names)
    if cohort.labels is not None:
        given = list(cohort.labels)
    elif labels is not None:
        matched = match_labels(labels, cohort.names, classes, asked.meanings)
        given, notes = matched.labels, notes + matched.notes
    diagnoses = task.predictor.diagnose_all(cohort.features, symptoms) if len(cohort.features) else []
    found = exact_probabilities(diagnoses, task.predictor.temperature).tolist() if diagnoses else []
    scored = iter(zip(diagnoses, found, strict=True))
    rows = []
    for name, error, label in zip(cohort.names, cohort.errors, given, strict=True):
        if error is not None:
            rows.append(CohortRow(name, label, error))
            continue
        diagnosis, values = next(scored)
        known, distance = None, None
        if diagnosis.domain is not None:
            known, distance = diagnosis.domain.in_domain, diagnosis.domain.score
        rows.append(CohortRow(name, label, None, tuple(values), values.index(max(values)), known, distance))
    if asked.threshold != HALF and rows:
        rows = _called(rows, asked.threshold, finding(task))
    return measure_cohort(task, Results(cohort, labels, classes, tuple(rows), None, None, asked, "", matched, notes))


def _called(rows: list[CohortRow], threshold: float, positive: int) -> list[CohortRow]:
    """The rows of a task of two classes with the class that they have at a threshold of the finding."""
    return [
        replace(row, prediction=positive if row.probabilities[positive] >= threshold else 1 - positive)
        if row.probabilities
        else row
        for row in rows
    ]


def measure_cohort(task: Task, results: Results, resamples: int = 0) -> Results:
    """The results with the metrics that `vip evaluate` gives for the same images.

    resamples: of the bootstrap of the probabilities' figures, which takes longest; 0 leaves their intervals out.
    """
    rows = results.measured_rows
    if not rows:
        return results
    empty = [name for c, name in enumerate(results.classes) if not any(row.label == c for row in rows)]
    if empty:
        return replace(results, refusal=_refusal(empty))
    probabilities = torch.tensor([row.probabilities for row in results.counted], dtype=torch.float64)
    truth = torch.tensor([row.label for row in rows])
    patients = [row.patient for row in rows]
    positive = finding(task)
    asked, card = results.asked, task.predictor.vip.card
    decided = probabilities
    if asked.threshold != HALF and len(results.classes) == 2:
        decided = at_threshold(probabilities, asked.threshold if positive == 1 else 1 - asked.threshold)
    return replace(
        results,
        figures=compute_metrics(decided, truth, results.classes, SEED, patients),
        within=_within(results, decided, truth, patients),
        belief=measure_positive_class(
            probabilities.numpy(),
            truth.numpy(),
            results.classes,
            positive,
            patients,
            asked.prevalence,
            None if card is None else card.calibrated_on,
            SEED,
            resamples,
        ),
    )


def _within(results: Results, decided: torch.Tensor, truth: torch.Tensor, patients: list[str]) -> Metrics | None:
    """The figures over the labelled images that the domain check does not flag; their intervals are not shown."""
    kept = [i for i, row in enumerate(results.counted) if row.known is not False]
    if len(kept) == len(patients) or len(truth[kept].unique()) < len(results.classes):
        return None
    return compute_metrics(decided[kept], truth[kept], results.classes, SEED, [patients[i] for i in kept], resamples=0)


def _refusal(empty: list[str]) -> str:
    names = " and ".join(f"“{name}”" for name in empty)
    return (
        f"No image that could be read is labelled {names}, so there are no figures: accuracy without "
        "that class would be misleading. Add such images, or choose which label of the file means this class."
    )


def screening_point(task: Task) -> float:
    """The threshold that the page starts at: the checkpoint's screening point, else one half."""
    card = task.predictor.vip.card
    at = None if card is None or len(task.classes) != 2 else card.threshold_of(finding(task))
    return HALF if at is None else at


def finding(task: Task) -> int:
    """Index of the class whose sensitivity is reported: the one that the model was trained to find, else the last."""
    card = task.predictor.vip.card
    trained_for = None if card is None else card.training.get("positive")
    if trained_for in task.classes:
        return task.classes.index(trained_for)
    named = [c for c, name in enumerate(task.classes) if class_key(name) == class_key(task.key)]
    return named[0] if named else len(task.classes) - 1

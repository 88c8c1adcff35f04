"""One evaluation from start to end: a model or zero-shot on the images of a split, with all that was asked for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch

from vip_core.data.dataset import Row
from vip_core.data.features import FeatureSplit
from vip_core.errors import UsageError
from vip_core.evaluation.comparison import compare
from vip_core.evaluation.measure import Evaluation, measure
from vip_core.evaluation.metrics import compute_metrics
from vip_core.evaluation.positive_class import measure_positive_class
from vip_core.evaluation.predictions import Predictions, predict_rows
from vip_core.evaluation.probabilities import measure_probabilities
from vip_core.evaluation.report import Report
from vip_core.evaluation.subgroups import measure_subgroups, measure_symptoms
from vip_core.models.backbone import Backbone
from vip_core.models.vip import ViP
from vip_core.scoring.predictor import Predictor
from vip_core.scoring.zero_shot import ZeroShot, class_prompts
from vip_core.symptoms import SymptomSet


@dataclass(frozen=True)
class Questions:
    """What an evaluation answers.

    Attributes:
        seed: of the bootstrap.
        positive: the class that calibration, predictive values and net benefit are of; None: the one that the model
            was trained to find, else the last.
        prevalence: of that class where decisions are made, or None.
        by: columns whose values are subgroups.
        symptom_labels: columns that label symptoms.
    """

    seed: int = 1
    positive: str | None = None
    prevalence: float | None = None
    by: Sequence[str] = ()
    symptom_labels: Sequence[str] = ()


def evaluate_model(
    vip: ViP, rows: Sequence[Row], split: FeatureSplit, questions: Questions
) -> tuple[Report, Predictions]:
    """Evaluate a trained model. Raises UsageError for a class or column that is not there."""
    card = vip.card
    threshold = None if card is None else card.threshold
    trained_for = None if card is None else card.training.get("positive")
    predictions = predict_rows(Predictor(vip), vip.symptoms, rows, split.features)
    found = measure(vip, split, rows, questions.seed, threshold)
    calibrated_on = None if card is None else card.calibrated_on
    return _report(found, predictions, vip.symptoms, questions, trained_for, calibrated_on), predictions


def evaluate_zero_shot(
    backbone: Backbone,
    symptoms: SymptomSet,
    prompts: Literal["names", "symptoms"],
    rows: Sequence[Row],
    split: FeatureSplit,
    questions: Questions,
) -> tuple[Report, Predictions]:
    """Evaluate a backbone as it is, by the names of the classes or by their symptoms, without a checkpoint."""
    used = class_prompts(symptoms) if prompts == "names" else symptoms
    predictions = predict_rows(ZeroShot(backbone), used, rows, split.features)
    metrics = compute_metrics(
        torch.from_numpy(predictions.probabilities), split.labels, used.classes, questions.seed, predictions.patients
    )
    calibration = measure_probabilities(
        predictions.probabilities, predictions.labels, used.classes, predictions.patients, questions.seed
    )
    found = Evaluation(
        metrics=metrics,
        at_threshold=None,
        reliance=None,
        probabilities=calibration,
        ece_before_temperature=metrics.ece,
        subtypes={},
        flagged=None,
    )
    return _report(found, predictions, used, questions, None, None), predictions


def add_comparison(report: Report, predictions: Predictions, other: Predictions, name: str, seed: int) -> Report:
    """The report with tests against another model's predictions on the same images, classes in the same order."""
    tests = compare(
        predictions.probabilities,
        other.probabilities,
        predictions.labels,
        predictions.classes,
        predictions.patients,
        seed,
    )
    return replace(report, comparison=tests, compared_with=name)


def _report(
    found: Evaluation,
    predictions: Predictions,
    symptoms: SymptomSet,
    questions: Questions,
    trained_for: str | None,
    calibrated_on: Sequence[float] | None,
) -> Report:
    classes = predictions.classes
    positive = questions.positive or (trained_for if trained_for in classes else classes[-1])
    if positive not in classes:
        raise UsageError(f"--positive {positive!r} is not one of the classes {list(classes)}.")
    probabilities, labels = torch.from_numpy(predictions.probabilities), torch.from_numpy(predictions.labels)
    names = [(classes[label], text) for label, text in zip(symptoms.labels, symptoms.texts, strict=True)]
    rows, seed = predictions.rows, questions.seed
    return Report(
        model="",
        data="",
        split="",
        evaluation=found,
        positive=measure_positive_class(
            predictions.probabilities,
            predictions.labels,
            classes,
            classes.index(positive),
            predictions.patients,
            questions.prevalence,
            calibrated_on,
            seed,
        ),
        subgroups=measure_subgroups(probabilities, labels, classes, rows, questions.by, seed),
        symptoms=measure_symptoms(predictions.similarity, names, rows, questions.symptom_labels, seed),
    )

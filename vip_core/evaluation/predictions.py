"""The predictions on a split, image by image: what every figure is computed from, and the CSV of them."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vip_core.data.dataset import Row
from vip_core.scoring.diagnosis import Diagnosis
from vip_core.scoring.predictor import Predictor
from vip_core.scoring.scorer import Scorer
from vip_core.symptoms import SymptomSet
from vip_core.utils.files import atomic_together


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions on n images in C classes.

    Attributes:
        classes: C names.
        rows: of the images.
        probabilities: (n, C) float64.
        similarity: (n, S) of the images with the symptoms, class after class.
        in_domain: n answers of the domain check; None where there is none.
    """

    classes: tuple[str, ...]
    rows: Sequence[Row]
    probabilities: NDArray
    similarity: NDArray
    in_domain: list[bool | None]

    @property
    def labels(self) -> NDArray:
        """(n,) indices into the classes."""
        return np.array([row.label for row in self.rows])

    @property
    def patients(self) -> list[str]:
        """Of the images, n names."""
        return [row.patient for row in self.rows]


def predict_rows(
    scorer: Scorer, symptoms: SymptomSet, rows: Sequence[Row], features: Tensor, temperature: float | None = None
) -> Predictions:
    """Predictions of a trained model or of zero-shot.

    Args:
        scorer: a Predictor or a ZeroShot.
        symptoms: to score with; their classes are those of the labels.
        rows: n images.
        features: theirs (n, D).
        temperature: divides the logits; the scorer's own by default.
    """
    if isinstance(scorer, Predictor):
        symptoms = scorer.resolve(symptoms)
    diagnoses = scorer.diagnose_all(features, symptoms)
    return Predictions(
        classes=symptoms.classes,
        rows=rows,
        probabilities=exact_probabilities(diagnoses, temperature or scorer.temperature),
        similarity=np.array([[score.similarity for score in diagnosis.symptoms] for diagnosis in diagnoses]),
        in_domain=[None if diagnosis.domain is None else diagnosis.domain.in_domain for diagnosis in diagnoses],
    )


def exact_probabilities(diagnoses: Sequence[Diagnosis], temperature: float) -> NDArray:
    """Probabilities (n, C) in float64, from the logits: those of a Diagnosis are float32 and tie near 0 and 1."""
    logits = np.array([list(diagnosis.logits.values()) for diagnosis in diagnoses]) / temperature
    raised = np.exp(logits - logits.max(1, keepdims=True))
    return raised / raised.sum(1, keepdims=True)


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write a CSV file with a line per image: path, label, the probability of each class, prediction, in_domain.

    Raises StorageError.
    """
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [f"probability of {name}" for name in predictions.classes]
    writer.writerow(["path", "label", *names, "prediction", "in_domain"])
    for row, values, known in zip(predictions.rows, predictions.probabilities, predictions.in_domain, strict=True):
        label, predicted = predictions.classes[row.label], predictions.classes[int(values.argmax())]
        domain = {True: "yes", False: "no", None: ""}[known]
        writer.writerow([row.path, label, *(f"{value:.6g}" for value in values), predicted, domain])
    content = text.getvalue().encode("utf-8", "surrogateescape")
    atomic_together(path.parent, {path.name: content})

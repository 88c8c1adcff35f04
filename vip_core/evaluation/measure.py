"""All metrics of a model on one split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch.nn import functional as F

from vip_core.data.dataset import Row
from vip_core.data.features import FeatureSplit
from vip_core.evaluation.calibration import expected_calibration_error
from vip_core.evaluation.intervals import Estimate, estimate, share
from vip_core.evaluation.metrics import Metrics, compute_metrics
from vip_core.evaluation.probabilities import Probabilities, measure_probabilities
from vip_core.evaluation.reliance import Reliance, symptom_reliance
from vip_core.evaluation.thresholds import at_threshold
from vip_core.models.vip import ViP, predict

AT_THRESHOLD = ("accuracy", "balanced_accuracy", "f1_macro", "recall", "confusion")  # what a threshold changes


@dataclass(frozen=True)
class ThresholdMetrics:
    """Metrics of a two-class model at a threshold other than one half.

    Attributes:
        thresholds: the probability of each class from which on it is predicted; they sum to 1.
        metrics: there; the AUROC does not depend on a threshold.
    """

    thresholds: dict[str, float]
    metrics: Metrics

    def to_dict(self) -> dict[str, Any]:
        """As JSON. "threshold" is that of the second class, whose name is given beside it."""
        values = self.metrics.to_dict()
        second = self.metrics.classes[1]
        return {
            "threshold": self.thresholds[second],
            "threshold_class": second,
            "thresholds": self.thresholds,
            **{name: values[name] for name in AT_THRESHOLD},
            "intervals": {name: found for name, found in values["intervals"].items() if name != "auroc"},
        }


@dataclass(frozen=True)
class Evaluation:
    """What is measured of a model on a split.

    Attributes:
        metrics: of the class with the highest probability.
        at_threshold: at the threshold chosen on validation images, where the model has one.
        reliance: whether the decision depends on the symptoms; None without class tokens, as in zero-shot.
        probabilities: how well they are calibrated; None in a card of an earlier version.
        ece_before_temperature: the expected calibration error of the softmax of the plain logits.
        subtypes: the accuracy on the images of each subtype, where the rows have one.
        flagged: images that the domain check calls out of distribution; None without a reference bank.
    """

    metrics: Metrics
    at_threshold: ThresholdMetrics | None
    reliance: Reliance | None
    probabilities: Probabilities | None
    ece_before_temperature: float
    subtypes: dict[str, Estimate]
    flagged: int | None

    def to_dict(self) -> dict[str, Any]:
        """As the JSON of `evaluate --json` and of cards."""
        result = self.metrics.to_dict()
        if self.at_threshold is not None:
            result["at_threshold"] = self.at_threshold.to_dict()
        if self.reliance is not None:
            result["symptoms_carry"] = self.reliance.to_dict()
        if self.probabilities is not None:
            result["calibration"] = self.probabilities.to_dict()
        result["ece_before_temperature"] = self.ece_before_temperature
        if self.subtypes:
            result["subtypes"] = {
                name: {"n": found.n, "accuracy": found.value, "intervals": {"accuracy": found.interval}}
                for name, found in self.subtypes.items()
            }
        if self.flagged is not None:
            result["flagged_out_of_domain"] = self.flagged
        return result

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Evaluation":
        """From the JSON of `to_dict`, such as a card's."""
        metrics, moved = Metrics.from_dict(data), None
        if found := data.get("at_threshold"):
            first, second = metrics.classes
            shared = {name: data[name] for name in ("n", "classes") if name in data}
            moved = ThresholdMetrics(
                {first: 1 - found["threshold"], second: found["threshold"]}, Metrics.from_dict({**shared, **found})
            )
        return cls(
            metrics=metrics,
            at_threshold=moved,
            reliance=Reliance.from_dict(data["symptoms_carry"]) if "symptoms_carry" in data else None,
            probabilities=Probabilities.from_dict(data["calibration"]) if "calibration" in data else None,
            ece_before_temperature=data["ece_before_temperature"],
            subtypes={
                name: estimate(value["accuracy"], value["intervals"]["accuracy"], value["n"])
                for name, value in data.get("subtypes", {}).items()
            },
            flagged=data.get("flagged_out_of_domain"),
        )


def measure(
    vip: ViP, split: FeatureSplit, rows: Sequence[Row], seed: int, threshold: float | None = None
) -> Evaluation:
    """Measure a model on a split.

    Args:
        vip: a trained model.
        split: features and labels.
        rows: of the split; their patients are the unit of the intervals, their subtypes are measured one by one.
        seed: of the bootstrap.
        threshold: probability of the second of two classes, chosen on validation images, to measure at as well.
    """
    logits, classes = predict(vip, split.features), vip.symptoms.classes
    probabilities = (logits / vip.temperature).softmax(-1)
    patients = [row.patient for row in rows]
    moved = None
    if threshold is not None:
        shifted = at_threshold(probabilities, threshold)
        moved = ThresholdMetrics(
            {classes[0]: 1 - threshold, classes[1]: threshold},
            replace(compute_metrics(shifted, split.labels, classes, seed, patients), auroc=None),
        )
    return Evaluation(
        metrics=compute_metrics(probabilities, split.labels, classes, seed, patients),
        at_threshold=moved,
        reliance=symptom_reliance(vip, split.features),
        probabilities=measure_probabilities(
            probabilities.double().numpy(), split.labels.numpy(), classes, patients, seed
        ),
        ece_before_temperature=expected_calibration_error(F.softmax(logits, -1).double().numpy(), split.labels.numpy()),
        subtypes=_by_subtype(rows, (logits.argmax(-1) == split.labels).numpy()),
        flagged=(
            None if vip.reference is None else sum(not check.in_domain for check in vip.reference.check(split.features))
        ),
    )


def _by_subtype(rows: Sequence[Row], right: np.ndarray) -> dict[str, Estimate]:
    """The accuracy of each subtype that the rows name."""
    names = np.array([row.details.get("subtype") or "" for row in rows])
    patients = np.array([row.patient for row in rows])
    return {
        str(name): share(right[names == name], patients[names == name].tolist()) for name in np.unique(names) if name
    }

"""Metrics of a classifier, each with its 95 % interval."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vip_core.evaluation.bootstrap import RESAMPLES, bootstrap, units
from vip_core.evaluation.calibration import expected_calibration_error
from vip_core.evaluation.intervals import Estimate, estimate, percentile_interval, share
from vip_core.utils.ranking import SortedScores


@dataclass(frozen=True)
class Metrics:
    """Metrics over n images.

    Intervals are 95 %. Those of accuracy and recall, which are shares, are exact; see `intervals.share`. The others are
    percentile bootstrap over images, or over patients where some have several images.

    Attributes:
        n: images.
        classes: C names.
        accuracy, balanced_accuracy, f1_macro: of the class with the highest probability.
        auroc: of two classes; of more, the mean over one-vs-rest; None where all images are of one class.
        auroc_by_class: one-vs-rest, of each class that has images, where there are more than two classes.
        ece: expected calibration error.
        recall: the share of each class's images found; of a disease against normal these are sensitivity and
            specificity. A class without images has none.
        confusion: (C, C) counts, one row per true class.
        unit: what the intervals take as independent, "image" or "patient".
        units: the number of those.
        resamples, seed: of the bootstrap.
    """

    n: int
    classes: tuple[str, ...]
    accuracy: Estimate
    balanced_accuracy: Estimate
    f1_macro: Estimate
    auroc: Estimate | None
    auroc_by_class: dict[str, Estimate]
    ece: float
    recall: dict[str, Estimate]
    confusion: list[list[int]]
    unit: str
    units: int
    resamples: int
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """As the JSON of `evaluate --json` and of cards: values under their names, all intervals under "intervals"."""
        named = {
            "accuracy": self.accuracy,
            "balanced_accuracy": self.balanced_accuracy,
            "f1_macro": self.f1_macro,
            "auroc": self.auroc,
        }
        intervals = {name: None if found is None else found.interval for name, found in named.items()}
        intervals |= {f"recall of {name}": found.interval for name, found in self.recall.items()}
        by_class = {}
        if self.auroc_by_class:
            by_class["auroc_by_class"] = {name: found.value for name, found in self.auroc_by_class.items()}
            intervals |= {f"auroc_by_class of {name}": found.interval for name, found in self.auroc_by_class.items()}
        return {
            "n": self.n,
            "classes": self.classes,
            **{name: None if found is None else found.value for name, found in named.items()},
            **by_class,
            "ece": self.ece,
            "recall": {name: found.value for name, found in self.recall.items()},
            "confusion": self.confusion,
            "intervals": intervals,
            "unit": self.unit,
            "units": self.units,
            "resamples": self.resamples,
            "seed": self.seed,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Metrics":
        """From the JSON of `to_dict`; a card of version 0.1.0 has no unit, which was the image."""
        intervals, classes, n = data["intervals"], tuple(data["classes"]), int(data["n"])
        sizes = dict(zip(classes, map(sum, data["confusion"]), strict=True))

        def read(name: str) -> Estimate:
            return estimate(data[name], intervals.get(name), n)

        return cls(
            n=n,
            classes=classes,
            accuracy=read("accuracy"),
            balanced_accuracy=read("balanced_accuracy"),
            f1_macro=read("f1_macro"),
            auroc=None if data.get("auroc") is None else read("auroc"),
            auroc_by_class={
                name: estimate(value, intervals.get(f"auroc_by_class of {name}"), n)
                for name, value in data.get("auroc_by_class", {}).items()
            },
            ece=data.get("ece", math.nan),
            recall={
                name: estimate(value, intervals.get(f"recall of {name}"), sizes[name])
                for name, value in data["recall"].items()
            },
            confusion=data["confusion"],
            unit=data.get("unit", "image"),
            units=data.get("units", n),
            resamples=data.get("resamples", RESAMPLES),
            seed=data.get("seed", 0),
        )


def compute_metrics(
    probabilities: Tensor,
    labels: Tensor,
    classes: tuple[str, ...],
    seed: int = 0,
    patients: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
) -> Metrics:
    """Measure predictions.

    Args:
        probabilities: (n, C), rows sum to 1; n at least 1.
        labels: (n,) indices into `classes`.
        classes: C names.
        seed: of the bootstrap.
        patients: of the images, n names; None where they are not known.
        resamples: of the bootstrap.
    """
    scores, truth = probabilities.double().numpy(), labels.numpy()
    n, count = scores.shape
    predicted = scores.argmax(1)
    present = np.flatnonzero(np.bincount(truth, minlength=count))
    columns = _ranked_columns(count, present)
    ranking = SortedScores(scores[:, columns], truth[:, None] == columns)
    cells = truth * count + predicted

    def values(weights: NDArray) -> NDArray:
        confusion = np.bincount(cells, weights, count * count).reshape(count, count)
        aurocs = ranking.auroc(weights)
        return np.array([*_balanced_and_f1(confusion, present), aurocs.mean() if len(columns) else np.nan, *aurocs])

    drawn = units(truth, patients)
    balanced, f1, auroc, *aurocs = values(np.ones(n, dtype=np.int64))
    intervals = [
        percentile_interval(column) for column in bootstrap(values, drawn, np.random.default_rng(seed), resamples).T
    ]
    names = np.asarray(patients) if patients is not None and drawn.name == "patient" else None
    right = predicted == truth

    def recall(label: int) -> Estimate:
        own = truth == label
        return share(right[own], None if names is None else names[own].tolist())

    return Metrics(
        n=n,
        classes=classes,
        accuracy=share(right, None if names is None else names.tolist()),
        balanced_accuracy=estimate(balanced, intervals[0], n),
        f1_macro=estimate(f1, intervals[1], n),
        auroc=estimate(auroc, intervals[2], n) if len(columns) else None,
        auroc_by_class={
            classes[c]: estimate(value, interval, n)
            for c, value, interval in zip(columns, aurocs, intervals[3:], strict=True)
            if count > 2
        },
        ece=expected_calibration_error(scores, truth),
        recall={classes[c]: recall(int(c)) for c in present},
        confusion=np.bincount(cells, minlength=count * count).reshape(count, count).tolist(),
        unit=drawn.name,
        units=drawn.count,
        resamples=resamples,
        seed=seed,
    )


def mean_auroc(scores: NDArray, truth: NDArray) -> float | None:
    """The AUROC that `compute_metrics` gives, without its interval.

    Args:
        scores: (n, C), of any scale that orders the images of each column.
        truth: (n,) class indices.

    Returns:
        The AUROC, or None where all images are of one class.
    """
    columns = _ranked_columns(scores.shape[1], np.flatnonzero(np.bincount(truth, minlength=scores.shape[1])))
    ranking = SortedScores(scores[:, columns], truth[:, None] == columns)
    return float(ranking.auroc(np.ones(len(truth), dtype=np.int64)).mean()) if len(columns) else None


def _ranked_columns(count: int, present: NDArray) -> NDArray:
    """The classes whose one-vs-rest AUROC is taken: the second of two; of more, those with images."""
    if len(present) < 2:
        return np.empty(0, dtype=int)
    return np.array([1]) if count == 2 else present


def _balanced_and_f1(confusion: NDArray, present: NDArray) -> tuple[float, float]:
    """Balanced accuracy and macro F1 of counts (C, C); a class that neither occurs nor is predicted has no F1."""
    hits, actual, predicted = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    recall = hits[present] / actual[present]
    f1, met = 2 * hits / np.maximum(actual + predicted, 1), actual + predicted > 0
    return float(recall.mean()), float(f1.sum() / met.sum())

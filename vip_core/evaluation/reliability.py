"""Reliability of probabilities: Brier score, calibration slope and intercept, reliability bins, histograms."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from vip_core.evaluation.intervals import Estimate, share

SMALLEST = 1e-6  # probability that has log-odds of its own
BINS = 10


def brier_score(scores: NDArray, truth: NDArray, weights: NDArray | None = None) -> float:
    """Mean squared error of probabilities (n, C); halved for two classes, as is usual (Brier 1950), so at most 1."""
    errors = ((scores - np.eye(scores.shape[1])[truth]) ** 2).sum(1)
    return float(np.average(errors, weights=weights)) / (2 if scores.shape[1] == 2 else 1)


def calibration_slope(probability: NDArray, positive: NDArray, weights: NDArray | None = None) -> float:
    """Slope of a logistic regression of the outcome on the log-odds (Cox, Biometrika 1958): 1 is right.

    Below 1 the probabilities are too extreme, above 1 too timid. NaN where it is not defined: images of one class, one
    score for all, or scores that separate the classes.

    Args:
        probability: (n,) of the positive class.
        positive: (n,) booleans.
        weights: (n,) how often each image counts; once by default.
    """
    odds = logit(np.clip(probability, SMALLEST, 1 - SMALLEST))
    times = np.ones(len(odds)) if weights is None else weights.astype(float)
    own, other = odds[positive & (times > 0)], odds[~positive & (times > 0)]
    if not (len(own) and len(other)) or own.min() >= other.max() or own.max() <= other.min():
        return float("nan")
    centre = np.average(odds, weights=times)
    design = np.stack([np.ones(len(odds)), odds - centre], 1)
    beta = np.zeros(2)
    for _ in range(50):  # Newton's method
        fitted = expit(design @ beta)
        curvature = design.T @ (design * (times * fitted * (1 - fitted))[:, None])
        step = np.linalg.solve(curvature + 1e-12 * np.eye(2), design.T @ (times * (positive - fitted)))
        beta += np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-9:
            break
    return float(beta[1])


def calibration_intercept(probability: NDArray, positive: NDArray, weights: NDArray | None = None) -> float:
    """Calibration in the large: what to add to all log-odds so that as many positives are expected as occurred.

    0 is right, above 0 the positive class is underestimated. NaN where all images are of one class.
    """
    odds = logit(np.clip(probability, SMALLEST, 1 - SMALLEST))
    times = np.ones(len(odds)) if weights is None else weights.astype(float)
    found = (times * positive).sum()
    if found in (0, times.sum()):
        return float("nan")
    shift = 0.0
    for _ in range(100):
        fitted = expit(odds + shift)
        step = (found - (times * fitted).sum()) / max((times * fitted * (1 - fitted)).sum(), 1e-12)
        shift += float(np.clip(step, -2, 2))
        if abs(step) < 1e-9:
            break
    return shift


@dataclass(frozen=True)
class ReliabilityBin:
    """Images of similar probability: from the lowest to the highest, their mean, and the share that is positive."""

    lowest: float
    highest: float
    mean: float
    observed: Estimate

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "lowest": self.lowest,
            "highest": self.highest,
            "mean_probability": self.mean,
            "observed": self.observed.value,
            "interval": self.observed.interval,
            "n": self.observed.n,
        }


def reliability_table(
    probability: NDArray, positive: NDArray, patients: Sequence[str] | None = None, bins: int = BINS
) -> list[ReliabilityBin]:
    """Bins of about equally many images, in the order of the probability (n,); images of one score share a bin."""
    order = np.argsort(probability, kind="stable")
    edges = np.unique([np.searchsorted(probability[order], probability[rows[0]]) for rows in _parts(order, bins)])
    table = []
    for rows in np.split(order, edges[1:]):
        own = None if patients is None else [str(patients[row]) for row in rows.tolist()]
        values = probability[rows]
        table.append(
            ReliabilityBin(float(values.min()), float(values.max()), float(values.mean()), share(positive[rows], own))
        )
    return table


def _parts(order: NDArray, bins: int) -> list[NDArray]:
    return [part for part in np.array_split(order, bins) if len(part)]


def histogram_by_outcome(probability: NDArray, positive: NDArray, bins: int = 20) -> dict[str, list[int]]:
    """Counts over equal bins from 0 to 1: of the positive images, and of the others."""
    edges = np.linspace(0, 1, bins + 1)
    return {
        "positive": np.histogram(probability[positive], edges)[0].tolist(),
        "negative": np.histogram(probability[~positive], edges)[0].tolist(),
    }

"""Everything that depends on which class is the positive one: calibration, predictive values, net benefit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vip_core.evaluation.bootstrap import RESAMPLES, bootstrap, units
from vip_core.evaluation.decisions import DecisionCurve, decision_curve, predictive_values, rates
from vip_core.evaluation.intervals import Estimate, estimate, percentile_interval, resampled_estimate
from vip_core.evaluation.reliability import (
    ReliabilityBin,
    brier_score,
    calibration_intercept,
    calibration_slope,
    histogram_by_outcome,
    reliability_table,
)
from vip_core.utils.priors import shift_prior
from vip_core.utils.ranking import SortedScores


@dataclass(frozen=True)
class AtPrevalence:
    """Decisions where the positive class has a stated prevalence.

    Attributes:
        prevalence: of the positive class.
        ppv, npv: of the predicted class as the probabilities are; None where nothing is predicted so.
        curve: decision curve of the probabilities as they are.
        corrected_ppv, corrected_npv, corrected_curve: the same after the prior was corrected for the prevalence; None
            where the mix that the model was calibrated on is unknown.
    """

    prevalence: float
    ppv: Estimate | None
    npv: Estimate | None
    curve: DecisionCurve | None
    corrected_ppv: Estimate | None = None
    corrected_npv: Estimate | None = None
    corrected_curve: DecisionCurve | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {name: _json(value) for name, value in vars(self).items()}


@dataclass(frozen=True)
class PositiveClass:
    """Figures of the probability of one class against the others; None where one is not defined.

    Attributes:
        name: the class.
        share: of the images, that are of it.
        mean_probability: over the images; the same as `share` if calibration in the large is right.
        brier: Brier score of all classes; see `reliability.brier_score`.
        slope, intercept: of calibration; see `reliability`. 1 and 0 are right.
        auprc: average precision; a useless ranking has about `share`.
        reliability: bins of about equally many images.
        histogram: counts over 20 equal bins, of positive and negative images.
        curve: decision curve at the images' own prevalence.
        at_prevalence: decisions at a stated prevalence.
        not_defined: why a figure is missing, a sentence, or None.
    """

    name: str
    share: float
    mean_probability: float
    brier: Estimate
    slope: Estimate | None
    intercept: Estimate | None
    auprc: Estimate | None
    reliability: list[ReliabilityBin]
    histogram: dict[str, list[int]]
    curve: DecisionCurve | None
    at_prevalence: AtPrevalence | None
    not_defined: str | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {name: _json(value) for name, value in vars(self).items()}


def measure_positive_class(
    scores: NDArray,
    labels: NDArray,
    classes: Sequence[str],
    positive: int,
    patients: Sequence[str] | None = None,
    prevalence: float | None = None,
    calibrated_on: Sequence[float] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> PositiveClass:
    """Measure the probabilities of one class.

    Args:
        scores: probabilities (n, C).
        labels: (n,) indices into `classes`.
        classes: C names.
        positive: index of the class.
        patients: of the images; the bootstrap draws them where they have several images.
        prevalence: of the class where decisions are made; None: predictive values and net benefit at none.
        calibrated_on: shares of the classes (C,) that the probabilities were calibrated on.
        seed: of the bootstrap.
        resamples: of the bootstrap; 0 gives values without intervals.
    """
    n, probability, own = len(labels), scores[:, positive], labels == positive
    called = scores.argmax(1) == positive
    ranking = SortedScores(probability, own)
    corrected = None
    if prevalence is not None and calibrated_on is not None:
        corrected = shift_prior(scores, calibrated_on, _mix(calibrated_on, positive, prevalence))
    decisions = [called] if corrected is None else [called, corrected.argmax(1) == positive]

    def values(weights: NDArray) -> NDArray:
        found = [
            brier_score(scores, labels, weights),
            calibration_slope(probability, own, weights),
            calibration_intercept(probability, own, weights),
            ranking.average_precision(weights)[0],
        ]
        if prevalence is not None:
            for decided in decisions:
                found += predictive_values(*rates(decided, own, weights), prevalence)
        return np.array(found)

    point = values(np.ones(n, dtype=np.int64))
    drawn = bootstrap(values, units(labels, patients), np.random.default_rng(seed), resamples)
    found = [resampled_estimate(value, column, n) for value, column in zip(point, drawn.T, strict=True)]
    at_prevalence = None
    if prevalence is not None:
        at_prevalence = AtPrevalence(prevalence, found[4], found[5], decision_curve(probability, own, prevalence))
        if corrected is not None:
            curve = decision_curve(corrected[:, positive], own, prevalence)
            at_prevalence = replace(
                at_prevalence, corrected_ppv=found[6], corrected_npv=found[7], corrected_curve=curve
            )
    return PositiveClass(
        name=classes[positive],
        share=float(own.mean()),
        mean_probability=float(probability.mean()),
        brier=estimate(point[0], percentile_interval(drawn[:, 0]), n),
        slope=found[1],
        intercept=found[2],
        auprc=found[3],
        reliability=reliability_table(probability, own, patients),
        histogram=histogram_by_outcome(probability, own),
        curve=decision_curve(probability, own),
        at_prevalence=at_prevalence,
        not_defined=_reason(point, own),
    )


def _mix(calibrated_on: Sequence[float], positive: int, prevalence: float) -> list[float]:
    """The shares of the classes if the positive one has the prevalence and the others divide the rest as before."""
    rest = 1 - calibrated_on[positive]
    return [prevalence if c == positive else (1 - prevalence) * s / rest for c, s in enumerate(calibrated_on)]


def _reason(point: NDArray, own: NDArray) -> str | None:
    if own.all() or not own.any():
        return "All images are of one class, so calibration slope and intercept, precision and net benefit are missing."
    if np.isnan(point[1]):
        return "The probabilities separate the classes perfectly or are all equal, so there is no calibration slope."
    return None


def _json(value: object) -> object:
    if isinstance(value, list):
        return [_json(item) for item in value]
    return value.to_dict() if hasattr(value, "to_dict") else value  # type: ignore[attr-defined]

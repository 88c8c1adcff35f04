"""Two models on the same images: DeLong's test, a paired bootstrap, McNemar's exact test, Holm's correction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, ndtr

from vip_core.evaluation.bootstrap import RESAMPLES, bootstrap, units
from vip_core.evaluation.intervals import Estimate, estimate, percentile_interval
from vip_core.utils.ranking import SortedScores


@dataclass(frozen=True)
class Test:
    """A difference, the first less the second, with its interval, and the p-value of no difference (None: untestable).

    name: of the test; question: what is compared; holm: the p-value corrected for all tests of the comparison.
    """

    __test__ = False  # not a case for pytest

    name: str
    question: str
    difference: Estimate
    p: float | None
    holm: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "test": self.name,
            "question": self.question,
            "difference": self.difference.value,
            "interval": self.difference.interval,
            "p": self.p,
            "p_holm": self.holm,
        }


def delong(first: NDArray, second: NDArray, positive: NDArray) -> tuple[float, float, float | None]:
    """Difference of two AUROCs on the same images, its standard error, and the two-sided p-value.

    DeLong, DeLong and Clarke-Pearson, Biometrics 1988. p is None where the difference has no variance.

    Args:
        first, second: scores (n,) of the positive class.
        positive: (n,) booleans, at least two of each kind.
    """
    placements = [_placements(scores, positive) for scores in (first, second)]
    values = [own.mean() for own, _ in placements]
    own = np.cov(np.stack([own for own, _ in placements]))
    other = np.cov(np.stack([other for _, other in placements]))
    covariance = own / positive.sum() + other / (~positive).sum()
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    difference, error = float(values[0] - values[1]), float(np.sqrt(max(variance, 0.0)))
    return difference, error, float(2 * ndtr(-abs(difference) / error)) if error > 1e-12 else None


def _placements(scores: NDArray, positive: NDArray) -> tuple[NDArray, NDArray]:
    """For each positive image the share of negatives below it, for each negative that of positives above; ties half."""
    own, other = scores[positive], scores[~positive]
    negatives, positives = np.sort(other), np.sort(own)
    below = np.searchsorted(negatives, own, "left") + np.searchsorted(negatives, own, "right")
    not_above = np.searchsorted(positives, other, "left") + np.searchsorted(positives, other, "right")
    return below / 2 / len(other), 1 - not_above / 2 / len(own)


def mcnemar(first: NDArray, second: NDArray) -> float:
    """Exact two-sided p-value that two models are right (n,) equally often (McNemar 1947); 1 if they never differ."""
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    if only_first + only_second == 0:
        return 1.0
    return min(1.0, 2 * float(bdtr(min(only_first, only_second), only_first + only_second, 0.5)))


def holm(values: Sequence[float | None]) -> list[float | None]:
    """P-values corrected for their number (Holm, Scandinavian Journal of Statistics 1979); None stays None."""
    known = sorted((value, place) for place, value in enumerate(values) if value is not None)
    corrected: list[float | None] = [None] * len(values)
    highest = 0.0
    for rank, (value, place) in enumerate(known):
        highest = max(highest, min(1.0, value * (len(known) - rank)))
        corrected[place] = highest
    return corrected


def compare(
    first: NDArray,
    second: NDArray,
    labels: NDArray,
    classes: Sequence[str],
    patients: Sequence[str] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> list[Test]:
    """Compare two models on the same images, with Holm's correction over all tests.

    With two classes the AUROCs are compared once, with more for each class against the rest. DeLong and McNemar take
    the images as independent; the bootstrap intervals draw patients where these have several images.

    Args:
        first, second: probabilities (n, C).
        labels: (n,) indices into `classes`.
        classes: C names.
        patients: of the images.
        seed: of the bootstrap.
        resamples: of the bootstrap.
    """
    n, tests = len(labels), []
    right = [scores.argmax(1) == labels for scores in (first, second)]
    drawn = units(labels, patients)
    columns = [1] if len(classes) == 2 else [c for c in range(len(classes)) if 2 <= (labels == c).sum() <= n - 2]
    columns = [c for c in columns if 2 <= (labels == c).sum() <= n - 2]
    sorted_scores = [SortedScores(scores[:, columns], labels[:, None] == columns) for scores in (first, second)]

    def differences(weights: NDArray) -> NDArray:
        areas = sorted_scores[0].auroc(weights) - sorted_scores[1].auroc(weights)
        hits = [(weights * own).sum() / weights.sum() for own in right]
        return np.array([*areas, hits[0] - hits[1]])

    resampled = bootstrap(differences, drawn, np.random.default_rng(seed), resamples)
    for k, c in enumerate(columns):
        difference, _, p = delong(first[:, c], second[:, c], labels == c)
        found = estimate(difference, percentile_interval(resampled[:, k]), n)
        tests.append(Test("DeLong", f"AUROC of {classes[c]} against the rest", found, p))
    difference = float(right[0].mean() - right[1].mean())
    found = estimate(difference, percentile_interval(resampled[:, -1]), n)
    tests.append(Test("McNemar, exact", "accuracy", found, mcnemar(*right)))
    corrected = holm([test.p for test in tests])
    return [
        Test(test.name, test.question, test.difference, test.p, value)
        for test, value in zip(tests, corrected, strict=True)
    ]

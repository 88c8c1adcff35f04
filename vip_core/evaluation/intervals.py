"""A figure with its 95 % interval, and the intervals that follow from a formula."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, stdtrit  # scipy.stats, which has them by name, takes 70 MB

MAX_UNDEFINED = 0.05  # share of resamples without a value, above which there is no interval


@dataclass(frozen=True)
class Estimate:
    """A value measured on n images, with its 95 % interval; low and high are None where there is none to give."""

    value: float
    low: float | None
    high: float | None
    n: int

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends, or None."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"value": self.value, "interval": self.interval, "n": self.n}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Estimate":
        """From the JSON of `to_dict`."""
        return estimate(data["value"], data["interval"], data["n"])


def estimate(value: float, interval: tuple[float, float] | None, n: int) -> Estimate:
    """An Estimate from an interval that may be missing."""
    low, high = (None, None) if interval is None else interval
    return Estimate(float(value), low, high, n)


def percentile_interval(values: NDArray) -> tuple[float, float] | None:
    """The 95 % percentile interval of resampled values (R,); None where they all agree or are not defined.

    An interval of no width, such as that of a perfect ranking, would claim a certainty that n images cannot give.
    """
    if not len(values):
        return None
    low, high = np.percentile(values, [2.5, 97.5])
    return None if np.isnan(low) or np.isnan(high) or low == high else (float(low), float(high))


def resampled_estimate(value: float, resampled: NDArray, n: int) -> Estimate | None:
    """A value with the percentile interval of resampled ones (R,), of which some may be NaN: not defined.

    None where the value itself is not defined; without an interval where too many resamples have none.
    """
    if np.isnan(value):
        return None
    known = resampled[~np.isnan(resampled)]
    few = not len(known) or len(known) < (1 - MAX_UNDEFINED) * len(resampled)
    return estimate(value, None if few else percentile_interval(known), n)


def clopper_pearson(hits: float, of: float) -> tuple[float, float]:
    """The exact 95 % interval of a share of independent images (Clopper and Pearson, Biometrika 1934)."""
    low = 0.0 if hits <= 0 else float(betaincinv(hits, of - hits + 1, 0.025))
    high = 1.0 if hits >= of else float(betaincinv(hits + 1, of - hits, 0.975))
    return low, high


def share(right: NDArray, patients: Sequence[str] | None = None) -> Estimate:
    """The share of images that are right, with the interval that suits the unit.

    Without patients, or with one image per patient, it is Clopper and Pearson's. Otherwise the images of a patient are
    alike and count for less: Clopper and Pearson's interval of the effective number of images (Korn and Graubard,
    Survey Methodology 1998), whose variance is that of a ratio over patients. Where all images are right or all are
    wrong, that variance is unknown, and each patient counts as one image.

    Args:
        right: (n,) booleans.
        patients: of the images, n names.
    """
    n, hits = len(right), int(right.sum())
    if patients is None or len(set(patients)) == n:
        return estimate(hits / n, clopper_pearson(hits, n), n)
    _, place = np.unique(np.asarray(patients), return_inverse=True)
    images, found = np.bincount(place), np.bincount(place, weights=right)
    clusters, value = len(images), hits / n
    if hits in (0, n) or clusters == 1:
        effective = float(clusters)
    else:
        variance = clusters / (clusters - 1) * ((found - value * images) ** 2).sum() / n**2
        student = stdtrit(n - 1, 0.975) / stdtrit(clusters - 1, 0.975)
        effective = min(float(n), value * (1 - value) / variance * student**2) if variance > 0 else float(n)
    return estimate(value, clopper_pearson(value * effective, effective), n)


def hanley_mcneil(auroc: float, positives: int, negatives: int) -> tuple[float, float] | None:
    """95 % interval of an AUROC from its value and the numbers of images (Hanley and McNeil, Radiology 1982).

    None at an AUROC of 0 or 1, where the formula gives an interval of no width, whatever the number of images.
    """
    q1, q2 = auroc / (2 - auroc), 2 * auroc**2 / (1 + auroc)
    spread = (positives - 1) * (q1 - auroc**2) + (negatives - 1) * (q2 - auroc**2)
    variance = (auroc * (1 - auroc) + spread) / (positives * negatives)
    if variance <= 0:
        return None
    half = 1.96 * math.sqrt(variance)
    return max(0.0, auroc - half), min(1.0, auroc + half)

"""How well the probabilities of a split are calibrated, for the card: Brier score, slope and intercept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vip_core.evaluation.bootstrap import RESAMPLES, bootstrap, units
from vip_core.evaluation.intervals import Estimate, resampled_estimate
from vip_core.evaluation.reliability import brier_score, calibration_intercept, calibration_slope

FIGURES = ("brier", "slope", "intercept")


@dataclass(frozen=True)
class Probabilities:
    """Calibration of the probabilities; see `vip_core.evaluation.reliability` for the three figures.

    Attributes:
        of: the class whose probability slope and intercept are of, the second of two; None with more classes.
        brier: of all classes.
        slope, intercept: 1 and 0 are right; None where they are not defined.
    """

    of: str | None
    brier: Estimate
    slope: Estimate | None
    intercept: Estimate | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        found = {name: getattr(self, name) for name in FIGURES}
        return {"of": self.of, **{name: each and each.to_dict() for name, each in found.items()}}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Probabilities":
        """From the JSON of `to_dict`."""
        brier, slope, intercept = (data.get(name) and Estimate.from_dict(data[name]) for name in FIGURES)
        assert brier is not None
        return cls(data["of"], brier, slope, intercept)


def measure_probabilities(
    scores: NDArray,
    labels: NDArray,
    classes: Sequence[str],
    patients: Sequence[str] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Probabilities:
    """Measure probabilities.

    Args:
        scores: probabilities (n, C).
        labels: (n,) indices into `classes`.
        classes: C names.
        patients: of the images; the bootstrap draws them where they have several images.
        seed: of the bootstrap.
        resamples: of the bootstrap.
    """
    two, positive = len(classes) == 2, labels == 1

    def values(weights: NDArray) -> NDArray:
        found = [brier_score(scores, labels, weights)]
        if two:
            found += [each(scores[:, 1], positive, weights) for each in (calibration_slope, calibration_intercept)]
        return np.array(found)

    point = values(np.ones(len(labels), dtype=np.int64))
    drawn = bootstrap(values, units(labels, patients), np.random.default_rng(seed), resamples)
    brier, *rest = [resampled_estimate(v, column, len(labels)) for v, column in zip(point, drawn.T, strict=True)]
    assert brier is not None  # a Brier score is always defined
    slope, intercept = rest if two else (None, None)
    return Probabilities(classes[1] if two else None, brier, slope, intercept)

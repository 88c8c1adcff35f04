"""The bootstrap: resamples images, or patients with all their images, and takes intervals from the percentiles."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 1000


@dataclass(frozen=True)
class Units:
    """What is drawn with replacement, and within which strata.

    Attributes:
        name: "patient" where at least one patient has several images, else "image".
        of: (n,) the unit of each image, from 0 on.
        strata: units that are drawn among themselves, so that no resample lacks a class.
    """

    name: str
    of: NDArray
    strata: list[NDArray]

    @property
    def count(self) -> int:
        """Number of units."""
        return sum(map(len, self.strata))


def units(labels: ArrayLike, patients: Sequence[str] | None = None) -> Units:
    """Images, stratified by class; or patients, stratified by the set of classes of their images.

    Args:
        labels: (n,) class indices.
        patients: n names, where they are known.
    """
    truth = np.asarray(labels)
    if patients is None or len(set(patients)) == len(truth):
        return Units("image", np.arange(len(truth)), [np.flatnonzero(truth == c) for c in np.unique(truth)])
    names, of = np.unique(np.asarray(patients), return_inverse=True)
    classes: list[set[int]] = [set() for _ in names]
    for unit, label in zip(of.tolist(), truth.tolist(), strict=True):
        classes[unit].add(label)
    kinds = [tuple(sorted(found)) for found in classes]
    strata = [np.array([unit for unit, found in enumerate(kinds) if found == kind]) for kind in sorted(set(kinds))]
    return Units("patient", of, strata)


def bootstrap(
    statistic: Callable[[NDArray], NDArray],
    drawn: Units,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> NDArray:
    """Values (resamples, k) of a statistic of the images' weights.

    Args:
        statistic: from how many times each image counts, (n,) integers, to k values.
        drawn: of `units`.
        rng: of the draws.
        resamples: number of draws; 0 for none, and so no interval.
    """
    size, single = drawn.count, drawn.name == "image"
    values = []
    for _ in range(resamples):
        chosen = np.concatenate([rng.choice(stratum, len(stratum)) for stratum in drawn.strata])
        counts = np.bincount(chosen, minlength=size)
        values.append(statistic(counts if single else counts[drawn.of]))
    return np.array(values) if values else np.empty((0, len(statistic(np.ones(len(drawn.of), dtype=np.int64)))))

"""Prior shift: probabilities calibrated on one mix of classes, corrected for another."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vip_core.errors import UsageError


def shift_prior(probabilities: NDArray, calibrated_on: Sequence[float], wanted: Sequence[float]) -> NDArray:
    """Probabilities (..., C) after a change of the shares of the classes (Saerens et al., Neural Computation 2002).

    Each is multiplied by the ratio of the shares and the whole is normalised; it is exact where only the mix changes,
    and the images of a class look as before.

    Args:
        probabilities: that sum to 1.
        calibrated_on: C shares, all above 0.
        wanted: C shares.
    """
    weighted = np.asarray(probabilities, dtype=float) * np.asarray(wanted, float) / np.asarray(calibrated_on, float)
    return weighted / weighted.sum(-1, keepdims=True)


def full_mix(given: Mapping[str, float], classes: Sequence[str], calibrated_on: Sequence[float]) -> list[float]:
    """The share of each class, from the shares of some; the others divide the rest as they do in `calibrated_on`.

    Raises:
        UsageError: a class is unknown, a share is not between 0 and 1, or the shares do not leave what they should.
    """
    for name, value in given.items():
        if name not in classes:
            raise UsageError(f"The prevalence refers to {name!r}; the classes are {list(classes)}.")
        if not 0 < value < 1:
            raise UsageError(f"The prevalence of {name!r} is {value:g}; give a share above 0 and below 1, such as 0.1.")
    rest, others = 1 - sum(given.values()), [name for name in classes if name not in given]
    if (others and rest <= 0) or (not others and abs(rest) > 1e-6):
        raise UsageError(f"The prevalences add up to {sum(given.values()):g}; over all classes they must add up to 1.")
    own = dict(zip(classes, calibrated_on, strict=True))
    whole = sum(own[name] for name in others)
    return [given[name] if name in given else rest * own[name] / whole for name in classes]


def read_prevalence(words: Sequence[str], classes: Sequence[str], positive: str = "") -> dict[str, float]:
    """Shares from words such as "pneumonia=0.1"; a number alone is of the positive class. Raises UsageError."""
    found = {}
    for word in words:
        name, _, number = word.rpartition("=")
        name = name or positive
        try:
            found[name] = float(number)
        except ValueError:
            name = ""
        if not name:
            raise UsageError(f"The prevalence {word!r} is not CLASS=SHARE, such as {classes[-1]!r}=0.1.")
    return found

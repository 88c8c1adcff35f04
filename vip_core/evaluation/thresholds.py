"""The threshold of a two-class model: chosen on validation images, and applied."""

import math

import torch
from torch import Tensor

SMALLEST = 1e-12  # probability that has log-odds of its own


def fit_threshold(
    probabilities: Tensor, labels: Tensor, positive: int | None = None, sensitivity: float = 0.95
) -> float:
    """The probability of the second of two classes from which on it is best predicted.

    With a class to find, `positive`, it is the strictest threshold that still finds so large a share of that class's
    images. Without, it maximises balanced accuracy. Either leaves a gap between two images' log-odds, or many; the
    widest is taken, in its middle, since that is what a small shift of the scores harms least.

    Args:
        probabilities: (n, 2) of validation images.
        labels: (n,).
        positive: the class to find, 0 or 1.
        sensitivity: the share of its images to find, above 0, at most 1.

    Returns:
        The threshold; one half where the images are of one class, or their scores are all the same.
    """
    odds = torch.logit(probabilities[:, 1].double(), eps=SMALLEST)
    if len(labels.unique()) < 2 or len(odds.unique()) < 2:
        return 0.5
    if positive is not None:
        return _sensitive_threshold(odds if positive else -odds, labels == positive, sensitivity, bool(positive))
    order = odds.argsort()
    odds, truth = odds[order], labels[order]
    # Between image i and i + 1: those up to i are taken for the first class.
    kept_first = (truth == 0).cumsum(0) / (truth == 0).sum()
    kept_second = 1 - (truth == 1).cumsum(0) / (truth == 1).sum()
    balanced = (kept_first + kept_second)[:-1] / 2
    gaps = odds[1:] - odds[:-1]
    best = torch.isclose(balanced, balanced[gaps > 0].max()) & (gaps > 0)
    place = int(torch.where(best, gaps, -1).argmax())
    return float(torch.sigmoid((odds[place] + odds[place + 1]) / 2))


def _sensitive_threshold(odds: Tensor, found: Tensor, sensitivity: float, second: bool) -> float:
    """As above, of the log-odds (n,) of the class to find and its images `found` (n,)."""
    own = odds[found].sort().values
    missed = math.floor((1 - sensitivity) * len(own) + 1e-9)
    strictest = own[missed]
    below = odds[odds < strictest]
    threshold = (strictest + below.max()) / 2 if len(below) else strictest - 1
    return float(torch.sigmoid(threshold if second else -threshold))


def at_threshold(probabilities: Tensor, threshold: float) -> Tensor:
    """Probabilities (n, 2) whose log-odds are shifted so that `threshold` becomes one half."""
    odds = torch.logit(probabilities[:, 1].double(), eps=SMALLEST) - math.log(threshold / (1 - threshold))
    return torch.stack([torch.sigmoid(-odds), torch.sigmoid(odds)], dim=-1)

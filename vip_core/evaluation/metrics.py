"""Figures of a classifier with 95 % intervals, and the temperature that calibrates it."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import binomtest
from torch import Tensor
from torch.nn import functional as F

RESAMPLES = 1000
SMALLEST = 1e-12  # probability that has log-odds of its own
BLOCKS = 10  # that these are worked out in: the memory of all at once is not needed


@dataclass(frozen=True)
class Figures:
    """Figures over n images. auroc: macro over one-vs-rest where there are more than two classes; None of one class.

    recall: the share of each class's images found; for a disease against normal these are sensitivity and specificity.
    confusion: (C, C) counts, a row a true class.

    intervals: 95 %. Of accuracy and recall, which are shares of images, the exact ones (Clopper and Pearson, Biometrika
    1934). Of the others, percentile bootstrap over images within each class; None where all resamples agree, as those
    of a perfect ranking do, since an interval of no width would be no news of the patients to come.
    """

    n: int
    classes: tuple[str, ...]
    accuracy: float
    balanced_accuracy: float
    f1_macro: float
    auroc: float | None
    ece: float
    recall: dict[str, float]
    confusion: list[list[int]]
    intervals: dict[str, tuple[float, float] | None]
    resamples: int
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def figures(probabilities: Tensor, labels: Tensor, classes: tuple[str, ...], seed: int = 0) -> Figures:
    """Measure predictions.

    Args:
        probabilities: (n, C), rows sum to 1.
        labels: (n,) indices into `classes`.
        classes: C names.
        seed: of the bootstrap.
    """
    scores, truth = probabilities.double().numpy(), labels.numpy()
    rng = np.random.default_rng(seed)
    groups = [np.flatnonzero(truth == c) for c in range(len(classes)) if (truth == c).any()]
    weights = np.empty((RESAMPLES, len(truth)))
    for row in weights:
        # Within each class, so that no resample lacks one and the AUROC is always defined.
        chosen = np.concatenate([rng.choice(group, len(group)) for group in groups])
        row[:] = np.bincount(chosen, minlength=len(truth))
    blocks = [_values(scores, truth, block, classes) for block in np.array_split(weights, BLOCKS)]
    values = {
        name: float(value[0]) for name, value in _values(scores, truth, np.ones((1, len(truth))), classes).items()
    }
    intervals: dict[str, tuple[float, float] | None] = {}
    for name, value in values.items():
        low, high = np.percentile(np.concatenate([block[name] for block in blocks]), [2.5, 97.5])
        intervals[name] = None if np.isnan(value) or low == high else (float(low), float(high))
    confusion = _confusion(scores, truth, np.ones((1, len(truth))))[0].astype(int)
    intervals["accuracy"] = share_interval(int(np.trace(confusion)), len(truth))
    for row, name in enumerate(classes):
        if f"recall of {name}" in intervals:
            intervals[f"recall of {name}"] = share_interval(int(confusion[row, row]), int(confusion[row].sum()))
    return Figures(
        n=len(truth),
        classes=classes,
        accuracy=values["accuracy"],
        balanced_accuracy=values["balanced_accuracy"],
        f1_macro=values["f1_macro"],
        auroc=None if np.isnan(values["auroc"]) else values["auroc"],
        ece=expected_calibration_error(scores, truth),
        recall={name: values[f"recall of {name}"] for name in classes if f"recall of {name}" in values},
        confusion=confusion.tolist(),
        intervals=intervals,
        resamples=RESAMPLES,
        seed=seed,
    )


def share_interval(hits: int, of: int) -> tuple[float, float]:
    """The exact 95 % interval of a share of independent images (Clopper and Pearson, Biometrika 1934)."""
    interval = binomtest(hits, of).proportion_ci(0.95, method="exact")
    return float(interval.low), float(interval.high)


def _confusion(scores: NDArray, truth: NDArray, weights: NDArray) -> NDArray:
    """Counts (R, C, C), a row a true class, of images that stand `weights` (R, n) times."""
    size = scores.shape[1]
    cells = np.zeros((len(truth), size * size))
    cells[np.arange(len(truth)), truth * size + scores.argmax(1)] = 1
    return (weights @ cells).reshape(-1, size, size)


def _values(scores: NDArray, truth: NDArray, weights: NDArray, classes: tuple[str, ...]) -> dict[str, NDArray]:
    """Figures (R,) of images that stand `weights` (R, n) times each, for R such weightings at once."""
    confusion = _confusion(scores, truth, weights)
    hits, actual, predicted = np.einsum("rcc->rc", confusion), confusion.sum(2), confusion.sum(1)  # (R, C)
    present = np.flatnonzero(actual[0])
    recall = hits[:, present] / actual[:, present]
    f1, met = 2 * hits / np.maximum(actual + predicted, 1), actual + predicted > 0  # a class that never occurs has none
    values = {
        "accuracy": hits.sum(1) / actual.sum(1),
        "balanced_accuracy": recall.mean(1),
        "f1_macro": f1.sum(1) / met.sum(1),
        "auroc": _auroc(scores, truth, weights, present),
    }
    return values | {f"recall of {classes[c]}": recall[:, i] for i, c in enumerate(present)}


def _auroc(scores: NDArray, truth: NDArray, weights: NDArray, present: NDArray) -> NDArray:
    if len(present) < 2:
        return np.full(len(weights), np.nan)
    columns = [1] if scores.shape[1] == 2 else present
    return np.mean([_ranking(scores[:, c], truth == c, weights) for c in columns], axis=0)


def _ranking(scores: NDArray, positive: NDArray, weights: NDArray) -> NDArray:
    """AUROC (R,): the share of pairs in which the positive image has the higher score, ties half; one sort for all."""
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=-np.inf))  # of each distinct score
    above = np.add.reduceat(weights[:, order] * positive[order], starts, axis=1)
    below = np.add.reduceat(weights[:, order] * ~positive[order], starts, axis=1)
    return (above * (below.cumsum(1) - below / 2)).sum(1) / (above.sum(1) * below.sum(1))


def expected_calibration_error(scores: NDArray, truth: NDArray, bins: int = 15) -> float:
    """Mean gap of confidence and accuracy over bins of equal width (Guo et al., ICML 2017), weighted by their size."""
    confidence, right = scores.max(1), scores.argmax(1) == truth
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(right[which == b].sum() - confidence[which == b].sum()) for b in range(bins)]
    return float(np.sum(gaps) / len(truth))


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature T that minimises the cross-entropy of logits / T (Guo et al., ICML 2017), between .05 and 20.

    Of n images in C classes an image's own class is taken to have probability (n + 1) / (n + C) and each other
    1 / (n + C), as Platt (1999) does for two: where a small split is all right, the plain minimum lies at T = 0.

    Args:
        logits: (n, C) of validation images.
        labels: (n,).
    """
    log_temperature = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_temperature], lr=0.5, max_iter=100, line_search_fn="strong_wolfe")
    logits, (images, classes) = logits.double(), logits.shape

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(logits / log_temperature.exp(), labels, label_smoothing=classes / (images + classes))
        loss.backward()
        return loss

    optimizer.step(closure)
    return float(log_temperature.detach().exp().clamp(0.05, 20))


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

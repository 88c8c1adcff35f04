"""Figures of a classifier with 95 % bootstrap intervals, and the temperature that calibrates it."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torch.nn import functional as F

RESAMPLES = 1000


@dataclass(frozen=True)
class Figures:
    """Figures over n images. auroc: macro over one-vs-rest where there are more than two classes; None of one class.

    recall: the share of each class's images found; for a disease against normal these are sensitivity and specificity.
    confusion: (C, C) counts, a row a true class. intervals: 95 %, percentile bootstrap over images within each class.
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
    samples = []
    for _ in range(RESAMPLES):
        # Within each class, so that no resample lacks one and the AUROC is always defined.
        chosen = np.concatenate([rng.choice(group, len(group)) for group in groups])
        samples.append(_values(scores, truth, np.bincount(chosen, minlength=len(truth)), classes))
    values = _values(scores, truth, np.ones(len(truth)), classes)
    intervals: dict[str, tuple[float, float] | None] = {}
    for name, value in values.items():
        low, high = np.percentile([sample[name] for sample in samples], [2.5, 97.5])
        intervals[name] = None if np.isnan(value) else (float(low), float(high))
    return Figures(
        n=len(truth),
        classes=classes,
        accuracy=values["accuracy"],
        balanced_accuracy=values["balanced_accuracy"],
        f1_macro=values["f1_macro"],
        auroc=None if np.isnan(values["auroc"]) else values["auroc"],
        ece=expected_calibration_error(scores, truth),
        recall={name: values[f"recall of {name}"] for name in classes if f"recall of {name}" in values},
        confusion=_confusion(scores, truth, np.ones(len(truth))).astype(int).tolist(),
        intervals=intervals,
        resamples=RESAMPLES,
        seed=seed,
    )


def _confusion(scores: NDArray, truth: NDArray, weights: NDArray) -> NDArray:
    size = scores.shape[1]
    return np.bincount(truth * size + scores.argmax(1), weights, size * size).reshape(size, size)


def _values(scores: NDArray, truth: NDArray, weights: NDArray, classes: tuple[str, ...]) -> dict[str, float]:
    """Figures of images that stand `weights` times each."""
    confusion = _confusion(scores, truth, weights)  # (C, C), a row a true class
    hits, actual, predicted = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    present = np.flatnonzero(actual)
    recall = hits[present] / actual[present]
    f1 = 2 * hits / np.maximum(actual + predicted, 1)
    values = {
        "accuracy": hits.sum() / actual.sum(),
        "balanced_accuracy": recall.mean(),
        "f1_macro": f1.mean(),
        "auroc": _auroc(scores, truth, weights, present),
    }
    values |= {f"recall of {classes[c]}": value for c, value in zip(present, recall, strict=True)}
    return {name: float(value) for name, value in values.items()}


def _auroc(scores: NDArray, truth: NDArray, weights: NDArray, present: NDArray) -> float:
    if len(present) < 2:
        return float("nan")
    if scores.shape[1] == 2:
        return roc_auc_score(truth == 1, scores[:, 1], sample_weight=weights)
    return float(np.mean([roc_auc_score(truth == c, scores[:, c], sample_weight=weights) for c in present]))


def expected_calibration_error(scores: NDArray, truth: NDArray, bins: int = 15) -> float:
    """Mean gap of confidence and accuracy over bins of equal width (Guo et al., ICML 2017), weighted by their size."""
    confidence, right = scores.max(1), scores.argmax(1) == truth
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(right[which == b].sum() - confidence[which == b].sum()) for b in range(bins)]
    return float(np.sum(gaps) / len(truth))


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature T that minimises the cross-entropy of logits / T (Guo et al., ICML 2017), between .05 and 20.

    Args:
        logits: (n, C) of validation images.
        labels: (n,).
    """
    log_temperature = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_temperature], lr=0.5, max_iter=100, line_search_fn="strong_wolfe")
    logits = logits.double()

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(logits / log_temperature.exp(), labels)
        loss.backward()
        return loss

    optimizer.step(closure)
    return float(log_temperature.detach().exp().clamp(0.05, 20))

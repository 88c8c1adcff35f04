"""Calibration: the expected calibration error, the temperature, and when a validation split is too small for it."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

MIN_PER_CLASS = 10  # validation images that a choice may rest on


def too_small_to_fit(labels: Tensor, classes: Sequence[str]) -> str | None:
    """Why nothing should be fitted on validation images with these labels (n,): a sentence, or None if all is well.

    Epoch, temperature and threshold chosen on a handful of images, or on one class, describe those images alone.
    """
    counts = torch.bincount(labels, minlength=len(classes)).tolist()
    few = [f"{count} of {name!r}" for name, count in zip(classes, counts, strict=True) if count < MIN_PER_CLASS]
    if not few:
        return None
    return (
        f"The validation split has only {', '.join(few)}, and {MIN_PER_CLASS} images per class are needed to choose an "
        "epoch, a temperature or a threshold: the last epoch is kept, and the probabilities are not calibrated."
    )


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

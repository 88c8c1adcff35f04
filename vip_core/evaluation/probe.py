"""The probe: a logistic regression on the same image features, with which any training of the prompts is compared."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.nn import functional as F

from vip_core.data.features import FeatureSplit
from vip_core.evaluation.metrics import mean_auroc

STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0)  # sklearn's C: inverse of the L2 penalty, on standardised features


@dataclass(frozen=True)
class Probe:
    """A logistic regression on normalised, standardised image features.

    Attributes:
        strength: sklearn's C, the one of highest AUROC on validation images.
        auroc: by split; of more than two classes, the mean over one-vs-rest. None where a split has one class only.
    """

    strength: float
    auroc: dict[str, float | None]


def fit_probe(train: FeatureSplit, splits: Mapping[str, FeatureSplit]) -> Probe | None:
    """Fit it on training images and measure it.

    Args:
        train: images of the evaluation view.
        splits: the images to measure on; "val" selects the strength.

    Returns:
        The probe, or None if the training images are of one class.
    """
    if len(train.labels.unique()) < 2:
        return None
    mean, std = _normalised(train.features).mean(0), _normalised(train.features).std(0) + 1e-6
    inputs = {name: (_normalised(split.features) - mean) / std for name, split in splits.items()}
    best: Probe | None = None
    for strength in STRENGTHS:
        model = LogisticRegression(C=strength / len(train.labels), max_iter=300)
        model.fit((_normalised(train.features) - mean) / std, train.labels.numpy())
        auroc = {
            name: mean_auroc(_all_classes(model, inputs[name], split), split.labels.numpy())
            for name, split in splits.items()
        }
        if best is None or (auroc["val"] or 0.0) > (best.auroc["val"] or 0.0):
            best = Probe(strength, auroc)
    return best


def _normalised(features: Tensor) -> np.ndarray:
    return F.normalize(features, dim=-1).double().numpy()


def _all_classes(model: LogisticRegression, inputs: np.ndarray, split: FeatureSplit) -> np.ndarray:
    """Probabilities with a column per class, also of classes without training images."""
    count = 1 + max(int(split.labels.max()), int(max(model.classes_)))
    columns = np.zeros((len(inputs), count))
    columns[:, model.classes_] = model.predict_proba(inputs)
    return columns

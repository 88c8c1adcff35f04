"""The images to refer to a person: how many are not referred, and the accuracy on images that are and are not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vip_core.data.dataset import Row
from vip_core.data.features import image_features
from vip_core.evaluation.intervals import Estimate, share
from vip_core.scoring.predictor import Predictor
from vip_core.scoring.uncertainty import VIEWS, measure_uncertainty, smallest_crop


@dataclass(frozen=True)
class Referral:
    """What the rule "refer where a view or a wording predicts another class" does on a split.

    Attributes:
        coverage: the share of images that are not referred.
        accuracy_kept, accuracy_referred: of either part; None where it has no image.
    """

    coverage: Estimate
    accuracy_kept: Estimate | None
    accuracy_referred: Estimate | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {name: None if found is None else found.to_dict() for name, found in vars(self).items()}


def measure_referral(predictor: Predictor, rows: Sequence[Row], views: int = VIEWS) -> Referral:
    """Measure it on the images of a split. Raises DataError or StorageError."""
    features = image_features(
        predictor.backbone, [row.path for row in rows], views, smallest_crop(predictor), "Views", float32=True
    )
    classes = predictor.symptoms.classes
    found = predictor.diagnose_all(features[:, 0])
    right = np.array([classes.index(d.prediction) == row.label for d, row in zip(found, rows, strict=True)])
    kept = np.array([not measure_uncertainty(predictor, one).refer for one in features])
    return referral(right, kept, [row.patient for row in rows])


def referral(right: np.ndarray, kept: np.ndarray, patients: Sequence[str] | None = None) -> Referral:
    """From whether each image (n,) is right, and whether it is kept."""

    def part(chosen: np.ndarray) -> Estimate | None:
        names = None if patients is None else np.asarray(patients)[chosen].tolist()
        return share(right[chosen], names) if chosen.any() else None

    return Referral(share(kept, patients), part(kept), part(~kept))

"""How much a prediction depends on what should not matter: the crop of the image, the wording of the symptoms."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor

from vip_core.data.features import encode_stream
from vip_core.data.views import draw_views
from vip_core.errors import ImageError, PromptTooLong
from vip_core.scoring.predictor import Predictor
from vip_core.symptoms import SymptomSet

VIEWS = 8
CROP = 0.6  # smallest share of an image in a view, where the card has none
_DRAWING = Lock()  # the random state that views come from is the process's
WORDINGS = ("there is {}", "{} can be seen", "the image shows {}")


@dataclass(frozen=True)
class Uncertainty:
    """The probability of the predicted class under small changes.

    Attributes:
        views, wordings: how many of each.
        low, high: the lowest and highest probability of the predicted class.
        spread_of_views, spread_of_wordings: standard deviations of that probability.
        refer: true where one of them predicts another class, so that a person should look.
    """

    views: int
    wordings: int
    low: float
    high: float
    spread_of_views: float
    spread_of_wordings: float
    refer: bool

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return dict(vars(self))


def reworded(symptoms: SymptomSet) -> list[SymptomSet]:
    """The symptoms in other words, every line in the same way."""
    return [
        replace(symptoms, symptoms=tuple(tuple(form.format(line) for line in own) for own in symptoms.symptoms))
        for form in WORDINGS
    ]


def measure_uncertainty(predictor: Predictor, features: Tensor, symptoms: SymptomSet | None = None) -> Uncertainty:
    """Measure it for one image. A wording that would be too long for the text tower is left out.

    Args:
        predictor: of a trained model.
        features: (1 + V, D) of the image: the evaluation view, then random views.
        symptoms: the model's own by default.
    """
    symptoms = predictor.resolve(symptoms)
    own, *views = predictor.diagnose_all(features, symptoms)
    wordings = []
    for other in reworded(symptoms):
        try:
            wordings.append(predictor.diagnose(features[0], other))
        except PromptTooLong:
            continue
    name = own.prediction
    seen = [[found.probabilities[name] for found in group] for group in ([own, *views], [own, *wordings])]
    values = seen[0] + seen[1]
    return Uncertainty(
        views=len(views),
        wordings=len(wordings),
        low=min(values),
        high=max(values),
        spread_of_views=_deviation(seen[0]),
        spread_of_wordings=_deviation(seen[1]),
        refer=any(found.prediction != name for found in (*views, *wordings)),
    )


def _deviation(values: Sequence[float]) -> float:
    return float(torch.tensor(values, dtype=torch.float64).std(correction=0))


def smallest_crop(predictor: Predictor) -> float:
    """The smallest share of an image in a view: as in training, but at least 0.6, which keeps most of what is seen."""
    card = predictor.vip.card
    return max(CROP, float(card.training.get("crop", CROP))) if card is not None else CROP


def encode_views(predictor: Predictor, path: Path, views: int = VIEWS) -> Tensor:
    """Features (1 + V, D) of an image file, whose random views depend on its name alone. Raises ImageError."""
    stream = encode_stream(predictor.backbone, [path], views, [path.name], crop=smallest_crop(predictor), float32=True)
    found = next(iter(stream))
    if isinstance(found, ImageError):
        raise found
    return found


@torch.inference_mode()
def encode_image_views(predictor: Predictor, image: Image, name: str, views: int = VIEWS) -> Tensor:
    """The same of an image that was read already; `name` is that of its file. Threads may share the predictor."""
    backbone = predictor.backbone
    with _DRAWING:
        pixels = draw_views(image, name, backbone.preprocess, backbone.train_transform(smallest_crop(predictor)), views)
    return backbone.encode_images(pixels.to(backbone.device)).cpu()

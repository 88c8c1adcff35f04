"""The configuration of a run: the paper's values, and what differs from them per backbone."""

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TrainConfig:
    """The whole configuration of a run; the values of the paper where it has them."""

    data: str
    root: str
    symptoms: str
    backbone: str = "vip-mini"
    pretrained: str | None = None
    seed: int = 1
    epochs: int = 50
    batch_size: int = 32
    rate: float = 2e-3  # peak; reached in epoch 1
    warmup_rate: float = 1e-5  # epoch 0 runs at this
    momentum: float = 0.9
    weight_decay: float = 5e-4
    context_length: int = 4
    class_context: bool = False
    views: int = 8  # random views an image, encoded once; 0: encoded afresh every epoch, as the paper does
    crop: float = 0.08  # smallest share of an image in a random view
    shots: int | None = None  # images a class to train on; None: all
    positive: str | None = None  # of two classes the one to find; it decides how the threshold is chosen
    sensitivity: float = 0.95  # share of its validation images that the threshold is to find


# What differs from the values above by backbone. For the two large ones it is the paper's. vip-mini is a small tower
# tuned on whole images: crops down to 8 % take its features far from what it sees later (docs/vip-mini.md).
BACKBONE_DEFAULTS: dict[str, dict[str, Any]] = {
    "vip-mini": {"crop": 0.6},
    "ViT-L-14-336": {"batch_size": 16},
    "ViT-L-14-336-quickgelu": {"batch_size": 16},
    "RN50x64": {"batch_size": 8, "rate": 1e-3},
    "RN50x64-quickgelu": {"batch_size": 8, "rate": 1e-3},
}


def rate_at(epoch: int, config: TrainConfig) -> float:
    """Learning rate of an epoch: the warm-up rate in epoch 0, then a cosine over `epochs` that starts at its peak."""
    if epoch == 0:
        return config.warmup_rate
    return 0.5 * config.rate * (1 + math.cos(math.pi * (epoch - 1) / config.epochs))

"""The configuration of a run: the paper's values, and what differs from them by backbone. Imports no torch."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vip_core.errors import UsageError
from vip_core.utils.paths import PROJECT

BY_BACKBONE: Any = None  # stands for the value of BACKBONE_DEFAULTS, or of the paper
BY_DATA: Any = None  # stands for the symptom file that the project has for the data set

SHIPPED_SYMPTOMS = {"pneumonia": "pneumonia.json", "isic2017": "melanoma.json", "derm7pt": "melanoma.json"}

PAPER = {"batch_size": 32, "rate": 2e-3, "crop": 0.08}
# What differs from the paper's values by backbone. For the two large ones the difference is the paper's own. vip-mini
# is a small tower tuned on whole images: crops down to 8 % move its features far from what it sees later
# (docs/vip-mini.md).
BACKBONE_DEFAULTS: dict[str, dict[str, Any]] = {
    "vip-mini": {"crop": 0.6},
    "ViT-L-14-336": {"batch_size": 16},
    "ViT-L-14-336-quickgelu": {"batch_size": 16},
    "RN50x64": {"batch_size": 8, "rate": 1e-3},
    "RN50x64-quickgelu": {"batch_size": 8, "rate": 1e-3},
}


@dataclass(frozen=True)
class TrainConfig:
    """The whole configuration of a run; the paper's values where it has them.

    What is left out takes the backbone's or the data set's own value, and paths of a local backbone become absolute,
    so that the checkpoint finds it from any folder.

    Raises:
        UsageError: if a value is out of range, or `symptoms` is missing for data of one's own.
    """

    data: str
    root: str
    symptoms: str = BY_DATA
    backbone: str = "vip-mini"
    pretrained: str | None = None
    seed: int = 1
    epochs: int = 50
    batch_size: int = BY_BACKBONE
    rate: float = BY_BACKBONE  # peak; reached in epoch 1
    warmup_rate: float = 1e-5  # epoch 0 runs at this
    momentum: float = 0.9
    weight_decay: float = 5e-4
    context_length: int = 4
    class_context: bool = False
    views: int = 8  # random views per image, encoded once; 0: encoded afresh every epoch, as the paper does
    crop: float = BY_BACKBONE  # smallest share of an image in a random view
    shots: int | None = None  # images per class to train on; None: all
    positive: str | None = None  # of two classes the one to find; it decides how the threshold is chosen
    sensitivity: float = 0.95  # share of its validation images that the threshold is to find

    def __post_init__(self) -> None:
        values: dict[str, Any] = {"backbone": _resolved(self.backbone)}
        if self.pretrained and Path(self.pretrained).is_file():
            values["pretrained"] = str(Path(self.pretrained).resolve())
        for name, value in {**PAPER, **BACKBONE_DEFAULTS.get(values["backbone"], {})}.items():
            if getattr(self, name) is None:
                values[name] = value
        if self.symptoms is None:
            if self.data not in SHIPPED_SYMPTOMS:
                raise UsageError(f"--data {self.data} needs --symptoms with a JSON file of its classes.")
            values["symptoms"] = str(PROJECT / "assets" / "symptoms" / SHIPPED_SYMPTOMS[self.data])
        for name, value in values.items():
            object.__setattr__(self, name, value)  # the data class is frozen
        for name in ("epochs", "batch_size", "context_length"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be at least 1.")

    @property
    def default_out(self) -> Path:
        """runs/DATA-BACKBONE-seedN in the current folder."""
        local = self.backbone.removeprefix("local-dir:")
        name = Path(local).name if local != self.backbone else self.backbone.replace("/", "-")
        return Path("runs") / f"{self.data}-{name}-seed{self.seed}"


def rate_at(epoch: int, config: TrainConfig) -> float:
    """Learning rate of an epoch: the warm-up rate in epoch 0, then a cosine over `epochs` that starts at its peak."""
    if epoch == 0:
        return config.warmup_rate
    return 0.5 * config.rate * (1 + math.cos(math.pi * (epoch - 1) / config.epochs))


def _resolved(backbone: str) -> str:
    """A name by which the backbone is found from any folder; an open_clip name as BACKBONE_DEFAULTS has it."""
    if backbone.startswith("local-dir:"):
        return f"local-dir:{Path(backbone.removeprefix('local-dir:')).resolve()}"
    return backbone if backbone.startswith("hf-hub:") else backbone.replace("/", "-")

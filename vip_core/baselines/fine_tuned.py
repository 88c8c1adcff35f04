"""The image tower fine-tuned whole on the labels, without any text."""

import copy
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from vip_core.models.backbone import Backbone
from vip_core.models.learner import PromptLearner
from vip_core.symptoms import SymptomSet

BATCH = 64  # images per pass when nothing is trained


class FineTunedTower(PromptLearner):
    """logits = f(pixels) W^T + b; all weights of f, W and b are trained, statistics of normalisation included.

    Args:
        backbone: whose preprocessing and device are used; it stays as it is.
        symptoms: of which the classes are used.
        tower: maps pixels to features (B, D); None: a copy of the backbone's image tower.
    """

    reads_pixels: ClassVar[bool] = True

    def __init__(self, backbone: Backbone, symptoms: SymptomSet, tower: nn.Module | None = None):
        super().__init__(backbone, symptoms)
        self.tower: Any = copy.deepcopy(backbone.clip.visual) if tower is None else tower
        self.tower.requires_grad_(True).to(memory_format=torch.channels_last)  # twice as fast a step on a CPU
        self.head = nn.Linear(backbone.embed_dim, len(symptoms.classes))
        self.to(backbone.device)

    @classmethod
    def from_imagenet(cls, backbone: Backbone, symptoms: SymptomSet) -> "FineTunedTower":
        """From ImageNet weights in vip-mini's architecture. Raises DataError if their package is not installed."""
        from vip_core.pretraining.architecture import new_vip_mini  # brings the weights' package

        return cls(backbone, symptoms, new_vip_mini(seed=1).clip.visual)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, C) of pixels (B, 3, H, W)."""
        parts = [images] if self.training else images.split(BATCH)
        pixels = (part.to(self.head.weight.device, memory_format=torch.channels_last) for part in parts)
        return torch.cat([self.head(self.tower(part)) for part in pixels])

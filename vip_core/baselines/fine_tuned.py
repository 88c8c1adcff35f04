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
        backbone: whose preprocessing, device and image tower are used; it stays as it is, since the tower is copied.
        symptoms: of which the classes are used.
    """

    reads_pixels: ClassVar[bool] = True

    def __init__(self, backbone: Backbone, symptoms: SymptomSet):
        super().__init__(backbone, symptoms)
        self.tower: Any = copy.deepcopy(backbone.clip.visual)
        self.tower.requires_grad_(True).to(memory_format=torch.channels_last)  # twice as fast a step on a CPU
        self.head = nn.Linear(backbone.embed_dim, len(symptoms.classes))
        self.to(backbone.device)

    @classmethod
    def from_imagenet(cls, backbone: Backbone, symptoms: SymptomSet) -> "FineTunedTower":
        """From ImageNet weights in vip-mini's architecture, with its preprocessing; of `backbone` the device is used.

        Raises DataError if the weights' package is not installed.
        """
        from vip_core.pretraining.architecture import new_vip_mini  # brings the weights' package

        return cls(new_vip_mini(seed=1).to(backbone.device), symptoms)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, C) of pixels (B, 3, H, W)."""
        parts = [images] if self.training else images.split(BATCH)
        pixels = (part.to(self.head.weight.device, memory_format=torch.channels_last) for part in parts)
        return torch.cat([self.head(self.tower(part)) for part in pixels])

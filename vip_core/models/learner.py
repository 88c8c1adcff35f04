"""The common base of all prompt-learning methods: a small trainable part over a frozen backbone."""

from collections.abc import Callable
from typing import ClassVar, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from vip_core.models.backbone import Backbone
from vip_core.symptoms import SymptomSet

T = TypeVar("T", bound="PromptLearner")


class PromptLearner(nn.Module):
    """Logits of images from a trainable part over a frozen backbone; ViP and every baseline are one.

    The backbone is not a submodule: parameters and state are those of the trainable part alone. It follows that part to
    another device, and is copied and pickled with it.

    A subclass defines `forward`, and what differs of the rest. A run calls `prepare`, trains by `loss` where there is
    something to train, and calls `finish`; none of them sees test images.

    Args:
        backbone: the frozen CLIP.
        symptoms: the classes in order, and the symptoms of the methods that use them.

    Attributes:
        fast_training: in training mode, run the frozen text tower in bfloat16; the trainable part stays in float32.
        class_weights: (C,) weights of the classes in the loss, or None for equal weights.
        reads_pixels: `forward` takes pixels (B, 3, H, W) instead of image features (B, D), since the image tower
            changes, and features cannot be cached.
    """

    reads_pixels: ClassVar[bool] = False

    def __init__(self, backbone: Backbone, symptoms: SymptomSet):
        super().__init__()
        self._frozen = (backbone,)  # in a tuple, which nn.Module does not search for parameters
        self.symptoms = symptoms
        self.fast_training = False
        self.class_weights: Tensor | None = None

    @property
    def backbone(self) -> Backbone:
        """The frozen CLIP."""
        return self._frozen[0]

    @property
    def scale(self) -> Tensor:
        """exp(logit_scale), by which CLIP multiplies a cosine."""
        return self.backbone.logit_scale.exp()

    @property
    def parameter_count(self) -> int:
        """The number of trainable values."""
        return sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)

    def _apply(self: T, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> T:
        self.backbone._apply(fn, recurse)  # .to(device) moves the backbone along
        return super()._apply(fn, recurse)

    def encode_prompts(self, texts: list[str], context: Tensor | None = None) -> Tensor:
        """Features (n, D) of n texts, as `Backbone.encode_prompts` gives them, in training as `fast_training` says."""
        return self.backbone.encode_prompts(texts, context, autocast=self.training and self.fast_training)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, C) of image features (B, D), not normalised, or of pixels."""
        raise NotImplementedError

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """What training minimises, for a batch with labels (B,)."""
        return self.criterion(self(images), labels)

    def criterion(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss of logits (B, C): cross-entropy, with the class weights if set."""
        weights = None if self.class_weights is None else self.class_weights.to(labels.device)
        return F.cross_entropy(logits, labels, weights)

    def make_optimizer(self, rate: float, momentum: float, weight_decay: float) -> Optimizer:
        """SGD, as in the public code of CoOp and of the methods after it."""
        return torch.optim.SGD(self.parameters(), rate, momentum=momentum, weight_decay=weight_decay)

    def prepare(self, features: Tensor, labels: Tensor) -> None:
        """Look at the training images before training: features (n, V, D) of V views each, labels (n,)."""

    def finish(self, features: Tensor, labels: Tensor) -> None:
        """Choose what is chosen on validation images after training: features (n, D), labels (n,)."""

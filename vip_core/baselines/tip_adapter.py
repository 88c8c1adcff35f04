"""Tip-Adapter and Tip-Adapter-F: a cache of training features beside the zero-shot classifier (Zhang, ECCV 2022)."""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from vip_core.baselines.text import class_names, template_ensemble, template_features
from vip_core.models.backbone import Backbone
from vip_core.models.learner import PromptLearner
from vip_core.symptoms import SymptomSet

REFERENCE_SHOTS = 16  # per class; the published ranges of alpha are for so many
ALPHAS = torch.linspace(0, 50, 101)  # with 0, which is the zero-shot classifier
BETAS = torch.linspace(0.1, 20, 100)


class TipAdapter(PromptLearner):
    """logits = s * x w^T + alpha * exp(-beta (1 - x F^T)) L, with a key in F (n, D) for each training image.

    A key is the mean of an image's random views, normalised. Values L (n, C) are one-hot. Published for few shots;
    where a class has more than 16 images, its values are scaled by 16 / n_c, so that the cache is the class mean times
    16: otherwise the sum over thousands of images would leave the range of alpha, and the frequent class would win.
    alpha and beta are chosen by validation accuracy, the smallest alpha and then beta of the best.
    """

    trains_keys: ClassVar[bool] = False

    text: Tensor
    values: Tensor

    def __init__(self, backbone: Backbone, symptoms: SymptomSet):
        super().__init__(backbone, symptoms)
        text = template_features(backbone, class_names(symptoms), template_ensemble(symptoms))
        self.register_buffer("text", text)  # (C, D)
        self.keys = nn.Parameter(torch.empty(0, backbone.embed_dim), requires_grad=self.trains_keys)
        self.register_buffer("values", torch.empty(0, len(symptoms.classes)))
        self.alpha, self.beta = 1.0, 1.0

    def prepare(self, features: Tensor, labels: Tensor) -> None:
        """Fill the cache with the training images."""
        views = features[:, 1:] if features.shape[1] > 1 else features
        keys = F.normalize(F.normalize(views, dim=-1).mean(1), dim=-1)
        one_hot = F.one_hot(labels, len(self.symptoms.classes)).float()
        weight = (REFERENCE_SHOTS / one_hot.sum(0).clamp(min=1)).clamp(max=1.0)  # (C,)
        self.keys = nn.Parameter(keys.to(self.text.device), requires_grad=self.trains_keys)
        self.values = (one_hot * weight).to(self.text.device)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, C) of image features (B, D)."""
        x = F.normalize(images, dim=-1)
        affinity = torch.exp(-self.beta * (1 - x @ self.keys.T))  # (B, n)
        return self.scale * x @ self.text.T + self.alpha * affinity @ self.values

    @torch.inference_mode()
    def finish(self, features: Tensor, labels: Tensor) -> None:
        """Choose alpha and beta on validation images."""
        x = F.normalize(features, dim=-1).to(self.text.device)
        zero_shot, similarity = self.scale * x @ self.text.T, x @ self.keys.T
        best = -1.0
        for beta in BETAS.tolist():
            cache = torch.exp(-beta * (1 - similarity)) @ self.values  # (n, C)
            for alpha in ALPHAS.tolist():
                right = ((zero_shot + alpha * cache).argmax(-1).cpu() == labels).float().mean().item()
                if (right, -alpha, -beta) > (best, -self.alpha, -self.beta):
                    best, self.alpha, self.beta = right, alpha, beta


class TipAdapterF(TipAdapter):
    """Tip-Adapter whose keys are trained, and not normalised again; AdamW, alpha = beta = 1 until they are chosen."""

    trains_keys: ClassVar[bool] = True

    def make_optimizer(self, rate: float, momentum: float, weight_decay: float) -> Optimizer:
        """AdamW with the public code's eps of 1e-4 and torch's weight decay."""
        return torch.optim.AdamW([self.keys], rate, eps=1e-4)

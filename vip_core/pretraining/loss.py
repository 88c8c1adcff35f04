"""The alignment loss over images for which a sentence is true and images for which it is false."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Of images of the other modality, relative to those of a sentence's own: that a mole shows no opacity is easy.
CROSS_MODALITY_WEIGHT = 0.1


class SentenceLoss(nn.Module):
    """Sigmoid loss over all sentences that are decided for an image (after Zhai et al., SigLIP, ICCV 2023).

    The right and the wrong images of a sentence weigh alike, however many there are of each, and so do all sentences.
    Where a finding decides a sentence, wrong images of the other kind weigh a tenth of those of its own kind, or they
    would drown them.

    Args:
        decided: (N, S) of all training images and sentences: 1 right, -1 wrong, 0 undecided.
        own: (N, S) True where the sentence is about the image's kind.
    """

    sign: Tensor
    weight: Tensor

    def __init__(self, decided: Tensor, own: Tensor):
        super().__init__()
        right, wrong, across = decided == 1, (decided == -1) & own, (decided == -1) & ~own
        weight = _alike(right) + _alike(wrong) + _alike(across) * torch.where(wrong.any(0), CROSS_MODALITY_WEIGHT, 1.0)
        self.register_buffer("sign", decided, persistent=False)  # large, and made anew from data
        self.register_buffer("weight", weight, persistent=False)
        self.scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.bias = nn.Parameter(torch.tensor(-2.0))

    def forward(self, images: Tensor, text: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """The loss of images `rows` (B,) with features (B, D) and sentences `columns` (K,) with features (K, D)."""
        logits = self.scale.exp() * F.normalize(images, dim=-1) @ F.normalize(text, dim=-1).T + self.bias  # (B, K)
        sign, weight = self.sign[rows][:, columns].float(), self.weight[rows][:, columns]
        return (weight * F.softplus(-sign * logits)).sum() / weight.sum().clamp(min=1e-6)


def _alike(mask: Tensor) -> Tensor:
    """Weights of the True ones that sum to half the number of rows in each column."""
    return mask.float() * (len(mask) / (2.0 * mask.sum(0).clamp(min=1)))

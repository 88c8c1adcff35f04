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
    So do, on either side, the sets of images that are on it: nothing is gained by telling the sets apart. Where a
    finding decides a sentence, wrong images of other kinds weigh a tenth of those of its own kind, or they would drown
    them.

    Args:
        decided: (P, S) for all sentences and profiles, which are groups of images of which the same is known: 1 right,
            -1 wrong, 0 undecided.
        own: (P, S) True where the sentence is about the images' kind.
        profile: (N,) the profile of each image; by default each has its own.
        source: (P,) the number of the set of each profile's images; by default all are of one.
        mass: (N,) how often each image is drawn, relative to the others; by default all are drawn alike.
    """

    sign: Tensor
    weight: Tensor

    profile: Tensor

    def __init__(
        self,
        decided: Tensor,
        own: Tensor,
        profile: Tensor | None = None,
        source: Tensor | None = None,
        mass: Tensor | None = None,
    ):
        super().__init__()
        profile = torch.arange(len(decided)) if profile is None else profile
        source = torch.zeros(len(decided), dtype=torch.long) if source is None else source
        mass = torch.ones(len(profile)) if mass is None else mass
        total = torch.zeros(len(decided)).index_add_(0, profile, mass.float())  # (P,)
        right, wrong, across = decided == 1, (decided == -1) & own, (decided == -1) & ~own
        weight = sum(_alike(mask, source, total) for mask in (right, wrong))
        weight += _alike(across, source, total) * torch.where(wrong.any(0), CROSS_MODALITY_WEIGHT, 1.0)
        self.register_buffer("sign", decided, persistent=False)  # large, and made anew from data
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("profile", profile, persistent=False)
        self.scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.bias = nn.Parameter(torch.tensor(-2.0))

    def forward(self, images: Tensor, text: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """The loss of images `rows` (B,) with features (B, D) and sentences `columns` (K,) with features (K, D)."""
        logits = self.scale.exp() * F.normalize(images, dim=-1) @ F.normalize(text, dim=-1).T + self.bias  # (B, K)
        profile = self.profile[rows]
        sign, weight = self.sign[profile][:, columns].float(), self.weight[profile][:, columns]
        return (weight * F.softplus(-sign * logits)).sum() / weight.sum().clamp(min=1e-6)


def _alike(mask: Tensor, source: Tensor, total: Tensor) -> Tensor:
    """Weights (P, S) of the True ones, by which each set of images on a sentence's side has the same share of a half.

    The weights of all images of a column, which are `total` (P,) of each profile, sum to half of all images.
    """
    images = torch.zeros(int(source.max()) + 1, mask.shape[1])
    images.index_add_(0, source, mask.float() * total[:, None])  # of each set and sentence
    sets = (images > 0).sum(0).clamp(min=1)
    return mask.float() * float(total.sum()) / (2.0 * sets * images[source].clamp(min=1e-9))

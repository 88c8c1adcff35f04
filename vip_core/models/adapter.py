"""The image adapter: a low-rank correction of the image feature, which `vip-adapter` adds to the paper's method."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ImageAdapter(nn.Module):
    """Moves a normalised image feature x by a low-rank function of what sets the image apart from the others.

        z  = (x - mu) / d               mu: mean of the training images' x; d: their mean distance from it
        x' = (x + U V z) / |x + U V z|

    Images of one kind have features that are close together, so what distinguishes two of them is in x - mu. U is zero
    at the start: the model begins as it would be without the adapter. Text never passes through it, so a class can gain
    only through what its symptoms mean.

    Args:
        dimension: D.
        rank: r, the number of directions that x can move in.
    """

    mean: Tensor
    distance: Tensor

    def __init__(self, dimension: int, rank: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(dimension))  # mu (D,)
        self.register_buffer("distance", torch.ones(()))  # d
        self.down = nn.Parameter(torch.randn(rank, dimension) / dimension**0.5)  # V (r, D)
        self.up = nn.Parameter(torch.zeros(dimension, rank))  # U (D, r)

    @torch.no_grad()
    def centre(self, image_features: Tensor) -> None:
        """Take mu and d from the training images' features (n, D), which are normalised here."""
        image = F.normalize(image_features, dim=-1).to(self.mean.device)
        self.mean.copy_(image.mean(0))
        self.distance.copy_((image - self.mean).norm(dim=-1).mean().clamp(min=1e-6))

    def forward(self, image: Tensor) -> Tensor:
        """Adapted features x' (B, D), normalised, of normalised image features (B, D)."""
        return F.normalize(self._moved(image), dim=-1)

    def cells(self, cells: Tensor) -> Tensor:
        """Cells (h, w, D) whose mean is x', given cells c_i whose mean is the image feature f, not normalised.

        Each is x' and the change of x' that cell i makes, to first order: with x = f / |f|, m = x + U V z and A its
        derivative, c'_i = x' + (I - x' x'^T) A (I - x x^T) c_i / (|f| |m|). The two projections are the derivatives of
        the norms. They take away what all cells have in common, which moves no similarity.
        """
        feature = cells.mean((0, 1))
        image = F.normalize(feature, dim=-1)
        moved = self._moved(image)
        adapted = F.normalize(moved, dim=-1)
        changes = _without(cells, image)
        changes = changes + (changes / self.distance) @ self.down.T @ self.up.T
        return adapted + _without(changes, adapted) / (feature.norm() * moved.norm())

    def _moved(self, image: Tensor) -> Tensor:
        z = (image - self.mean) / self.distance
        return image + z @ self.down.T @ self.up.T


def _without(vectors: Tensor, direction: Tensor) -> Tensor:
    """Vectors (..., D) less their part along a unit vector (D,)."""
    return vectors - (vectors @ direction)[..., None] * direction

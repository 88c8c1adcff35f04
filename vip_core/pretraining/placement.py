"""Where a sentence's evidence is: its share inside the part of the image in which the finding can be.

A tower may rank images by a shoulder, a tag or a corner. The share of the positive evidence that falls inside a central
region, without a reader's annotation, is a crude measure of that, and the region's own share of the image is what
evidence spread evenly would have.
"""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

FINE = 64  # points per cell and direction, by which a cell that the border of a region crosses is divided

Region = Callable[[Tensor, Tensor], Tensor]


def central_box(x: Tensor, y: Tensor, width: float = 0.70, height: float = 0.75) -> Tensor:
    """Whether points, 0 to 1 from left to right and from top to bottom, are in a central box: of the lung fields."""
    return ((x - 0.5).abs() <= width / 2) & ((y - 0.5).abs() <= height / 2)


def central_ellipse(x: Tensor, y: Tensor, width: float = 0.8, height: float = 0.8) -> Tensor:
    """Whether such points are in a central ellipse: of a lesion or a cell in the middle."""
    return ((x - 0.5) / (width / 2)) ** 2 + ((y - 0.5) / (height / 2)) ** 2 <= 1


@cache
def cell_weights(region: Region, rows: int, columns: int) -> Tensor:
    """The share (rows, columns) of each cell of an image that is in a region, 0 to 1."""
    x = (torch.arange(columns * FINE) + 0.5) / (columns * FINE)
    y = (torch.arange(rows * FINE) + 0.5) / (rows * FINE)
    inside = region(x[None, :], y[:, None]).float()
    return inside.view(rows, FINE, columns, FINE).mean((1, 3))


def share_inside(evidence: Tensor, region: Region) -> Tensor:
    """The share (...,) of the positive evidence (..., h, w) that is in a region; nan where none is positive."""
    positive = evidence.clamp(min=0)
    weights = cell_weights(region, *evidence.shape[-2:]).to(evidence.device)
    return (positive * weights).sum((-2, -1)) / positive.sum((-2, -1))


def share_of_area(region: Region, rows: int, columns: int) -> float:
    """The region's share of an image's area, which is what evenly spread evidence would have in it."""
    return float(cell_weights(region, rows, columns).mean())

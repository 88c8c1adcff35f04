"""Images as pixels for the methods that change the image tower, in the places where others have cached features."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from vip_core.data.dataset import Row
from vip_core.data.views import Views
from vip_core.errors import ImageError
from vip_core.models.backbone import Backbone


class PixelViews:
    """One random view of each image, drawn anew for every epoch; indexed as features (n, 1, D) are, by image and view.

    Args:
        backbone: whose training transform is used.
        paths: n images.
        crop: the smallest share of an image's area in a view.
        seed: of the views.
        epoch: of the views.
    """

    def __init__(self, backbone: Backbone, paths: Sequence[Path], crop: float, seed: int, epoch: int):
        self.shape = (len(paths), 1)
        seeds = [f"{seed}/{epoch}/{index}" for index in range(len(paths))]
        self._views = Views(paths, seeds, None, backbone.train_transform(crop), 1)

    def __getitem__(self, places: tuple[Tensor, Tensor]) -> Tensor:
        """Pixels (B, 3, H, W) of the images `places[0]`. Raises ImageError."""
        rows, _ = places
        return torch.cat([_readable(self._views[int(row)]) for row in rows])


class PixelSplit:
    """The images of a split as pixels of the evaluation view, read when they are first needed; labels (n,)."""

    def __init__(self, backbone: Backbone, rows: Sequence[Row]):
        self.labels = torch.tensor([row.label for row in rows])
        paths = [row.path for row in rows]
        self._views = Views(paths, [""] * len(paths), backbone.preprocess, backbone.preprocess, 0)

    @cached_property
    def features(self) -> Tensor:
        """Pixels (n, 3, H, W). Raises ImageError."""
        return torch.cat([_readable(self._views[index]) for index in range(len(self._views))])


def _readable(pixels: Tensor | ImageError) -> Tensor:
    if isinstance(pixels, ImageError):
        raise pixels
    return pixels

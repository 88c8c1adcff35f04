"""The backbone's preprocessing with torch's resize of bytes in place of Pillow's, which is 2.7 times as fast."""

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import torch
from PIL.Image import Image
from torch import Tensor
from torch.nn import functional as F

from vip_core.models.backbone import Backbone


class ArchivePreprocess:
    """Images one by one into a batch of bytes, and the batch into the pixels that `backbone.preprocess` gives.

    Both resize by the same bicubic filter, but this one rounds to bytes elsewhere: a pixel of a radiograph differs by
    one grey level of 255 at most, of noise by two; probabilities by less than .01 (docs/benchmarks.md). Where a
    backbone does not squash its images by bicubic interpolation, or equalises them, its own preprocessing is used.
    """

    def __init__(self, backbone: Backbone):
        config = backbone.preprocess_config
        height, width = backbone.image_size
        self.size = height, width
        self._whole: Callable[[Image], Tensor] | None = None
        plain = config.get("resize_mode") == "squash" and config.get("interpolation") == "bicubic"
        if not plain or backbone.contrast is not None:
            self._whole = backbone.preprocess
        else:
            self._mean, self._std = (_of_channels(config[name]) for name in ("mean", "std"))

    def empty(self, count: int) -> Tensor:
        """Room for so many images (B, 3, H, W)."""
        kind = torch.uint8 if self._whole is None else torch.float32
        return torch.empty((count, 3, *self.size), dtype=kind, memory_format=torch.channels_last)

    def __call__(self, image: Image) -> Tensor:
        """An RGB image (3, H, W) as `empty` has room for it."""
        if self._whole is not None:
            return self._whole(image)
        if (image.height, image.width) == self.size:
            return torch.from_numpy(np.array(image)).permute(2, 0, 1)
        return F.interpolate(_values(image)[None], size=self.size, mode="bicubic", antialias=True)[0, :3]

    def pixels(self, batch: Tensor) -> Tensor:
        """Pixels (B, 3, H, W) for the image tower of such images (B, 3, H, W)."""
        if self._whole is not None:
            return batch
        return batch.float().div_(255).sub_(self._mean).div_(self._std)


def _of_channels(values: Sequence[float]) -> float | Tensor:
    """One number where the three channels share it, which is several times as fast as (3, 1, 1)."""
    return values[0] if len(set(values)) == 1 else torch.tensor(values).view(3, 1, 1)


def _values(image: Image) -> Tensor:
    """The bytes of an RGB image (3 or 4, H, W), not to be written to: Pillow's own memory where it can be shared.

    The fourth channel is Pillow's filling. Pillow shares through Arrow, from version 11.2 on, what lies in one block.
    """
    try:
        values = torch.from_dlpack(pa.array(image).flatten())
    except (ValueError, TypeError, pa.ArrowException):  # several blocks (over 4 million pixels), or an older Pillow
        return torch.from_numpy(np.array(image)).permute(2, 0, 1)
    return values.view(image.height, image.width, -1).permute(2, 0, 1)

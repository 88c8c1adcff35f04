"""Images as pixels: the evaluation view and random views, the same ones every time."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL.Image import Image
from torch import Tensor
from torch.utils.data import Dataset

from vip_core.data.images import read_image
from vip_core.errors import ImageError

LOG = logging.getLogger(__name__)  # by default its warnings are printed on standard error


@dataclass(frozen=True)
class Views(Dataset):
    """Images as pixels: the evaluation view if asked for, then random views, the same ones every time.

    A view's random state comes from the seed of its image; neither the order nor the number of workers matters.
    """

    paths: Sequence[Path]
    seeds: Sequence[str]
    preprocess: Callable[[Image], Tensor] | None
    augment: Callable[[Image], Tensor]
    views: int

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor | ImageError:
        item = self.with_remarks(index)
        if isinstance(item, ImageError):
            return item
        for remark in item[1]:
            LOG.warning(remark)
        return item[0]

    def with_remarks(self, index: int) -> tuple[Tensor, list[str]] | ImageError:
        """The views of an image, and what `read_image` remarks on it."""
        try:
            image = read_image(self.paths[index])
        except ImageError as error:
            return error  # raised in a worker, it would arrive as a traceback in a string
        return draw_views(image, self.seeds[index], self.preprocess, self.augment, self.views), image.info["remarks"]


@dataclass(frozen=True)
class RemarkedViews(Dataset):
    """Views with their remarks, which the process that asked for them prints and keeps."""

    views: Views

    def __len__(self) -> int:
        return len(self.views)

    def __getitem__(self, index: int) -> tuple[Tensor, list[str]] | ImageError:
        return self.views.with_remarks(index)


def draw_views(
    image: Image,
    seed: str,
    preprocess: Callable[[Image], Tensor] | None,
    augment: Callable[[Image], Tensor],
    views: int,
) -> Tensor:
    """Pixels (views, plus one with preprocess; 3, H, W) of an image: the evaluation view, then random ones.

    seed: a text that the random state of the views comes from.
    """
    pixels = [preprocess(image)] if preprocess else []
    with torch.random.fork_rng(devices=[]):
        for view in range(views):
            torch.manual_seed(int(hashlib.sha256(f"{seed}/{view}".encode()).hexdigest()[:15], 16))
            pixels.append(augment(image))
    return torch.stack(pixels)

"""Training images held in memory as bytes, and what the image tower makes of them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.progress import track
from torch import Tensor
from torch.nn import functional as F

from vip_core.data.images import read_image
from vip_core.models.backbone import Backbone
from vip_core.pretraining.augment import augmented
from vip_core.pretraining.kinds import augmentations, kind_indices
from vip_core.pretraining.sets import LabelledImage
from vip_core.utils.console import console
from vip_core.utils.device import fast_bf16
from vip_core.utils.files import write_torch

MARGIN = 8 / 7  # of the stored side to the one that the backbone reads, for the crops
VIEWS = 4  # random ones of an image, beside the plain one, before its tower is tuned
BATCH = 32  # the image tower is fastest at this size on a CPU


def read_pixels(images: list[LabelledImage], size: int = 224) -> Tensor:
    """The images as bytes (N, 3, S, S), squashed, S a little more than the `size` that is read. Raises ImageError."""
    side = round(size * MARGIN)
    pixels = torch.empty(len(images), 3, side, side, dtype=torch.uint8)

    def read(index: int) -> None:
        image = read_image(images[index].path).resize((side, side), Image.Resampling.BICUBIC)
        pixels[index] = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)

    with ThreadPoolExecutor() as pool:
        for _ in track(pool.map(read, range(len(images))), total=len(images), description="Images", console=console):
            pass
    return pixels


def image_kinds(images: list[LabelledImage]) -> Tensor:
    """(N,) the place of each image's kind among IMAGE_KINDS."""
    return kind_indices([image.modality for image in images])


def pooled_features(
    backbone: Backbone, images: list[LabelledImage], pixels: Tensor, views: int, folder: Path, seed: int
) -> Tensor:
    """Average-pooled features (N, 1 + views, C) of the image tower before its projection: plain, then augmented.

    A view that is already in `folder` is not encoded again.
    """
    visual: Any = backbone.clip.visual
    kinds, settings, columns = image_kinds(images), augmentations(), []
    for view in range(1 + views):
        path = folder / f"view{view}.pt"
        if not path.is_file():
            generator = torch.Generator().manual_seed(seed + view)
            pooled = []
            title = f"Image tower, view {view} of {views}"
            for rows in track(torch.arange(len(images)).split(BATCH), description=title, console=console):
                chosen = pixels[rows].to(backbone.device)
                if view:
                    batch = augmented(chosen, kinds[rows], backbone.image_size, generator, settings)
                else:
                    batch = plain_view(chosen, backbone)
                autocast = torch.autocast(backbone.device.type, torch.bfloat16, enabled=fast_bf16(backbone.device))
                with torch.inference_mode(), autocast:
                    batch = batch.contiguous(memory_format=torch.channels_last)
                    pooled.append(visual.trunk(batch).float().cpu())
            write_torch(path, torch.cat(pooled))
        columns.append(torch.load(path, weights_only=True))
    return torch.stack(columns, dim=1)


def plain_view(pixels: Tensor, backbone: Backbone) -> Tensor:
    """The images (B, 3, H, W) as they are, in the backbone's size, values from -1 to 1."""
    size = backbone.image_size
    return F.interpolate(pixels.float(), size, mode="bicubic", antialias=True).clamp(0, 255) / 127.5 - 1


@torch.inference_mode()
def image_features_of(backbone: Backbone, images: list[LabelledImage]) -> Tensor:
    """Image features (N, D) on the CPU, read and preprocessed as everywhere else in the project."""
    autocast = fast_bf16(backbone.device)
    return torch.cat([backbone.encode_images(pixels, autocast).cpu() for pixels in _batches(backbone, images)])


@torch.inference_mode()
def patch_features_of(backbone: Backbone, images: list[LabelledImage]) -> Tensor | None:
    """Patch features (N, h, w, D) on the CPU of images read alike; None where the image tower has none."""
    patches = []
    for pixels in _batches(backbone, images):
        _, found = backbone.encode_with_patches(pixels, fast_bf16(backbone.device))
        if found is None:
            return None
        patches.append(found.cpu())
    return torch.cat(patches)


def _batches(backbone: Backbone, images: list[LabelledImage]) -> Iterator[Tensor]:
    """Batches of preprocessed images."""
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(images), BATCH):
            part = [image.path for image in images[start : start + BATCH]]
            pixels = torch.stack(list(pool.map(lambda path: backbone.preprocess(read_image(path)), part)))
            yield pixels.to(backbone.device)

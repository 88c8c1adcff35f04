"""Training images held in memory as bytes, and batches of them with augmentation that suits their modality."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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
from vip_core.pretraining.labels import DERMOSCOPY, LabelledImage
from vip_core.utils.console import console
from vip_core.utils.device import fast_bf16
from vip_core.utils.files import write_torch

STORED_SIZE = 256  # pixels a side, squashed as the backbone does; a little more than it reads, for the crops
VIEWS = 4  # random ones of an image, beside the plain one, before its tower is tuned
BATCH = 32  # the image tower is fastest at this size on a CPU


@dataclass(frozen=True)
class Augmentation:
    """How far a random view may differ from the image."""

    min_area: float = 0.6
    aspect: float = 1.2  # of the crop, up to this or its inverse
    radiograph_angle: float = 8.0  # degrees; a radiograph is never upside down, but its findings fall on both sides
    dermoscopy_angle: float = 180.0
    dermoscopy_brightness: float = 0.2  # of the range of values, from -1 to 1
    dermoscopy_contrast: float = 0.2
    saturation: float = 0.15  # of dermoscopy; hue stays, since colours carry the diagnosis
    # A radiograph's grey values depend on how it was exposed and developed, and differ from one machine to the next.
    radiograph_brightness: float = 0.3
    radiograph_contrast: float = 0.4
    gamma: float = 0.6  # natural logarithm of the exponent of a radiograph's grey values, up to this or its negative
    blurred: float = 0.4  # share of radiographs blended with themselves at half the resolution, by a random amount
    noise: float = 0.05  # largest standard deviation of what is added to a radiograph
    equalised: float = 0.5  # share of radiographs blended with their histogram-equalised version


def read_pixels(images: list[LabelledImage]) -> Tensor:
    """The images as bytes (N, 3, 256, 256), squashed. Raises ImageError."""
    pixels = torch.empty(len(images), 3, STORED_SIZE, STORED_SIZE, dtype=torch.uint8)

    def read(index: int) -> None:
        image = read_image(images[index].path).resize((STORED_SIZE, STORED_SIZE), Image.Resampling.BICUBIC)
        pixels[index] = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)

    with ThreadPoolExecutor() as pool:
        for _ in track(pool.map(read, range(len(images))), total=len(images), description="Images", console=console):
            pass
    return pixels


def dermoscopy_rows(images: list[LabelledImage]) -> Tensor:
    """(N,) True where an image is a dermoscopy image."""
    return torch.tensor([image.modality == DERMOSCOPY for image in images])


def augmented(
    pixels: Tensor, skin: Tensor, size: tuple[int, int], generator: torch.Generator, config: Augmentation | None = None
) -> Tensor:
    """A random view (B, 3, *size), values from -1 to 1, of each image.

    A lesion has no up or down, so it is rotated by any angle, a radiograph by a few degrees. Both are mirrored. A
    lesion's colours change little, a radiograph's grey values much.

    Args:
        pixels: bytes (B, 3, H, W).
        skin: (B,) True for dermoscopy.
        size: height and width of the view.
        generator: on the CPU; of everything random here.
        config: how far to go.
    """
    config = config or Augmentation()
    count = len(pixels)

    def between(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    angle = torch.where(skin, config.dermoscopy_angle, config.radiograph_angle) * between(-1, 1) * (math.pi / 180)
    side = between(config.min_area, 1.0).sqrt()
    aspect = torch.exp(between(-1, 1) * math.log(config.aspect) / 2)
    width, height = (side * aspect).clamp(max=1), (side / aspect).clamp(max=1)
    mirror = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    cos, sin = angle.cos(), angle.sin()
    matrix = torch.stack(
        [
            torch.stack([mirror * width * cos, -height * sin, (1 - width) * between(-1, 1)], dim=-1),
            torch.stack([mirror * width * sin, height * cos, (1 - height) * between(-1, 1)], dim=-1),
        ],
        dim=1,
    )
    grid = F.affine_grid(matrix, [count, 3, *size], align_corners=False).to(pixels.device)
    views = F.grid_sample(pixels.float() / 127.5 - 1, grid, padding_mode="reflection", align_corners=False)

    def column(values: Tensor) -> Tensor:
        return values.view(-1, 1, 1, 1).to(views.device)

    grey = views.mean(1, keepdim=True)
    saturation = torch.where(skin, between(1 - config.saturation, 1 + config.saturation), torch.ones(count))
    views = grey + column(saturation) * (views - grey)
    exponent = torch.where(skin, torch.zeros(count), between(-config.gamma, config.gamma)).exp()
    views = 2 * ((views.clamp(-1, 1) + 1) / 2) ** column(exponent) - 1
    middle = views.mean((1, 2, 3), keepdim=True)
    contrast = torch.where(skin, config.dermoscopy_contrast, config.radiograph_contrast) * between(-1, 1)
    brightness = torch.where(skin, config.dermoscopy_brightness, config.radiograph_brightness) * between(-1, 1)
    views = (middle + column(1 + contrast) * (views - middle) + column(brightness)).clamp(-1, 1)

    def drawn_towards(change: Callable[[Tensor], Tensor], share: float) -> None:
        chosen = ~skin & (torch.rand(count, generator=generator) < share)
        amount = between(0, 1)[chosen]
        if len(amount):
            rows = chosen.to(views.device)
            views[rows] += column(amount) * (change(views[rows]) - views[rows])

    drawn_towards(_halved, config.blurred)
    spread = torch.where(skin, torch.zeros(count), between(0, config.noise))
    grain = torch.randn(count, 1, *size, generator=generator).to(views.device)
    views = (views + column(spread) * grain).clamp(-1, 1)
    drawn_towards(_equalised, config.equalised)
    return views


def _halved(views: Tensor) -> Tensor:
    """Views (B, 3, H, W) as they look at half their resolution."""
    small = F.interpolate(views, scale_factor=0.5, mode="bilinear", antialias=True)
    return F.interpolate(small, views.shape[2:], mode="bilinear")


def _equalised(views: Tensor) -> Tensor:
    """Grey images (B, 3, H, W), values from -1 to 1, as (B, 1, H, W) with a flat histogram."""
    levels = ((views.mean(1).flatten(1) + 1) * 127.5).round().long()  # (B, H W)
    histogram = torch.zeros(len(views), 256, device=views.device)
    histogram.scatter_add_(1, levels, torch.ones_like(levels, dtype=histogram.dtype))
    share = histogram.cumsum(1) / levels.shape[1]
    return (2 * share.gather(1, levels) - 1).view(len(views), 1, *views.shape[2:])


def pooled_features(
    backbone: Backbone, images: list[LabelledImage], pixels: Tensor, views: int, folder: Path, seed: int
) -> Tensor:
    """Average-pooled features (N, 1 + views, C) of the image tower before its projection: plain, then augmented.

    A view that is already in `folder` is not encoded again.
    """
    visual: Any = backbone.clip.visual
    skin, columns = dermoscopy_rows(images), []
    for view in range(1 + views):
        path = folder / f"view{view}.pt"
        if not path.is_file():
            generator = torch.Generator().manual_seed(seed + view)
            pooled = []
            title = f"Image tower, view {view} of {views}"
            for rows in track(torch.arange(len(images)).split(BATCH), description=title, console=console):
                chosen = pixels[rows].to(backbone.device)
                if view:
                    batch = augmented(chosen, skin[rows], backbone.image_size, generator)
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
    with ThreadPoolExecutor() as pool:
        features = []
        for start in range(0, len(images), BATCH):
            part = [image.path for image in images[start : start + BATCH]]
            pixels = torch.stack(list(pool.map(lambda path: backbone.preprocess(read_image(path)), part)))
            features.append(backbone.encode_images(pixels.to(backbone.device), autocast).cpu())
    return torch.cat(features)

"""A fixed set of changes that images from elsewhere come with, to measure how much of a ranking survives them."""

import math
from collections.abc import Callable
from io import BytesIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

MINKOWSKI = 6.0  # the norm of Shades of Gray (Finlayson and Trezzi, 2004)
QUALITY = 30  # of the JPEG
HALVED = 0.5  # resolution of the blurred image
ZOOM = 0.8  # side of the central part that is kept
ANGLE = 10.0  # degrees

Shift = Callable[[Tensor], Tensor]


def colour_constancy(pixels: Tensor) -> Tensor:
    """Divide each channel by its Minkowski mean, so that the light becomes white. Grey images stay as they are."""
    values = pixels.float()
    light = values.pow(MINKOWSKI).mean((2, 3), keepdim=True).pow(1 / MINKOWSKI).clamp(min=1)  # (B, 3, 1, 1)
    return _to_bytes(values / light * light.mean(1, keepdim=True))


def gamma(pixels: Tensor, exponent: float) -> Tensor:
    """Raise the values, from 0 to 1, to a power: below 1 the image is lighter."""
    return _to_bytes(255 * (pixels.float() / 255) ** exponent)


def jpeg(pixels: Tensor, quality: int = QUALITY) -> Tensor:
    """Compress strongly, and decompress."""

    def compressed(image: Tensor) -> Tensor:
        buffer = BytesIO()
        Image.fromarray(image.permute(1, 2, 0).cpu().numpy()).save(buffer, "JPEG", quality=quality)
        return torch.from_numpy(np.asarray(Image.open(buffer).convert("RGB")).copy()).permute(2, 0, 1)

    return torch.stack([compressed(image) for image in pixels]).to(pixels.device)


def blur(pixels: Tensor) -> Tensor:
    """The image at half its resolution, enlarged again."""
    small = F.interpolate(pixels.float(), scale_factor=HALVED, mode="bilinear", antialias=True)
    return _to_bytes(F.interpolate(small, pixels.shape[2:], mode="bilinear"))


def zoom(pixels: Tensor) -> Tensor:
    """The central part, enlarged."""
    return _moved(pixels, ZOOM, 0.0)


def rotation(pixels: Tensor) -> Tensor:
    """The image turned about its centre; what comes in from outside is a reflection."""
    return _moved(pixels, 1.0, ANGLE)


SHIFTS: dict[str, Shift] = {
    "as it is": lambda pixels: pixels,
    "colour constancy": colour_constancy,
    "lighter": lambda pixels: gamma(pixels, 0.6),
    "darker": lambda pixels: gamma(pixels, 1.6),
    "JPEG": jpeg,
    "blur": blur,
    "zoom": zoom,
    "rotation": rotation,
}


def _moved(pixels: Tensor, side: float, angle: float) -> Tensor:
    cos, sin = side * math.cos(math.radians(angle)), side * math.sin(math.radians(angle))
    matrix = torch.tensor([[cos, -sin, 0.0], [sin, cos, 0.0]]).expand(len(pixels), 2, 3)
    grid = F.affine_grid(matrix, list(pixels.shape), align_corners=False).to(pixels.device)
    return _to_bytes(F.grid_sample(pixels.float(), grid, padding_mode="reflection", align_corners=False))


def _to_bytes(values: Tensor) -> Tensor:
    return values.round().clamp(0, 255).to(torch.uint8)

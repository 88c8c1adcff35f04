"""What JPEG does to an image, as tensors: the cosine transform of its blocks, rounded to steps."""

import math
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

BLOCK = 8
# Steps of the luminance at quality 50: ITU-T T.81, annex K, table K.1.
STEPS = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)


def quantised(views: Tensor, quality: Tensor) -> Tensor:
    """Images (B, 3, H, W), values from -1 to 1, as after JPEG of a quality (B,), 1 to 100, without its subsampling."""
    height, width = views.shape[2:]
    padded = F.pad((views + 1) * 127.5 - 128, (0, -width % BLOCK, 0, -height % BLOCK), mode="replicate")
    rows, columns = padded.shape[2] // BLOCK, padded.shape[3] // BLOCK
    blocks = padded.view(*padded.shape[:2], rows, BLOCK, columns, BLOCK)
    # The scale of the steps with the quality is libjpeg's.
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality) / 100  # (B,)
    steps = torch.tensor(STEPS, dtype=views.dtype, device=views.device)
    steps = (scale.to(views).view(-1, 1, 1) * steps).round().clamp(min=1)[:, None, None, :, None, :]
    basis = _cosines().to(views)
    values = torch.einsum("ij,bcrjsk,lk->bcrisl", basis, blocks, basis)
    values = (values / steps).round() * steps
    blocks = torch.einsum("ji,bcrjsk,kl->bcrisl", basis, values, basis)
    return ((blocks.reshape(padded.shape)[:, :, :height, :width] + 128) / 127.5 - 1).clamp(-1, 1)


@cache
def _cosines() -> Tensor:
    """The orthonormal cosine basis (8, 8), a frequency per row."""
    places, frequencies = torch.arange(BLOCK) + 0.5, torch.arange(BLOCK)
    basis = torch.cos(math.pi / BLOCK * frequencies[:, None] * places) * math.sqrt(2 / BLOCK)
    basis[0] /= math.sqrt(2)
    return basis

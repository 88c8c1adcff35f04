"""Where a symptom's similarity comes from: one term for each cell of the image, for a tower that averages its cells."""

import torch
from PIL.Image import Image
from torch import Tensor
from torch.nn import functional as F

from vip_core.data.images import read_image
from vip_core.scoring.predictor import Predictor
from vip_core.utils.device import fast_bf16

TOLERANCE = 0.1  # of |x|: a cell by itself in bfloat16 rounds otherwise; a ViT's values are off by about |x|


@torch.inference_mode()
def encode_cells(predictor: Predictor, image: Image) -> Tensor:
    """Features of an image's cells (h, w, D), float16, on the CPU, not normalised; in the precision of `encode`.

    Raises:
        BackboneError: if the backbone's cells have no feature of their own.
        ImageError: if the image cannot be read.
    """
    backbone = predictor.vip.backbone
    pixels = backbone.preprocess(read_image(image)).unsqueeze(0).to(backbone.device)
    with torch.autocast(pixels.device.type, torch.bfloat16, enabled=fast_bf16(backbone.device)):
        return backbone.patch_features(pixels)[0].half().cpu().clone()


def adds_up(cells: Tensor, features: Tensor) -> bool:
    """Whether the cells (h, w, D) average to the image feature (D,), so that their evidence is exact."""
    return bool((cells.float().mean((0, 1)) - features).norm() < TOLERANCE * features.norm())


def evidence(cells: Tensor, text: Tensor) -> Tensor:
    """The term (n, h, w) that each cell adds to the image's similarity with each of n texts; they sum to it exactly.

    With x the mean of the cells, cos(x, t) = sum over cells of cell.t / (h w |x| |t|). The sum is the similarity of the
    image only where the image feature is that mean: see `adds_up`.

    Args:
        cells: (h, w, D), as `encode_cells` gives them.
        text: (n, D), need not be normalised.
    """
    cells = cells.float().to(text.device)
    height, width, _ = cells.shape
    image = cells.mean((0, 1))  # (D,)
    terms = cells @ F.normalize(text, dim=-1).T / (height * width * image.norm())  # (h, w, n)
    return terms.permute(2, 0, 1)


def contrast(cells: Tensor, text: Tensor) -> Tensor:
    """How much more similar each cell is to each text than the image's cells are on average (n, h, w).

    For a ViT, whose cells (the last block's value path) average to nothing of meaning: cosines, their mean taken off.
    They add up to nothing, and tell the places of one image apart only.
    """
    cosines = F.normalize(cells.float().to(text.device), dim=-1) @ F.normalize(text, dim=-1).T  # (h, w, n)
    return (cosines - cosines.mean((0, 1))).permute(2, 0, 1)

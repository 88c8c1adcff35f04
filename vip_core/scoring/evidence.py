"""Where a symptom's similarity comes from: one term per patch of the image, exact where the patches average to it."""

from torch import Tensor
from torch.nn import functional as F

TOLERANCE = 0.1  # of |x|: a patch by itself is rounded differently in bfloat16; a ViT's values are off by about |x|


def adds_up(cells: Tensor, features: Tensor) -> bool:
    """Whether the cells (h, w, D) average to the image feature (D,), so that their evidence is exact."""
    return bool((cells.float().mean((0, 1)) - features).norm() < TOLERANCE * features.norm())


def evidence(cells: Tensor, text: Tensor) -> Tensor:
    """The term (n, h, w) that each cell adds to the image's similarity with each of n texts; they sum to it exactly.

    With x the mean of the cells, cos(x, t) = sum over cells of cell.t / (h w |x| |t|). The sum is the similarity of the
    image only where the image feature is that mean: see `adds_up`.

    Args:
        cells: patch features (h, w, D), as `Predictor.encode_with_patches` gives them.
        text: (n, D), need not be normalised.
    """
    cells = cells.float().to(text.device)
    height, width, _ = cells.shape
    image = cells.mean((0, 1))  # (D,)
    terms = cells @ F.normalize(text, dim=-1).T / (height * width * image.norm())  # (h, w, n)
    return terms.permute(2, 0, 1)


def contrast(cells: Tensor, text: Tensor) -> Tensor:
    """How much more similar each cell is to each text than the image's cells are on average (n, h, w).

    For a ViT, whose patches (the last block's value path) have no meaningful average: cosines minus their mean. They do
    not add up to the similarity, and only compare the places of one image.
    """
    cosines = F.normalize(cells.float().to(text.device), dim=-1) @ F.normalize(text, dim=-1).T  # (h, w, n)
    return (cosines - cosines.mean((0, 1))).permute(2, 0, 1)

"""How much of the evidence for a finding's sentences is in the part of the image where the finding can be."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vip_core.data.dataset import evenly_spaced
from vip_core.models.backbone import Backbone
from vip_core.pretraining.kinds import IMAGE_KINDS
from vip_core.pretraining.phrases import load_phrases
from vip_core.pretraining.pixels import patch_features_of
from vip_core.pretraining.placement import share_inside, share_of_area
from vip_core.pretraining.sets import LabelledImage, matching

LIMIT = 200  # images per comparison


@dataclass(frozen=True)
class Placement:
    """Of the images with a finding: the share of the positive evidence that is inside the region of its kind.

    Attributes:
        n: images measured.
        median: over images, of the mean over held-out phrasings that say the finding is there.
        low, high: quartiles.
        area: the region's share of an image, which evenly spread evidence would have.
    """

    n: int
    median: float
    low: float
    high: float
    area: float


def measure_placement(backbone: Backbone, images: list[LabelledImage], limit: int = LIMIT) -> dict[str, Placement]:
    """For each comparison, on at most `limit` of the images that have its finding, evenly spaced in the list.

    Empty for a backbone whose patches have no features of their own.
    """
    found: dict[str, Placement] = {}
    for modality in load_phrases().modalities:
        region = IMAGE_KINDS[modality.name].region
        said = {finding.name: list(finding.present.held_out) for finding in modality.findings}
        for comparison in modality.comparisons:
            shown = evenly_spaced([images[row] for row in np.flatnonzero(matching(images, comparison.right))], limit)
            texts = said[comparison.finding]
            if not shown or not texts:
                continue
            cells = patch_features_of(backbone, shown)
            if cells is None:
                return {}
            with torch.inference_mode():
                text = F.normalize(backbone.encode_prompts(texts).cpu(), dim=-1)
            shares = share_inside(evidence_maps(cells, text), region).nanmean(1).numpy()  # (n,)
            low, median, high = np.nanpercentile(shares, [25, 50, 75])
            area = share_of_area(region, *cells.shape[1:3])
            found[comparison.name] = Placement(len(shown), float(median), float(low), float(high), area)
    return found


def evidence_maps(cells: Tensor, text: Tensor) -> Tensor:
    """The terms (N, n, h, w) that cells (N, h, w, D) add to similarities with n texts, up to a factor of each image.

    The factor is positive, and no share depends on it. See `vip_core.scoring.evidence`.

    Args:
        cells: patch features.
        text: unit features (n, D).
    """
    return torch.einsum("bhwd,nd->bnhw", cells, text)

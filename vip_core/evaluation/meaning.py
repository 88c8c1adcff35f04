"""The meaning of the symptoms, as opposed to the classes: measured before and after training."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from vip_core.data.dataset import Row
from vip_core.models.vip import ViP
from vip_core.utils.ranking import auroc

# Two sentences per finding that a data set may label image by image, by the column of its label ("1" or "0").
FINDINGS = {
    "pigment_network": ("pigment network of brown lines", "reticular pattern of thin or thick lines"),
    "negative_network": (
        "negative network of pale serpiginous lines around dark islands",
        "white lines that form an inverted network",
    ),
    "streaks": ("irregular streaks or pseudopods along part of the edge", "radial streaks at the periphery"),
    "milia_like_cyst": ("milia-like cysts", "small white or yellowish round cysts"),
    "globules": ("dots and globules of varying size", "round brown globules"),
}


@dataclass(frozen=True)
class Meaning:
    """How much the symptoms of a class still differ, and whether sentences about a finding still detect it.

    Attributes:
        n: images.
        line_correlation: the correlation between the similarities of two symptoms of a class over the images, mean
            over all pairs; None where no class has two symptoms, or there is one image. At 1 they differ in nothing.
        findings: for each finding that the images are labelled with, the AUROC of each of its two sentences.
    """

    n: int
    line_correlation: float | None
    findings: dict[str, list[float]]


@torch.inference_mode()
def measure_meaning(vip: ViP, features: Tensor, rows: Sequence[Row]) -> Meaning:
    """Measure it on images, given as features (n, D) and rows."""
    vip.eval()
    image = vip.adapt(features.to(vip.backbone.device))
    correlations = []
    for lines in vip.encode_symptoms().split(vip.symptoms.counts):
        if len(lines) > 1 and len(image) > 1:
            similarity = image @ F.normalize(lines, dim=-1).T  # (n, m)
            pairs = torch.triu_indices(len(lines), len(lines), 1)
            correlations.append(torch.corrcoef(similarity.T)[pairs[0], pairs[1]])
    findings = {}
    vectors = vip.context_prompt.vectors
    context = vectors if vectors.ndim == 2 else vectors.mean(0)  # the findings belong to no class
    for column, sentences in FINDINGS.items():
        known = [i for i, row in enumerate(rows) if row.details.get(column) in ("0", "1")]
        present = [rows[i].details[column] == "1" for i in known]
        if any(present) and not all(present):
            text = F.normalize(vip.backbone.encode_prompts(list(sentences), context), dim=-1)
            findings[column] = auroc((image[known] @ text.T).cpu().numpy(), present).tolist()
    mean = torch.cat(correlations).mean().item() if correlations else math.nan
    return Meaning(len(features), mean if math.isfinite(mean) else None, findings)

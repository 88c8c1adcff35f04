"""Lines that mean the same: found by the embedded text tower, merged, and ranked by how many samples name them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from vip_core.models.backbone import EMBEDDED, Backbone
from vip_core.utils.paths import checkpoint_folder

# Cosine from which two lines mean the same, for vip-mini. Measured on 24 pairs of paraphrases and 24 pairs of findings
# that differ in one respect, none of them in the phrase bank (tests/vsg/test_duplicates.py has them, docs/generate.md
# the figures): it merges 16 of the paraphrases and 6 of the others, of which the opposites below keep 4 apart.
SAME_MEANING = 0.85
# A sentence encoder sees "left pleural effusion" and "right pleural effusion" as nearly the same.
OPPOSITES = (
    ("left", "right"), ("upper", "lower"), ("bright", "dark"), ("white", "black"), ("light", "dark"),
    ("thick", "thin"), ("large", "small"), ("wide", "narrow"), ("wider", "taller"), ("single", "multiple"),
    ("one", "both"), ("central", "peripheral"), ("centre", "edge"), ("center", "edge"), ("inner", "outer"),
    ("sharp", "blurred"), ("smooth", "rough"), ("regular", "irregular"), ("symmetric", "asymmetric"),
    ("with", "without"), ("present", "absent"), ("increased", "decreased"), ("high", "low"),
    ("anterior", "posterior"), ("medial", "lateral"), ("focal", "diffuse"), ("round", "flat"), ("few", "many"),
    ("high", "flat"),
)  # fmt: skip


@dataclass
class Merged:
    """A line, the samples that name it, and its other phrasings, each with its cosine."""

    line: str
    samples: set[int]
    phrasings: list[tuple[str, float]] = field(default_factory=list)


def sentence_tower(backbone: Backbone | None = None) -> Backbone:
    """The tower that compares meanings: the one given if it is vip-mini, else vip-mini, loaded once per process.

    Its text tower was distilled from a sentence encoder, and the threshold was measured on it; the cosines of another
    tower are distributed differently.
    """
    if backbone is not None and backbone.name == EMBEDDED:
        return backbone
    return _embedded(checkpoint_folder(EMBEDDED))


@lru_cache(maxsize=1)
def _embedded(folder: Path) -> Backbone:
    return Backbone.load(EMBEDDED)


@torch.inference_mode()
def closeness(lines: Sequence[str], tower: Backbone) -> Tensor:
    """Cosines (n, n) of lines as plain sentences; 0 between two of which one has a word and the other its opposite."""
    features = F.normalize(tower.encode_prompts(list(lines)), dim=-1)
    return (features @ features.T).cpu().masked_fill(_opposed(lines), 0.0)


def _opposed(lines: Sequence[str]) -> Tensor:
    """(n, n) True where one line has a word and the other its opposite, and neither has both."""
    words = [set(re.findall(r"\w+", line.casefold().replace("with no ", "without "))) for line in lines]
    has = torch.tensor([[(a in own, b in own) for a, b in OPPOSITES] for own in words]).view(len(lines), -1, 2)
    first, second = (has[..., 0] & ~has[..., 1]).float(), (has[..., 1] & ~has[..., 0]).float()  # (n, pairs)
    return ((first @ second.T) + (second @ first.T)) > 0


def merge_samples(samples: Sequence[Sequence[str]], tower: Backbone) -> list[Merged]:
    """Merge the lines of several samples of one class; those that most samples name first, then in order.

    A line joins the first group whose first phrasing it means the same as, so the earliest phrasing is kept.
    """
    lines = [(number, line) for number, sample in enumerate(samples) for line in sample]
    if not lines:
        return []
    cosines = closeness([line for _, line in lines], tower)
    groups: dict[int, Merged] = {}  # by the row of the first phrasing
    for row, (number, line) in enumerate(lines):
        first = next((known for known in groups if cosines[row, known] >= SAME_MEANING), None)
        if first is None:
            groups[row] = Merged(line, {number})
            continue
        group = groups[first]
        group.samples.add(number)
        if line.casefold() != group.line.casefold():
            group.phrasings.append((line, cosines[row, first].item()))
    return sorted(groups.values(), key=lambda group: -len(group.samples))  # a stable sort

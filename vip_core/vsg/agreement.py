"""Lines that mean the same: told by the embedded text tower, merged, and ranked by how many samples name them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from vip_core.models.backbone import EMBEDDED, Backbone

# Cosine from which two lines mean the same, for vip-mini. Measured on 24 pairs of paraphrases and 24 pairs of findings
# that differ in one respect, none of them in the phrase bank (tests/test_agreement.py has them, docs/generate.md the
# figures): it merges 17 of the ones and 7 of the others, of which the opposites below keep 5 apart.
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
class Ranked:
    """A line, the samples that name it, and the other wordings met, each with its cosine."""

    line: str
    samples: set[int]
    wordings: list[tuple[str, float]] = field(default_factory=list)


def meaning_tower(backbone: Backbone | None = None) -> Backbone:
    """The tower that tells meanings: the one given if it is vip-mini, else vip-mini loaded.

    Its text tower was distilled from a sentence encoder, and the threshold was measured on it; another tower's cosines
    lie elsewhere.
    """
    return backbone if backbone is not None and backbone.name == EMBEDDED else Backbone.load(EMBEDDED)


@torch.inference_mode()
def closeness(lines: Sequence[str], tower: Backbone) -> Tensor:
    """Cosines (n, n) of lines as plain sentences; 0 between two of which one has a word and the other its opposite."""
    features = F.normalize(tower.encode_prompts(list(lines)), dim=-1)
    cosines = (features @ features.T).cpu()
    words = [set(re.findall(r"\w+", line.casefold().replace("with no ", "without "))) for line in lines]
    for i, mine in enumerate(words):
        for j, other in enumerate(words[:i]):
            if _opposed(mine - other, other - mine):
                cosines[i, j] = cosines[j, i] = 0.0
    return cosines


def _opposed(mine: set[str], other: set[str]) -> bool:
    return any((a in mine and b in other) or (b in mine and a in other) for a, b in OPPOSITES)


def rank(samples: Sequence[Sequence[str]], tower: Backbone) -> list[Ranked]:
    """Merge the lines of several samples of one class; those that most samples name first, then as first met.

    A line joins the first group whose first wording it means the same as, so the wording that stays is the earliest.
    """
    lines = [(number, line) for number, sample in enumerate(samples) for line in sample]
    if not lines:
        return []
    cosines = closeness([line for _, line in lines], tower)
    groups: dict[int, Ranked] = {}  # by the row of the first wording
    for row, (number, line) in enumerate(lines):
        first = next((known for known in groups if cosines[row, known] >= SAME_MEANING), None)
        if first is None:
            groups[row] = Ranked(line, {number})
            continue
        group = groups[first]
        group.samples.add(number)
        if line.casefold() != group.line.casefold():
            group.wordings.append((line, cosines[row, first].item()))
    return sorted(groups.values(), key=lambda group: -len(group.samples))  # a stable sort

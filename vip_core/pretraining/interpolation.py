"""Between stages 2 and 3: the tuned tower is moved back towards its start, as far as shifted images advise.

A tower that was tuned on few sources gains there and loses elsewhere. Weights between the start and the end of the
tuning often keep most of the gain and lose less (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022).
How far to go is decided on validation images under a fixed set of shifts, a stand-in for images from elsewhere.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track
from rich.table import Table
from torch import Tensor
from torch.nn import functional as F

from vip_core.data.dataset import evenly_spaced
from vip_core.models.backbone import Backbone
from vip_core.pretraining.labels import Sentence
from vip_core.pretraining.phrases import Comparison, load_phrases
from vip_core.pretraining.pixels import BATCH, plain_view
from vip_core.pretraining.sets import LabelledImage, matching
from vip_core.pretraining.shifts import SHIFTS
from vip_core.utils.console import console
from vip_core.utils.device import fast_bf16
from vip_core.utils.files import write_json
from vip_core.utils.ranking import auroc

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class InterpolationConfig:
    """Which weights between the start of the tower's tuning (0) and its end (1) are compared, and on how much."""

    shares: tuple[float, ...] = (0.4, 0.6, 0.8, 1.0)
    images: int = 120  # of each set, drawn evenly from its validation images

    def chosen(self, images: Sequence[LabelledImage]) -> list[LabelledImage]:
        """At most so many of each set, evenly spaced in its list."""
        chosen: list[LabelledImage] = []
        for name in dict.fromkeys(image.source for image in images):
            rows = [image for image in images if image.source == name]
            chosen += evenly_spaced(rows, self.images)
        return chosen


@dataclass(frozen=True)
class Validation:
    """Validation images (n of them), their bytes (n, 3, H, W), and the bank's sentences with features (S, D)."""

    images: list[LabelledImage]
    pixels: Tensor
    sentences: list[Sentence]
    text: Tensor


def between(start: State, end: State, share: float) -> dict[str, Tensor]:
    """Weights at a share of the way from `start` to `end`."""
    return {
        key: torch.lerp(start[key].float(), value.float(), share).to(value.dtype)
        if value.is_floating_point()
        else value
        for key, value in end.items()
    }


def interpolate(
    backbone: Backbone, start: State, validation: Validation, path: Path, config: InterpolationConfig
) -> float:
    """Put the best weights between `start` and those of the tuned tower in place; returns how far from the start.

    The best have the highest mean AUROC over all shifts. Ties go to the weights nearer to the start. The table is
    printed and written to `path`; a later call reads it.
    """
    visual: Any = backbone.clip.visual
    end = {key: value.clone() for key, value in visual.state_dict().items()}
    if path.is_file():
        found = json.loads(path.read_text(encoding="utf-8"))
        visual.load_state_dict(between(start, end, found["chosen"]))
        return found["chosen"]
    table = {}
    for share in config.shares:
        visual.load_state_dict(between(start, end, share))
        title = f"Weights at {share:.0%} of the way"
        table[share] = {
            name: _mean_auroc(backbone, validation, shift(validation.pixels))
            for name, shift in track(SHIFTS.items(), description=title, console=console)
        }
    means = {share: float(np.mean(list(values.values()))) for share, values in table.items()}
    chosen = min(means, key=lambda share: (-round(means[share], 4), share))
    visual.load_state_dict(between(start, end, chosen))
    write_json(path, {"chosen": chosen, "means": list(means.items()), "table": [[k, v] for k, v in table.items()]})
    console.print(interpolation_table(table, means))
    return chosen


def interpolation_table(table: Mapping[float, Mapping[str, float]], means: Mapping[float, float]) -> Table:
    """A row per shift, a column per share of the tuned weights."""
    shown = Table(title="Mean AUROC of the bank's findings on shifted validation images", title_justify="left")
    for name in ("shift", *(f"{share:.0%} tuned" for share in table)):
        shown.add_column(name)
    for name in next(iter(table.values())):
        shown.add_row(name, *(f"{values[name]:.3f}" for values in table.values()))
    shown.add_row("mean", *(f"{mean:.3f}" for mean in means.values()))
    return shown


def _mean_auroc(backbone: Backbone, validation: Validation, pixels: Tensor) -> float:
    """Mean over kinds of images, each the mean over its comparisons, of all training sentences of a finding at once."""
    features = _features(backbone, pixels)
    text = F.normalize(validation.text.float(), dim=-1)
    kinds = []
    for modality in load_phrases().modalities:
        values = []
        for comparison in modality.comparisons:
            right, wrong = (matching(validation.images, known) for known in (comparison.right, comparison.wrong))
            if right.any() and wrong.any():
                scores = (features @ _direction(validation.sentences, text, modality.name, comparison)).numpy()
                rows = right | wrong
                values.append(float(auroc(scores[rows, None], right[rows])[0]))
        kinds += [float(np.mean(values))] if values else []
    return float(np.mean(kinds))


def _direction(sentences: Sequence[Sentence], text: Tensor, kind: str, comparison: Comparison) -> Tensor:
    """What a finding's sentences (S of them, features (S, D)) say when present, less what they say when absent."""
    sides = [
        [i for i, s in enumerate(sentences) if (s.modality, s.finding, s.state) == (kind, comparison.finding, state)]
        for state in (1, 0)
    ]
    present, absent = (text[rows].mean(0) if rows else torch.zeros(text.shape[1]) for rows in sides)
    return present - absent


@torch.inference_mode()
def _features(backbone: Backbone, pixels: Tensor) -> Tensor:
    """Unit image features (n, D), on the CPU, of bytes (n, 3, H, W)."""
    autocast = fast_bf16(backbone.device)
    parts = [plain_view(part.to(backbone.device), backbone) for part in pixels.split(BATCH)]
    return F.normalize(torch.cat([backbone.encode_images(part, autocast).cpu() for part in parts]), dim=-1)

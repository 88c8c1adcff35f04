"""What the demo can diagnose: a task is a trained checkpoint, its name for people, and example images."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from vip_core.backbone import Backbone
from vip_core.checkpoint import find_checkpoint, load_checkpoint, read_card
from vip_core.model import ViP
from vip_core.paths import PROJECT
from vip_core.predictor import Predictor

EXAMPLES = PROJECT / "assets" / "examples"
TASKS = ("pneumonia", "melanoma")


@dataclass(frozen=True)
class Task:
    """One thing to diagnose.

    Attributes:
        key: the checkpoint's name; also what the API calls the task.
        label: for people.
        predictor: shared by all visitors; it keeps no image.
        axis: ends of the bars' axis, the same for all images.
        examples: files, each with its known diagnosis.
    """

    key: str
    label: str
    predictor: Predictor
    axis: tuple[float, float]
    examples: tuple[tuple[Path, str], ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the model's order."""
        return self.predictor.symptoms.classes


def load_tasks(names: Iterable[str] = TASKS) -> dict[str, Task]:
    """Load checkpoints by name; those on the same backbone share it. Raises CheckpointError or BackboneError."""
    tasks: dict[str, Task] = {}
    backbones: dict[tuple[str, str | None], Backbone] = {}
    for name in names:
        card = read_card(find_checkpoint(name))
        wanted = (card.backbone["name"], card.backbone["pretrained"])
        vip = load_checkpoint(name, backbones.get(wanted))
        backbones[wanted] = vip.backbone
        modality = vip.symptoms.modality
        label = f"{name[0].upper()}{name[1:]} ({modality})" if modality else name
        tasks[name] = Task(name, label, Predictor(vip), bar_axis(vip), _examples(name))
    return tasks


def bar_axis(vip: ViP) -> tuple[float, float]:
    """An axis for similarities: what the model's own symptoms reach on the reference images, in steps of 0.1."""
    if vip.reference is None:
        return (-1.0, 1.0)
    with torch.inference_mode():
        known = vip.reference.similarities(vip.encode_symptoms())
    low, high = min(known.min().item(), 0.0), max(known.max().item(), 0.0)
    return (max(math.floor(low * 10) / 10, -1.0), min(math.ceil(high * 10) / 10, 1.0))


def _examples(name: str) -> tuple[tuple[Path, str], ...]:
    """The example images of a task, if it has any; examples.json maps a file to its known diagnosis."""
    listing = EXAMPLES / name / "examples.json"
    if not listing.is_file():
        return ()
    known: dict[str, str] = json.loads(listing.read_text(encoding="utf-8"))
    return tuple((listing.parent / file, diagnosis) for file, diagnosis in known.items())

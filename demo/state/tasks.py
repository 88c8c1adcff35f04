"""The tasks of the demo: a task is a trained checkpoint with a display name and example images."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vip_core.errors import UsageError
from vip_core.models.backbone import Backbone
from vip_core.models.card import read_card
from vip_core.models.checkpoint import find_checkpoint
from vip_core.models.reference import ReferenceBank
from vip_core.models.vip import ViP
from vip_core.scoring.predictor import Predictor
from vip_core.scoring.uncertainty import Uncertainty
from vip_core.scoring.zero_shot import ZeroShot, class_prompts
from vip_core.symptoms import SymptomSet
from vip_core.utils.paths import PROJECT

from ..settings import SHIPPED

EXAMPLES = PROJECT / "assets" / "examples"
MODES = {  # how an image is read, each with its name for people
    "vip": "ViP, trained prompts",
    "symptoms": "Zero-shot, symptoms (untested)",
    "names": "Zero-shot, class names (untested)",
}


@dataclass(frozen=True)
class Task:
    """One thing to diagnose.

    Attributes:
        key: the checkpoint's name; also what the API calls the task.
        label: for people.
        predictor: shared by all visitors; it keeps no image.
        axis: ends of the bars' axis, the same for all images.
        examples: files, each with its known diagnosis.
        uncertainties: of the examples that were opened. They are the same for every visitor, and take half a second.
    """

    key: str
    label: str
    predictor: Predictor
    axis: tuple[float, float]
    examples: tuple[tuple[Path, str], ...]
    uncertainties: dict[Path, Uncertainty] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the model's order."""
        return self.predictor.symptoms.classes

    @cached_property
    def zero_shot(self) -> ZeroShot:
        """The same backbone and reference images without the trained prompts."""
        return ZeroShot(self.predictor.vip.backbone, self.predictor.vip.reference)

    def scorer(self, mode: str) -> Predictor | ZeroShot:
        """What scores in a mode, one of MODES."""
        return self.predictor if mode == "vip" else self.zero_shot

    def prompts(self, mode: str, symptoms: SymptomSet) -> SymptomSet:
        """What is scored in a mode: the symptoms, or one prompt per class made from its name."""
        return class_prompts(symptoms) if mode == "names" else symptoms

    def similarity_axis(self, mode: str) -> tuple[float, float]:
        """Ends of the axis for similarities in a mode, the same for all images."""
        return self.axis if mode == "vip" else self._zero_shot_axes[mode]

    @cached_property
    def _zero_shot_axes(self) -> dict[str, tuple[float, float]]:
        own = self.predictor.symptoms
        return {
            mode: reached(self.zero_shot.reference, self.zero_shot.encode_symptoms(self.prompts(mode, own)))
            for mode in ("symptoms", "names")
        }


def load_tasks(names: Iterable[str] = SHIPPED) -> dict[str, Task]:
    """Load checkpoints by name; those on the same backbone share it.

    Raises:
        CheckpointError, BackboneError: if one cannot be loaded.
        UsageError: if two folders have the same last name, by which a task is called.
    """
    tasks: dict[str, Task] = {}
    backbones: dict[tuple[str, str | None], Backbone] = {}
    for name in names:
        card = read_card(find_checkpoint(name))
        wanted = (card.backbone.name, card.backbone.pretrained)
        vip = ViP.from_pretrained(name, backbones.get(wanted))
        backbones[wanted] = vip.backbone
        modality = vip.symptoms.modality
        key = Path(name).name or Path(name).resolve().name  # of a folder or a hub id; its rest is nothing for visitors
        if key in tasks:
            raise UsageError(f"Two tasks are called “{key}”; give one of the folders another name.")
        plain = key.replace("_", " ")
        label = f"{plain[0].upper()}{plain[1:]} ({modality})" if modality else plain
        label = task_descriptions().get(key, {}).get("label", label)
        tasks[key] = Task(key, label, Predictor(vip), bar_axis(vip), _examples(key))
    return tasks


@cache
def task_descriptions() -> dict[str, dict[str, Any]]:
    """What the page states about the shipped tasks, by checkpoint."""
    return json.loads((PROJECT / "assets" / "tasks.json").read_text(encoding="utf-8"))


def bar_axis(vip: ViP) -> tuple[float, float]:
    """An axis for similarities: what the model's own symptoms reach on the reference images, in steps of 0.1."""
    with torch.inference_mode():
        return reached(vip.adapted_reference, vip.encode_symptoms())


def reached(reference: ReferenceBank | None, text: Tensor) -> tuple[float, float]:
    """The smallest and the largest similarity of reference images with texts (n, D), in steps of 0.1, 0 included."""
    if reference is None:
        return (-1.0, 1.0)
    known = reference.similarities(text)
    low, high = min(known.min().item(), 0.0), max(known.max().item(), 0.0)
    return (max(math.floor(low * 10) / 10, -1.0), min(math.ceil(high * 10) / 10, 1.0))


def _examples(name: str) -> tuple[tuple[Path, str], ...]:
    """The example images of a task, if it has any; examples.json maps a file to its known diagnosis."""
    listing = EXAMPLES / name / "examples.json"
    if not listing.is_file():
        return ()
    known: dict[str, str] = json.loads(listing.read_text(encoding="utf-8"))
    return tuple((listing.parent / file, diagnosis) for file, diagnosis in known.items())

"""The state of a run after each epoch: what a killed run needs to continue exactly where it was."""

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from vip_core.errors import CheckpointError
from vip_core.models.learner import PromptLearner
from vip_core.training.config import TrainConfig
from vip_core.utils.files import write_torch

STATE = "last.pt"  # its name in the folder of a run
MAY_DIFFER = ("root", "symptoms")  # where the data and the symptom file are; their contents are checked


@dataclass
class TrainingState:
    """How far a run has come.

    Attributes:
        epoch: epochs done.
        best_epoch: the epoch whose prompts are kept so far, from 0.
        best_score: its validation accuracy, its negative validation loss or its number, by what the run selects.
        best_state: its prompts, by state key.
        diverged: whether training stopped because its loss was no longer finite.
        history: mean training loss, validation accuracy and validation loss of each epoch done.
        seconds: that the epochs done took, in all processes of the run.
    """

    epoch: int = 0
    best_epoch: int = 0
    best_score: float = -math.inf
    best_state: dict[str, Tensor] = field(default_factory=dict)
    diverged: bool = False
    history: list[tuple[float, float, float]] = field(default_factory=list)
    seconds: float = 0.0


def save_state(
    path: Path,
    state: TrainingState,
    vip: PromptLearner,
    optimizer: Optimizer,
    generator: torch.Generator,
    config: TrainConfig,
    images: str,
) -> None:
    """Write the state of a run, atomically. Raises StorageError."""
    content = {
        "config": asdict(config),
        "symptoms": _content(vip),
        "images": images,
        "model": vip.state_dict(),
        "optimizer": optimizer.state_dict(),
        "generator": generator.get_state(),
        "progress": vars(state),
    }
    write_torch(path, content)


def load_state(
    path: Path,
    vip: PromptLearner,
    optimizer: Optimizer,
    generator: torch.Generator,
    config: TrainConfig,
    images: str,
) -> TrainingState:
    """Put model, optimizer and generator into the state at `path` and return the rest of it.

    Where there is no such file, nothing changes and the state of a new run is returned.

    Raises:
        CheckpointError: if the file is damaged or belongs to another run, as in `check_same_run`.
    """
    if not path.is_file():
        return TrainingState()
    content = check_same_run(path, vip, config, images)
    vip.load_state_dict(content["model"])
    optimizer.load_state_dict(content["optimizer"])
    generator.set_state(content["generator"])
    return TrainingState(**content["progress"])


def check_same_run(path: Path, vip: PromptLearner, config: TrainConfig, images: str) -> dict[str, Any]:
    """The content of the state file at `path`, which must be of this configuration, model and these images.

    Raises:
        CheckpointError: if it is damaged, or has another configuration, backbone, other symptoms or other images.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        before, _ = content["config"], TrainingState(**content["progress"])
        symptoms, seen = content["symptoms"], content["images"]
    except Exception as error:  # torch.load raises whatever the damaged bytes happen to cause
        raise CheckpointError(f"{path} is damaged and cannot be resumed; delete it to start again.") from error
    if symptoms != _content(vip):
        raise CheckpointError(
            f"{path.parent} contains a run with other symptoms or another backbone; use the same, or another --out."
        )
    # Every value counts, even the number of epochs: it changes the learning rate of the epochs already done.
    now = {key: value for key, value in asdict(config).items() if key not in MAY_DIFFER}
    before = {**{key: getattr(TrainConfig, key, None) for key in now}, **before}  # a later version's keys
    changed = [key for key, value in now.items() if before[key] != value]
    if changed:
        raise CheckpointError(
            f"{path.parent} contains a run with {', '.join(f'{key} {before[key]}' for key in changed)}, not "
            f"{', '.join(str(now[key]) for key in changed)}; use the same values, or another --out."
        )
    if seen != images:
        raise CheckpointError(f"{path.parent} contains a run on other images; use the same, or another --out.")
    return content


def _content(vip: PromptLearner) -> list[Any]:
    """What the prompts are trained for: the backbone, and the classes and symptoms in order."""
    symptoms = vip.symptoms
    wordings = {text: list(texts) for text, texts in symptoms.wordings.items()}
    return [vip.backbone.fingerprint, list(symptoms.classes), [list(lines) for lines in symptoms.symptoms], wordings]

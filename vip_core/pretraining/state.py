"""The states of the stages: saved after every epoch, loaded again, and tied to one seed and one set of data."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from vip_core.errors import DataError
from vip_core.pretraining.corpus import TEXT_FILES
from vip_core.pretraining.labels import labelled_sentences
from vip_core.pretraining.phrases import load_phrases
from vip_core.pretraining.sets import LabelledImage
from vip_core.utils.files import write_json, write_torch

RECIPE = 2  # raised when states of an earlier one can no longer be continued

Part = nn.Module | Optimizer | LRScheduler


def check_same_run(path: Path, root: Path, images: list[LabelledImage], seed: int, image_size: int = 224) -> None:
    """Tie the states of the stages to a seed, an input size and data. Raises DataError where they are another run's."""
    listed = [f"{image.path.name} {sorted(image.findings.items())}" for image in images]
    texts = [(root / "text" / name).stat().st_size for name in TEXT_FILES if (root / "text" / name).is_file()]
    bank = load_phrases()
    said = labelled_sentences(bank, seed), bank.frames, [m.frames for m in bank.modalities]
    digest = hashlib.sha256(repr((listed, texts, said)).encode()).hexdigest()
    run = {"recipe": RECIPE, "seed": seed, "image_size": image_size, "data": digest}
    if path.is_file() and json.loads(path.read_text()) != run:
        raise DataError(
            f"{path.parent} contains stages made with another recipe, seed, image size or data; give another --out."
        )
    write_json(path, run)


def derived_dir(folder: Path, name: str, *states: Path) -> Path:
    """A folder inside `folder` for what is derived from these states; another one when they change."""
    digest = hashlib.sha256(b"".join(state.read_bytes() for state in states)).hexdigest()
    return folder / f"{name}-{digest[:8]}"


def load_state(path: Path, parts: Mapping[str, Part], device: torch.device) -> int:
    """Load the parts' state from `path`, if there is one. Returns the number of epochs done."""
    if not path.is_file():
        return 0
    state = torch.load(path, map_location=device, weights_only=True)
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return state["epoch"]


def save_state(path: Path, parts: Mapping[str, Part], epochs: int) -> None:
    """Save the parts' state after so many epochs. Raises StorageError if it cannot be written."""
    write_torch(path, {**{name: part.state_dict() for name, part in parts.items()}, "epoch": epochs})

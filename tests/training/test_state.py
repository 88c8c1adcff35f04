"""A run continues only as the same run: every value of its configuration counts."""

from copy import copy
from dataclasses import fields, replace
from typing import Literal, get_args, get_origin, get_type_hints

import pytest
import torch

from vip_core.errors import CheckpointError
from vip_core.models.vip import ViP
from vip_core.training.config import TrainConfig
from vip_core.training.state import MAY_DIFFER, TrainingState, check_same_run, load_state, save_state

CONFIG = TrainConfig("folder", "here", "symptoms.json", positive="viral")
OTHER = {  # a second value of settings that are text or None
    "root": "there",
    "symptoms": "moved.json",
    "backbone": "ViT-B-16",
    "pretrained": "openai",
    "positive": "normal",
    "shots": 16,
    "context_words": "a photo of a",
}
TYPES = get_type_hints(TrainConfig)


def other_value(name: str) -> object:
    value = getattr(CONFIG, name)
    if get_origin(TYPES[name]) is Literal:
        return next(choice for choice in get_args(TYPES[name]) if choice != value)
    if isinstance(value, bool):
        return not value
    if isinstance(value, float):
        return value / 2 + 0.1
    return OTHER[name] if name in OTHER else value + 1


def changed(name: str) -> TrainConfig:
    """The configuration with one value changed, even to one that does not go with the others."""
    config = copy(CONFIG)
    object.__setattr__(config, name, other_value(name))
    return config


@pytest.fixture
def run(backbone, symptoms, tmp_path):
    """A model, its optimizer and generator after a step of training, and the state file of that moment."""
    torch.manual_seed(0)
    vip, generator = ViP(backbone, symptoms), torch.Generator().manual_seed(1)
    optimizer = vip.make_optimizer(0.1, 0.9, 5e-4)
    vip.loss(torch.randn(4, 8), torch.arange(4) % 3).backward()
    optimizer.step()
    torch.rand(3, generator=generator)
    state = TrainingState(epoch=3, best_epoch=2, best_state=vip.state_dict())
    save_state(tmp_path / "last.pt", state, vip, optimizer, generator, CONFIG, "images")
    return vip, optimizer, generator, tmp_path / "last.pt"


@pytest.mark.parametrize("name", [field.name for field in fields(TrainConfig) if field.name not in MAY_DIFFER])
def test_check_same_run_refuses_another_value_of_each_setting(run, name):
    vip, _, _, path = run
    check_same_run(path, vip, CONFIG, "images")
    with pytest.raises(CheckpointError, match=f"contains a run with {name} "):
        check_same_run(path, vip, changed(name), "images")


@pytest.mark.parametrize("name", MAY_DIFFER)
def test_check_same_run_accepts_files_that_moved(run, name):
    vip, _, _, path = run
    check_same_run(path, vip, replace(CONFIG, **{name: other_value(name)}), "images")


def test_check_same_run_refuses_other_images_and_a_damaged_file(run):
    vip, _, _, path = run
    with pytest.raises(CheckpointError, match="contains a run on other images"):
        check_same_run(path, vip, CONFIG, "others")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="is damaged and cannot be resumed; delete it"):
        check_same_run(path, vip, CONFIG, "images")


def test_load_state_restores_model_optimizer_and_generator(run, backbone, symptoms):
    vip, optimizer, generator, path = run
    torch.manual_seed(5)
    new = ViP(backbone, symptoms)
    new_optimizer, new_generator = new.make_optimizer(0.5, 0.9, 5e-4), torch.Generator()
    state = load_state(path, new, new_optimizer, new_generator, CONFIG, "images")
    assert (state.epoch, state.best_epoch) == (3, 2)
    assert all(torch.equal(value, vip.state_dict()[key]) for key, value in state.best_state.items())
    assert all(torch.equal(value, vip.state_dict()[key]) for key, value in new.state_dict().items())
    momentum = [entry["momentum_buffer"] for entry in optimizer.state_dict()["state"].values()]
    restored = [entry["momentum_buffer"] for entry in new_optimizer.state_dict()["state"].values()]
    assert len(momentum) == 4 and all(map(torch.equal, momentum, restored))
    assert torch.equal(torch.rand(3, generator=generator), torch.rand(3, generator=new_generator))


def test_load_state_without_a_file_starts_a_new_run(run, tmp_path):
    vip, optimizer, generator, _ = run
    before = {key: value.clone() for key, value in vip.state_dict().items()}
    state = load_state(tmp_path / "none.pt", vip, optimizer, generator, CONFIG, "images")
    assert state == TrainingState()
    assert all(torch.equal(value, before[key]) for key, value in vip.state_dict().items())

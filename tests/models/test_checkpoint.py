"""A checkpoint loads as it was saved; anything else is refused with one sentence that gives the reason."""

import errno
import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from vip_core.errors import CheckpointError, StorageError
from vip_core.models.card import CHECKPOINT_FILES
from vip_core.models.checkpoint import find_checkpoint
from vip_core.models.vip import ViP
from vip_core.training.config import TrainConfig
from vip_core.training.run import train


@pytest.fixture
def copy(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "copy")


def edit_card(folder, **changes):
    card = json.loads((folder / "card.json").read_text())
    card.update(changes)
    (folder / "card.json").write_text(json.dumps(card))


def resign(folder):
    """Make the card's digests those of the tensor files, as a person would who edits both."""
    import hashlib

    edit_card(
        folder,
        digests={name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in CHECKPOINT_FILES[:2]},
    )


def test_save_pretrained_and_from_pretrained_are_inverse(trained, tmp_path):
    vip = ViP.from_pretrained(trained)
    vip.save_pretrained(tmp_path / "again")
    again = ViP.from_pretrained(tmp_path / "again")
    images = torch.randn(4, 8)
    assert torch.equal(vip(images), again(images))
    assert (vip.temperature, vip.symptoms, vip.card) == (again.temperature, again.symptoms, again.card)
    assert vip.reference.check(images) == again.reference.check(images)
    assert sorted(path.name for path in (tmp_path / "again").iterdir()) == sorted([*CHECKPOINT_FILES, "README.md"])


def test_find_checkpoint_looks_up_a_name_from_any_folder(trained, monkeypatch, tmp_path):
    monkeypatch.setenv("VIP_CHECKPOINTS", str(trained.parent))
    monkeypatch.chdir(tmp_path)
    assert find_checkpoint("trained") == trained


@pytest.fixture
def namesake(trained, copy, monkeypatch, tmp_path):
    """A folder ./trained beside another checkpoint of that name in VIP_CHECKPOINTS."""
    monkeypatch.setenv("VIP_CHECKPOINTS", str(trained.parent))
    monkeypatch.chdir(tmp_path)
    return copy.rename(tmp_path / "trained")


@pytest.mark.parametrize("name", ["./trained", "trained/", "../{parent}/trained", "{folder}", Path("trained")])
def test_find_checkpoint_takes_a_path_as_a_folder(namesake, name):
    if isinstance(name, str):
        name = name.format(parent=namesake.parent.name, folder=namesake)
    assert find_checkpoint(name).resolve() == namesake


def test_find_checkpoint_says_which_of_two_namesakes_it_uses(trained, namesake, capsys):
    assert find_checkpoint("trained") == trained
    assert "For the folder of that name here, give ./trained" in capsys.readouterr().err


@pytest.mark.parametrize("name", CHECKPOINT_FILES)
def test_from_pretrained_names_a_missing_file(copy, name):
    (copy / name).unlink()
    with pytest.raises(CheckpointError, match="no card.json" if name == "card.json" else f"{name} cannot be read"):
        ViP.from_pretrained(copy)


@pytest.mark.parametrize("name", CHECKPOINT_FILES[:2])
@pytest.mark.parametrize("damage", ["truncated", "flipped"])
def test_from_pretrained_refuses_damaged_tensors(copy, name, damage):
    data = bytearray((copy / name).read_bytes())
    if damage == "truncated":
        del data[-7:]
    else:
        data[-5] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(CheckpointError, match=f"{name} is damaged, or from another training run"):
        ViP.from_pretrained(copy)


def test_from_pretrained_refuses_another_backbone(copy, tiny_custom):
    card = json.loads((copy / "card.json").read_text())
    edit_card(copy, backbone={**card["backbone"], "name": tiny_custom})
    with pytest.raises(CheckpointError, match="was trained on another backbone than this"):
        ViP.from_pretrained(copy)


def test_from_pretrained_refuses_another_class_order(copy):
    edit_card(copy, classes=["white", "dark"])
    with pytest.raises(CheckpointError, match=r"\['white', 'dark'\], its symptoms have \['dark', 'white'\]"):
        ViP.from_pretrained(copy)
    card = json.loads((copy / "card.json").read_text())
    symptoms = {**card["symptoms"], "classes": dict(reversed(card["symptoms"]["classes"].items()))}
    edit_card(copy, symptoms=symptoms)  # card and symptoms agree, but the tokens lie in the other order
    with pytest.raises(CheckpointError, match="its tensors were trained for"):
        ViP.from_pretrained(copy)


def test_from_pretrained_names_missing_foreign_and_misshapen_tensors(copy):
    path = copy / CHECKPOINT_FILES[0]
    state, metadata = load_file(path), {"classes": '["dark", "white"]'}
    tokens = state.pop("merge_prompt.tokens")
    save_file(state, path, metadata)
    resign(copy)
    with pytest.raises(CheckpointError, match=r"lacks merge_prompt\.tokens"):
        ViP.from_pretrained(copy)
    save_file({**state, "merge_prompt.tokens": tokens[:1].clone()}, path, metadata)
    resign(copy)
    with pytest.raises(CheckpointError, match=r"merge_prompt\.tokens of shape \(1, 8\); \(2, 8\) is needed"):
        ViP.from_pretrained(copy)
    save_file({**state, "merge_prompt.tokens": tokens, "head.weight": tokens.clone()}, path, metadata)
    resign(copy)
    with pytest.raises(CheckpointError, match=r"has head\.weight, which this model does not have"):
        ViP.from_pretrained(copy)
    path.write_bytes(b"PK\x03\x04 a zip")
    resign(copy)
    with pytest.raises(CheckpointError, match="is not a safetensors file"):
        ViP.from_pretrained(copy)


BANKS = {
    "labels too few": lambda f, y: {"features": f, "labels": y[:-5]},
    "labels missing": lambda f, y: {"features": f},
    "labels of a third class": lambda f, y: {"features": f, "labels": y + 1},
    "labels as numbers": lambda f, y: {"features": f, "labels": y.double()},
    "features of one dimension": lambda f, y: {"features": f[:, 0].clone(), "labels": y},
    "features of another size": lambda f, y: {"features": f[:, :3].clone(), "labels": y},
    "features not finite": lambda f, y: {"features": f.clone().fill_(float("nan")), "labels": y},
    "no images": lambda f, y: {"features": f[:0], "labels": y[:0]},
}


@pytest.mark.parametrize("change", BANKS)
def test_from_pretrained_checks_the_reference_bank(copy, change):
    bank = load_file(copy / CHECKPOINT_FILES[1])
    save_file(BANKS[change](bank["features"], bank["labels"]), copy / CHECKPOINT_FILES[1])
    resign(copy)
    with pytest.raises(CheckpointError, match=r"has (features|labels|reference features)") as caught:
        ViP.from_pretrained(copy)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["nothing", "./nothing", "/nothing/here"])
def test_find_checkpoint_refuses_an_unknown_name(name):
    with pytest.raises(CheckpointError, match="Unknown checkpoint"):
        ViP.from_pretrained(name)


def test_find_checkpoint_refuses_a_folder_without_a_card(tmp_path):
    with pytest.raises(CheckpointError, match=r"has no card\.json"):
        ViP.from_pretrained(tmp_path)


def test_save_pretrained_on_a_full_disk_keeps_the_former_version(trained, small_disk):
    vip = ViP.from_pretrained(trained)
    folder = small_disk / "checkpoint"
    vip.save_pretrained(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    (small_disk / "filler").write_bytes(b"0" * (shutil.disk_usage(small_disk).free - 8192))
    vip.merge_prompt.tokens.add_(1)
    vip.card = vip.card.without_figures()
    with pytest.raises(StorageError, match=r"could not be written \(No space left on device\); free some space"):
        vip.save_pretrained(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_save_pretrained_keeps_the_former_version_when_the_second_file_fails(trained, tmp_path, monkeypatch):
    """A network disk says at fsync only that it is full."""
    vip = ViP.from_pretrained(trained)
    vip.save_pretrained(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    calls = []

    def fails(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fails)
    vip.merge_prompt.tokens.add_(1)
    vip.card = vip.card.without_figures()
    with pytest.raises(StorageError, match=r"reference\.safetensors could not be written \(No space left"):
        vip.save_pretrained(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("change", ["symptoms", "temperature", "weights"])
def test_save_pretrained_refuses_a_model_changed_after_training(trained, tmp_path, change):
    vip = ViP.from_pretrained(trained)
    if change == "symptoms":
        vip.symptoms = vip.symptoms.edited("dark", ["a wooden table"])
    elif change == "temperature":
        vip.temperature = 3.0
    else:
        vip.merge_prompt.key.weight[0, 0] += 1e-3
    with pytest.raises(CheckpointError, match="was changed after training"):
        vip.save_pretrained(tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    vip.card = vip.card.without_figures()
    vip.save_pretrained(tmp_path / "copy")
    again = ViP.from_pretrained(tmp_path / "copy")
    assert again.card.figures == {} and again.card.threshold is None
    assert (again.symptoms, again.temperature) == (vip.symptoms, vip.temperature)
    assert torch.equal(again.merge_prompt.key.weight, vip.merge_prompt.key.weight)


def test_train_on_a_full_disk_keeps_the_last_epoch(image_folder, symptom_file, tiny_native, small_disk):
    from dataclasses import replace

    config = TrainConfig("folder", str(image_folder), str(symptom_file), backbone=tiny_native, epochs=3, views=1)
    (small_disk / "filler").write_bytes(b"0" * (shutil.disk_usage(small_disk).free - 4096))
    with pytest.raises(StorageError, match="free some space"):
        train(config, small_disk / "run")
    (small_disk / "filler").unlink()
    train(replace(config), small_disk / "run", resume=True)
    assert ViP.from_pretrained(small_disk / "run").card.training["epochs"] == 3

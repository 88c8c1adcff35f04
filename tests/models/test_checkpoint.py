"""A checkpoint comes back as it was saved, and anything else is refused with the sentence that says why."""

import errno
import json
import os
import shutil
import subprocess

import pytest
import torch
from safetensors.torch import load_file, save_file

from vip_core.errors import CheckpointError, StorageError
from vip_core.models.card import FILES
from vip_core.models.checkpoint import find_checkpoint, load_checkpoint, save_checkpoint
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

    edit_card(folder, digests={name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES[:2]})


def test_saved_and_loaded_it_says_the_same(trained, tmp_path):
    vip = load_checkpoint(trained)
    vip.save_pretrained(tmp_path / "again")
    again = load_checkpoint(tmp_path / "again")
    images = torch.randn(4, 8)
    assert torch.equal(vip(images), again(images))
    assert (vip.temperature, vip.symptoms, vip.card) == (again.temperature, again.symptoms, again.card)
    assert vip.reference.check(images) == again.reference.check(images)
    assert sorted(path.name for path in (tmp_path / "again").iterdir()) == sorted(FILES)


def test_a_name_is_looked_up_in_the_checkpoints_folder_from_anywhere(trained, monkeypatch, tmp_path):
    monkeypatch.setenv("VIP_CHECKPOINTS", str(trained.parent))
    monkeypatch.chdir(tmp_path)
    assert find_checkpoint("trained") == trained


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()
    with pytest.raises(CheckpointError, match="no card.json" if name == "card.json" else f"{name} cannot be read"):
        load_checkpoint(copy)


@pytest.mark.parametrize("name", FILES[:2])
@pytest.mark.parametrize("damage", ["truncated", "flipped"])
def test_damaged_tensors_are_refused(copy, name, damage):
    data = bytearray((copy / name).read_bytes())
    if damage == "truncated":
        del data[-7:]
    else:
        data[-5] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(CheckpointError, match=f"{name} is damaged or of another training"):
        load_checkpoint(copy)


@pytest.mark.parametrize(
    ("content", "sentence"), [("", "not JSON"), ("[1]", "damaged"), ("{}", "missing"), ('{"a": 1}', "unexpected")]
)
def test_a_damaged_card_is_refused(copy, content, sentence):
    (copy / "card.json").write_text(content)
    with pytest.raises(CheckpointError, match=sentence):
        load_checkpoint(copy)


def test_another_backbone_is_refused(copy, tiny_custom):
    card = json.loads((copy / "card.json").read_text())
    edit_card(copy, backbone={**card["backbone"], "name": tiny_custom})
    with pytest.raises(CheckpointError, match="was trained on another backbone than this"):
        load_checkpoint(copy)


def test_another_class_order_is_refused(copy):
    edit_card(copy, classes=["white", "dark"])
    with pytest.raises(CheckpointError, match=r"\['white', 'dark'\], its symptoms have \['dark', 'white'\]"):
        load_checkpoint(copy)
    card = json.loads((copy / "card.json").read_text())
    symptoms = {**card["symptoms"], "classes": dict(reversed(card["symptoms"]["classes"].items()))}
    edit_card(copy, symptoms=symptoms)  # card and symptoms agree, but the tokens lie in the other order
    with pytest.raises(CheckpointError, match="its tensors were trained for"):
        load_checkpoint(copy)


def test_missing_foreign_and_misshapen_tensors_are_named(copy):
    path = copy / FILES[0]
    state, metadata = load_file(path), {"classes": '["dark", "white"]'}
    tokens = state.pop("merge_prompt.tokens")
    save_file(state, path, metadata)
    resign(copy)
    with pytest.raises(CheckpointError, match=r"lacks merge_prompt\.tokens"):
        load_checkpoint(copy)
    save_file({**state, "merge_prompt.tokens": tokens[:1].clone()}, path, metadata)
    resign(copy)
    with pytest.raises(CheckpointError, match=r"merge_prompt\.tokens of shape \(1, 8\), \(2, 8\) is needed"):
        load_checkpoint(copy)
    save_file({**state, "merge_prompt.tokens": tokens, "head.weight": tokens.clone()}, path, metadata)
    resign(copy)
    with pytest.raises(CheckpointError, match=r"holds head\.weight, which a ViP checkpoint does not have"):
        load_checkpoint(copy)
    path.write_bytes(b"PK\x03\x04 a zip")
    resign(copy)
    with pytest.raises(CheckpointError, match="is not a safetensors file"):
        load_checkpoint(copy)


@pytest.mark.parametrize("name", ["nothing", "./nothing", "/nothing/here"])
def test_no_checkpoint_of_that_name(name):
    with pytest.raises(CheckpointError, match="There is no checkpoint"):
        load_checkpoint(name)


def test_a_folder_without_a_card_is_no_checkpoint(tmp_path):
    with pytest.raises(CheckpointError, match=r"has no card\.json"):
        load_checkpoint(tmp_path)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_costs_only_the_new_version(trained, small_disk):
    vip = load_checkpoint(trained)
    folder = small_disk / "checkpoint"
    save_checkpoint(vip, folder)
    before = {name: (folder / name).read_bytes() for name in FILES}
    (small_disk / "filler").write_bytes(b"0" * (shutil.disk_usage(small_disk).free - 8192))
    vip.merge_prompt.tokens.add_(1)
    with pytest.raises(StorageError, match=r"could not be written \(No space left on device\); free some space"):
        save_checkpoint(vip, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_disk_that_fails_while_the_second_file_is_written_costs_only_the_new_version(trained, tmp_path, monkeypatch):
    """A network disk says at fsync only that it is full."""
    vip = load_checkpoint(trained)
    save_checkpoint(vip, tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in FILES}
    calls = []

    def fails(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fails)
    vip.merge_prompt.tokens.add_(1)
    with pytest.raises(StorageError, match=r"reference\.safetensors could not be written \(No space left"):
        save_checkpoint(vip, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("change", ["symptoms", "temperature"])
def test_a_model_that_was_changed_after_its_training_is_not_saved_under_its_card(trained, tmp_path, change):
    vip = load_checkpoint(trained)
    if change == "symptoms":
        vip.symptoms = vip.symptoms.edited("dark", ["a wooden table"])
    else:
        vip.temperature = 3.0
    with pytest.raises(CheckpointError, match="were changed after training"):
        vip.save_pretrained(tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_full_disk_in_training_keeps_the_last_epoch_and_says_so(image_folder, symptom_file, tiny_native, small_disk):
    from dataclasses import replace

    config = TrainConfig("folder", str(image_folder), str(symptom_file), backbone=tiny_native, epochs=3, views=1)
    (small_disk / "filler").write_bytes(b"0" * (shutil.disk_usage(small_disk).free - 4096))
    with pytest.raises(StorageError, match="free some space"):
        train(config, small_disk / "run")
    (small_disk / "filler").unlink()
    train(replace(config), small_disk / "run", resume=True)
    assert load_checkpoint(small_disk / "run").card.training["epochs"] == 3

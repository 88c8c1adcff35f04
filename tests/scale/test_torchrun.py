"""Two processes of torchrun on gloo train what one process trains, with the same global batch."""

import json
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import PROJECT
from vip_core.models.vip import ViP

pytestmark = pytest.mark.scale


def run_processes(count: int, *arguments: str, cache: str) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(PROJECT),
        "VIP_CACHE": cache,
        "VIP_DEVICE": "cpu",
        "OMP_NUM_THREADS": "1",
    }
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
    done = subprocess.run(
        [*torchrun, *arguments], cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize(
    ("method", "tower"), [("fine-tuned", "resnet"), ("fine-tuned", "vit"), ("maple", "vit")], ids=str
)
def test_method_that_changes_the_image_tower(method, tower, tiny_native, image_folder, tmp_path):
    found = {}
    for count in (1, 2):
        out = tmp_path / f"{count}.pt"
        name = tiny_native if tower == "vit" else tower
        arguments = (method, name, str(image_folder), str(out))
        run_processes(count, "tests/scale/torchrun_methods.py", *arguments, cache=str(tmp_path / "cache"))
        found[count] = torch.load(out)
    one, two = found[1], found[2]
    torch.testing.assert_close(two["history"], one["history"], atol=1e-5, rtol=0)
    assert one["state"].keys() == two["state"].keys()
    for key, value in one["state"].items():
        torch.testing.assert_close(two["state"][key], value, atol=1e-5, rtol=1e-5, msg=lambda text, key=key: key + text)
    losses = one["history"][:, 0]
    assert (losses[1:] - losses[:-1]).abs().min() > 0.01  # the steps change much, so that equality means something


def test_train_command_with_fresh_views(tiny_native, image_folder, symptom_file, tmp_path):
    for count in (1, 2):
        command = ["-m", "vip_core.train", "--data", "folder", "--root", str(image_folder), "--views", "0"]
        command += ["--symptoms", str(symptom_file), "--backbone", tiny_native, "--epochs", "3", "--rate", "0.05"]
        run_processes(count, *command, "--out", str(tmp_path / str(count)), cache=str(tmp_path / f"cache{count}"))
    one, two = (load_file(tmp_path / str(count) / "model.safetensors") for count in (1, 2))
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, atol=1e-5, rtol=0)
    cards = [json.loads((tmp_path / str(count) / "card.json").read_text()) for count in (1, 2)]
    assert cards[0]["figures"] == cards[1]["figures"]
    assert cards[0]["training"]["history"] == cards[1]["training"]["history"]
    assert ViP.from_pretrained(tmp_path / "2").card is not None

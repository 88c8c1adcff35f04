"""Small real towers, small real images, and the real data where it is present."""

import gc
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from open_clip.model import CLIP, CustomTextCLIP
from PIL import Image

from tests.llm_server import GOOD, VARIABLES, llm_server
from vip_core.models.backbone import Backbone
from vip_core.symptoms import SymptomSet
from vip_core.training.config import TrainConfig
from vip_core.training.run import train
from vip_core.utils.files import tensor_bytes

PROJECT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("VIP_DATA", PROJECT.parent / "shared" / "data"))

# D = 8, W = 12: towers where the two differ catch a matrix sized by the wrong one.
TINY = {
    "embed_dim": 8,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 16, "head_width": 8, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 12, "heads": 2, "layers": 2},
}


@pytest.fixture(autouse=True, scope="session")
def session_cache(tmp_path_factory):
    """No test reads or fills the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIP_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def own_cache(session_cache, tmp_path_factory, monkeypatch):
    """Nor another test's."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("VIP_CACHE", str(folder))
    yield
    shutil.rmtree(folder, ignore_errors=True)


def tiny_folder(folder: Path, custom_text: bool) -> Path:
    """A tiny CLIP in open_clip's local-dir form, text modules on the model or under `.text`."""
    config = {"model_cfg": {**TINY, "custom_text": custom_text}, "preprocess_cfg": {"size": 32}}
    torch.manual_seed(3)
    clip = (CustomTextCLIP if custom_text else CLIP)(**TINY)
    for parameter in clip.parameters():  # as initialised the features of all texts are nearly the same
        torch.nn.init.normal_(parameter, std=0.3) if parameter.ndim > 1 else None
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    (folder / "open_clip_model.safetensors").write_bytes(tensor_bytes(clip.state_dict()))
    return folder


@pytest.fixture(scope="session")
def tiny_native(tmp_path_factory) -> str:
    return f"local-dir:{tiny_folder(tmp_path_factory.mktemp('native'), custom_text=False)}"


@pytest.fixture(scope="session")
def tiny_custom(tmp_path_factory) -> str:
    return f"local-dir:{tiny_folder(tmp_path_factory.mktemp('custom'), custom_text=True)}"


@pytest.fixture(scope="session")
def vip_mini() -> Backbone:
    return Backbone.load("vip-mini")


@pytest.fixture
def backbone(tiny_native) -> Backbone:
    return Backbone.load(tiny_native)


@pytest.fixture
def symptoms() -> SymptomSet:
    """Classes of one, three and five symptoms."""
    return SymptomSet.from_dict(
        {
            "normal": ["clear lungs"],
            "bacterial": ["one white lobe", "air bronchograms", "a sharp fissure"],
            "viral": ["streaks", "haze in both lungs", "thick bronchial walls", "flat diaphragms", "many dark areas"],
        }
    )


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory) -> Path:
    """Forty images in two classes that differ in brightness, one folder per class. Not to be written to."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("images") / "data"
    for name, tone in (("white", 170), ("dark", 90)):
        (folder / name).mkdir(parents=True)
        for i in range(20):
            pixels = np.clip(rng.normal(tone, 40, (40, 48, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{name}{i:02d}.png")
    return folder


@pytest.fixture(scope="session")
def halves(image_folder, tmp_path_factory) -> Path:
    """A labels.csv of the images: of each class ten to train on and ten to validate on."""
    path = tmp_path_factory.mktemp("halves") / "labels.csv"
    rows = [
        f"{image},{image.parent.name},{'train' if int(image.stem[-2:]) < 10 else 'val'}"
        for image in sorted(image_folder.rglob("*.png"))
    ]
    path.write_text("\n".join(["image,label,split", *rows]))
    return path


@pytest.fixture(scope="session")
def symptom_file(tmp_path_factory) -> Path:
    """Symptoms of the two classes; the first class is the later one in the folder's order of writing."""
    path = tmp_path_factory.mktemp("symptoms") / "symptoms.json"
    path.write_text(json.dumps({"dark": ["black areas", "low brightness"], "white": ["bright areas"]}))
    return path


@pytest.fixture(scope="session")
def trained(session_cache, image_folder, symptom_file, tiny_native, tmp_path_factory) -> Path:
    """The folder of a checkpoint trained on them. Not to be written to."""
    out = tmp_path_factory.mktemp("runs") / "trained"
    config = TrainConfig("folder", str(image_folder), str(symptom_file), backbone=tiny_native, epochs=2, views=1)
    train(config, out)
    return out


@pytest.fixture(scope="session")
def adapted(session_cache, image_folder, symptom_file, tiny_native, tmp_path_factory):
    """The folder of a checkpoint with an adapter."""
    out = tmp_path_factory.mktemp("runs") / "adapted"
    config = TrainConfig(
        "folder", str(image_folder), str(symptom_file), tiny_native, epochs=4, views=1, method="vip-adapter", rank=2
    )
    train(config, out)
    return out


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder with the real data; tests that need it are skipped where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"no real data at {DATA}; set VIP_DATA to its folder")
    return DATA


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def offline(monkeypatch):
    """Hugging Face's libraries as with HF_HUB_OFFLINE, which they read once, when they are imported."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture
def no_setup(monkeypatch):
    """Whatever the user has set up stays out of the tests."""
    for name in (*VARIABLES, "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def llm():
    """A language model's server, which answers with GOOD."""
    with llm_server() as server:
        server.says(GOOD)
        yield server


def pytest_collection_finish():
    """Half a million objects are there for good: the garbage collector need not look at them again and again."""
    gc.collect()
    gc.freeze()

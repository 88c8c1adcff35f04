"""OpenVINO gives the features of the image tower in float32, and the rows of an archive.

In a process of its own (`make test-scale`): a process that had also driven a browser and trained was killed by the
system while it waited for a child, with nothing of ours on the stack.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

pytest.importorskip("openvino")
pytest.importorskip("pyarrow")

from tests.scale.conftest import read_archive, score
from vip_core.errors import CheckpointError, UsageError
from vip_core.models.vip import ViP
from vip_core.scale.openvino_tower import OpenVinoTower
from vip_core.scale.storage import Storage
from vip_core.scale.worker import ScoringWorker
from vip_core.score import main

pytestmark = pytest.mark.scale


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("VIP_CACHE", str(tmp_path / "cache"))


@torch.inference_mode()
def largest_difference(backbone, pixels: torch.Tensor, features: torch.Tensor) -> float:
    """Relative to the norm of the features."""
    own = backbone.encode_images(pixels)
    return float((features - own).norm(dim=-1).max() / own.norm(dim=-1).mean())


def test_openvino_tower_gives_the_features_for_any_batch(backbone):
    tower = OpenVinoTower(backbone, threads=1)
    for count in (16, 5, 1):
        pixels = torch.randn(count, 3, *backbone.image_size)
        assert largest_difference(backbone, pixels, tower(pixels)) < 1e-5


def test_openvino_tower_gives_each_thread_its_own_features(backbone):
    tower = OpenVinoTower(backbone, threads=4)
    batches = [torch.randn(3, 3, *backbone.image_size) for _ in range(40)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(tower, batches))
    for pixels, features in zip(batches, found, strict=True):
        assert largest_difference(backbone, pixels, features) < 1e-5


def test_openvino_tower_is_exported_once(backbone, tmp_path, capsys):
    first, second = (OpenVinoTower(backbone, threads=1) for _ in range(2))
    pixels = torch.randn(2, 3, *backbone.image_size)
    assert torch.equal(first(pixels), second(pixels))
    assert len(list((tmp_path / "cache" / "openvino").iterdir())) == 1
    assert capsys.readouterr().err.count("this is done once") == 1


def test_openvino_tower_gives_the_features_of_vip_mini(vip_mini):
    pixels = torch.randn(4, 3, 224, 224)
    assert largest_difference(vip_mini, pixels, OpenVinoTower(vip_mini, threads=2)(pixels)) < 1e-5


def test_rows_are_those_of_torch_in_float32(trained, few_images, tmp_path, monkeypatch):
    monkeypatch.setattr("vip_core.scale.worker.fast_bf16", lambda device: False)
    vip = ViP.from_pretrained(trained)
    for runtime in ("torch", "openvino"):
        score(ScoringWorker(vip, vip.symptoms, {}, Storage(), runtime), few_images, tmp_path / runtime)
    for own, found in zip(*(read_archive(tmp_path / each).to_pylist() for each in ("torch", "openvino")), strict=True):
        assert (own["path"], own["error"], own["digest"]) == (found["path"], found["error"], found["digest"])
        assert own["probabilities"] == (found["probabilities"] and pytest.approx(found["probabilities"], abs=1e-5))


def test_an_archive_has_one_runtime(trained, few_images, tmp_path):
    vip = ViP.from_pretrained(trained)
    score(ScoringWorker(vip, vip.symptoms, {}, Storage()), few_images, tmp_path / "out")
    with pytest.raises(CheckpointError, match="another runtime"):
        score(ScoringWorker(vip, vip.symptoms, {}, Storage(), "openvino"), few_images, tmp_path / "out")


def test_score_takes_the_runtime_with_an_archive_only(trained, few_images, tmp_path):
    words = [str(few_images / "image0001.png"), "--checkpoint", str(trained), "--runtime", "openvino"]
    with pytest.raises(UsageError, match="--out"):
        main(words)
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    assert read_archive(tmp_path / "out").num_rows == 1

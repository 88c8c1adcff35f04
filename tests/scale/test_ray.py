"""A real Ray cluster of two nodes: every image has one row, whatever dies meanwhile."""

import contextlib
import json
import os
import signal
import threading
import time
from contextvars import copy_context
from pathlib import Path

import pytest

pytest.importorskip("ray")
import ray
import torch
from ray.cluster_utils import Cluster
from torch import Tensor

from tests.scale.conftest import read_archive, score
from vip_core.data.features import encode_with, image_features
from vip_core.errors import UsageError
from vip_core.evaluate import main as evaluate
from vip_core.scale.ray_engine import RayEngine
from vip_core.scale.ray_features import RayFeatures
from vip_core.train import main as train

pytestmark = pytest.mark.scale
MEMORY = 100 * 2**20  # bytes of a node's object store


@pytest.fixture(scope="module")
def cluster():
    """Two nodes of a core each."""
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - Ray's own 15 starves on a busy machine
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": MEMORY})
    try:
        found.add_node(num_cpus=1, object_store_memory=MEMORY)
        found.wait_for_nodes()
        yield found
    finally:
        ray.shutdown()
        found.shutdown()


def actor_processes() -> list[int]:
    """Processes of the actors on both nodes, by the title that Ray gives them."""
    titles = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            titles[int(path.parent.name)] = path.read_bytes()
    return [process for process, title in titles.items() if b"MapWorker(Map(Actor))" in title]


def test_archive_on_two_nodes_survives_the_death_of_a_worker(cluster, worker, many_images, tmp_path):
    assert len(cluster.list_all_nodes()) == 2
    score(worker, many_images, tmp_path / "single")
    killed = []

    def kill_one() -> None:
        while len(list((tmp_path / "ray").glob("part-*.parquet"))) < 3:
            time.sleep(0.01)
        killed.append(actor_processes()[0])
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    summary = score(worker, many_images, tmp_path / "ray", RayEngine(cluster.address).score)
    killer.join(10)
    assert len(killed) == 1 and not Path(f"/proc/{killed[0]}").exists()
    assert (summary.images, summary.scored, summary.failed) == (600, 600, 6)
    rows = read_archive(tmp_path / "ray")
    assert len(set(rows.column("path").to_pylist())) == len(rows) == 600
    assert rows.equals(read_archive(tmp_path / "single"))
    assert score(worker, many_images, tmp_path / "ray", RayEngine(cluster.address).score).scored == 0


def test_features_on_a_cluster_are_those_of_this_process_to_the_bit(
    cluster, backbone, many_images, monkeypatch, tmp_path
):
    paths = sorted(many_images.glob("00/*.png"))[:49]

    def features(float32: bool, views: int) -> Tensor:
        monkeypatch.setenv("VIP_CACHE", str(tmp_path / str(len(list(tmp_path.iterdir())))))
        return image_features(backbone, paths, views, crop=0.3, float32=float32)

    def on_the_cluster() -> list[Tensor]:
        encode_with(RayFeatures(RayEngine(cluster.address)))
        return [features(True, 0), features(True, 2), features(False, 2)]

    here = [features(True, 0), features(True, 2), features(False, 2)]
    for own, other in zip(here, copy_context().run(on_the_cluster), strict=True):
        assert torch.equal(own, other)


def test_train_and_evaluate_encode_on_a_cluster(
    cluster, trained, image_folder, symptom_file, tiny_native, tmp_path, capsys
):
    data = ["--data", "folder", "--root", str(image_folder)]
    ray_engine = ["--engine", "ray", "--address", cluster.address]
    training = ["--symptoms", str(symptom_file), "--backbone", tiny_native, "--epochs", "2", "--views", "1"]
    assert train([*data, *training, "--out", str(tmp_path / "run"), *ray_engine]) == 0
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == (trained / "model.safetensors").read_bytes()
    capsys.readouterr()
    found = []
    for number, more in enumerate((ray_engine, [])):
        assert evaluate([*data, "--split", "val", "--checkpoint", str(trained), "--json", *more]) == 0, number
        found.append(json.loads(capsys.readouterr().out))
    assert found[0]["accuracy"] == found[1]["accuracy"] and found[0]["ece"] == found[1]["ece"]


def test_an_address_without_a_cluster_is_refused(worker, few_images, tmp_path):
    for address in ("127.0.0.1:1", "ray://127.0.0.1:1", "nowhere.invalid:10001"):
        with pytest.raises(UsageError, match=f"There is no Ray cluster at {address} "):
            score(worker, few_images, tmp_path / "out", RayEngine(address).score)

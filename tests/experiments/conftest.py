"""A small experiment: forty images in two classes, a tiny backbone, two epochs."""

from pathlib import Path

import pytest

from tests.processes import start_fork_server
from vip_core.experiments.config import ExperimentConfig
from vip_core.training.config import TrainConfig


@pytest.fixture(autouse=True, scope="session")
def fork_server():
    """Jobs are forked from the process that has the imports of all tests."""
    start_fork_server()


@pytest.fixture
def config(image_folder, symptom_file, tiny_native, tmp_path):
    """Makes a configuration of it."""

    def make(**more) -> ExperimentConfig:
        train = TrainConfig("folder", str(image_folder), str(symptom_file), backbone=tiny_native, epochs=2, views=2)
        return ExperimentConfig(train, **{"seeds": (1, 2), "out": tmp_path / "results", **more})

    return make


def files(folder: Path) -> dict[str, bytes]:
    """The tables of a folder of results by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".csv", ".md")}

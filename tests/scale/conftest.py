"""An archive of small images, a few of which cannot be read, and helpers to score and read it back."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("pyarrow")
import pyarrow as pa
import pyarrow.parquet as pq

from vip_core.models.vip import ViP
from vip_core.scale.archive import ArchiveSummary, local_engine, score_archive
from vip_core.scale.sources import list_images
from vip_core.scale.storage import Storage
from vip_core.scale.worker import ScoringWorker


def make_archive(folder: Path, count: int) -> Path:
    """Images in folders of a hundred; every 97th is damaged."""
    rng = np.random.default_rng(5)
    for number in range(count):
        path = folder / f"{number // 100:02d}" / f"image{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if number % 97 == 50:
            path.write_bytes(b"not an image")
        else:
            tone = int(rng.integers(40, 215))
            Image.fromarray(np.clip(rng.normal(tone, 40, (36, 40, 3)), 0, 255).astype(np.uint8)).save(path)
    return folder


@pytest.fixture(scope="session")
def many_images(tmp_path_factory) -> Path:
    """600 images. Not to be written to."""
    return make_archive(tmp_path_factory.mktemp("archive") / "films", 600)


@pytest.fixture
def few_images(many_images, tmp_path) -> Path:
    """100 images of one's own."""
    return Path(shutil.copytree(many_images / "00", tmp_path / "films"))


@pytest.fixture
def worker(trained) -> ScoringWorker:
    vip = ViP.from_pretrained(trained)
    return ScoringWorker(vip, vip.symptoms, {}, Storage())


def score(worker: ScoringWorker, source: Path | str, out: Path, engine=local_engine, **more) -> ArchiveSummary:
    listing = list_images([str(source)], worker.storage)
    return score_archive(listing, out, worker, engine, **{"shard_batches": 1, **more})


def read_archive(folder: Path) -> pa.Table:
    """All rows, sorted by path."""
    parts = sorted(folder.glob("*.parquet"))
    return pa.concat_tables([pq.read_table(path) for path in parts]).sort_by("path").combine_chunks()

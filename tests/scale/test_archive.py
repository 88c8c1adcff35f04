"""Scoring an archive: one row per image, the same as `score --json`, and only what is missing."""

import json
import os

import pyarrow.parquet as pq
import pytest
import torch

from tests.scale.conftest import read_archive, score
from vip_core.errors import CheckpointError, StorageError, UsageError
from vip_core.models.vip import ViP
from vip_core.scale.archive import BATCH_IMAGES
from vip_core.scale.storage import Storage
from vip_core.scale.worker import ScoringWorker
from vip_core.score import main
from vip_core.utils.lock import locked


def count_encoded(worker: ScoringWorker) -> list[int]:
    """Numbers of images in each later pass of the tower."""
    passes: list[int] = []
    tower = worker.predictor.backbone.clip.visual
    tower.register_forward_pre_hook(lambda module, arguments: passes.append(len(arguments[0])))
    return passes


def test_score_archive_gives_what_score_prints_as_json(trained, few_images, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("vip_core.scale.worker.fast_bf16", lambda device: False)  # `score` itself is in float32
    out = tmp_path / "out"
    common = [str(few_images), "--checkpoint", str(trained)]
    assert main([*common, "--out", str(out), "--format", "parquet"]) == 1  # one image is damaged
    assert "100 images: 100 scored now; 1 cannot be read" in " ".join(capsys.readouterr().err.split())
    assert main([*common, "--json"]) == 1
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    rows = read_archive(out).to_pylist()
    assert [row["path"] for row in rows] == [record["image"] for record in printed]
    for row, record in zip(rows, printed, strict=True):
        assert row["error"] == record.get("error")
        if "error" not in record:
            assert row["prediction"] == record["prediction"]
            assert row["probabilities"] == pytest.approx(record["probabilities"], abs=1e-4)
            assert row["domain"]["in_domain"] == record["domain"]["in_domain"]
            assert [s["symptom"] for s in row["symptoms"]] == [s["symptom"] for s in record["symptoms"]]
            assert set(row["symptoms"][0]) == set(record["symptoms"][0])


def test_rerun_scores_only_what_is_missing(worker, few_images, tmp_path):
    passes = count_encoded(worker)
    score(worker, few_images, tmp_path / "out")
    assert sum(passes) == 99
    before = read_archive(tmp_path / "out")
    passes.clear()
    assert score(worker, few_images, tmp_path / "out").scored == 0
    assert passes == []
    (few_images / "image0003.png").rename(few_images / "renamed.png")  # another path is another image
    summary = score(worker, few_images, tmp_path / "out")
    assert (summary.images, summary.scored, passes) == (101, 1, [1])
    assert read_archive(tmp_path / "out").slice(0, 100).equals(before)  # rows of absent files stay


def test_rerun_scores_changed_content_again_and_a_new_date_not(worker, few_images, tmp_path):
    score(worker, few_images, tmp_path / "out")
    passes = count_encoded(worker)
    touched, changed, mended = (few_images / f"image00{number}.png" for number in ("01", "02", "50"))
    os.utime(touched, (1, 1))
    changed.write_bytes((few_images / "image0007.png").read_bytes())
    mended.write_bytes((few_images / "image0008.png").read_bytes())
    summary = score(worker, few_images, tmp_path / "out")
    assert (summary.images, summary.scored, summary.failed, passes) == (100, 2, 0, [2])
    rows = {row["path"].rpartition("/")[2]: row for row in read_archive(tmp_path / "out").to_pylist()}
    assert len(rows) == 100
    assert rows["image0002.png"]["digest"] == rows["image0007.png"]["digest"]
    assert rows["image0002.png"]["logits"] == pytest.approx(rows["image0007.png"]["logits"], abs=0.05)


def test_images_that_could_not_be_opened_are_tried_again(worker, few_images, tmp_path):
    table = tmp_path / "paths.csv"
    table.write_text("image\nfilms/image0001.png\nfilms/absent.png\n")
    summary = score(worker, table, tmp_path / "out")
    assert (summary.images, summary.failed) == (2, 1)
    (few_images / "image0002.png").rename(few_images / "absent.png")
    summary = score(worker, table, tmp_path / "out")
    assert (summary.images, summary.scored, summary.failed) == (2, 1, 0)


def test_results_do_not_depend_on_the_number_of_threads(worker, few_images, tmp_path):
    threads = torch.get_num_threads()
    try:
        for lanes in (1, 3):
            torch.set_num_threads(lanes)
            score(worker, few_images, tmp_path / str(lanes))
    finally:
        torch.set_num_threads(threads)
    assert read_archive(tmp_path / "1").equals(read_archive(tmp_path / "3"))


def test_files_have_whole_batches(worker, few_images, tmp_path):
    score(worker, few_images, tmp_path / "out", shard_batches=2)
    assert [pq.read_metadata(path).num_rows for path in sorted((tmp_path / "out").glob("*.parquet"))] == [
        *[2 * BATCH_IMAGES] * 3,
        100 - 6 * BATCH_IMAGES,
    ]


def test_another_model_is_refused(worker, trained, adapted, few_images, tmp_path):
    score(worker, few_images, tmp_path / "out")
    vip = ViP.from_pretrained(trained)
    other = ViP.from_pretrained(adapted)
    edited = vip.symptoms.edited("white", ["snow"])
    for changed, words in (
        (ScoringWorker(vip, edited, {}, Storage()), "another symptoms"),
        (ScoringWorker(other, other.symptoms, {}, Storage()), "another model"),
        (ScoringWorker(vip, vip.symptoms, {"white": 0.1}, Storage()), "another prevalence"),
    ):
        with pytest.raises(CheckpointError, match=words):
            score(changed, few_images, tmp_path / "out")


def test_prevalence_corrects_the_rows(trained, few_images, tmp_path):
    vip = ViP.from_pretrained(trained)
    score(ScoringWorker(vip, vip.symptoms, {"white": 0.01}, Storage()), few_images, tmp_path / "rare")
    score(ScoringWorker(vip, vip.symptoms, {}, Storage()), few_images, tmp_path / "plain")
    rare, plain = (read_archive(tmp_path / name).to_pylist() for name in ("rare", "plain"))
    good = [
        (a["probabilities"]["white"], b["probabilities"]["white"])
        for a, b in zip(rare, plain, strict=True)
        if not a["error"]
    ]
    assert len(good) == 99 and all(a < b for a, b in good)
    assert rare[0]["prevalence"] == {"white": 0.01, "dark": 0.99}


def test_one_run_writes_to_a_folder(worker, few_images, tmp_path):
    with locked(tmp_path / "out"), pytest.raises(StorageError, match="Another run is writing"):
        score(worker, few_images, tmp_path / "out")


def test_a_damaged_file_is_named(worker, few_images, tmp_path):
    score(worker, few_images, tmp_path / "out")
    (tmp_path / "out" / "part-000001.parquet").write_bytes(b"PAR1")
    with pytest.raises(StorageError, match=r"part-000001.parquet is damaged; delete it"):
        score(worker, few_images, tmp_path / "out")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--json", "--out", "x"], "leave --json and --uncertainty out"),
        (["--engine", "ray"], "--engine ray needs --out"),
    ],
)
def test_score_refuses_words_that_do_not_go_together(trained, more, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=words):
        main(["x.png", "--checkpoint", str(trained), *more])

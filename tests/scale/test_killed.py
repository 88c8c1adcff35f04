"""kill -9 of the scoring command: the next run completes the archive, as if nothing had happened."""

import contextlib
import multiprocessing
import time
from pathlib import Path

import pytest

from tests.scale.conftest import read_archive

pytestmark = pytest.mark.scale
MOMENTS = 10
PRELOADED = ["vip_core.score", "vip_core.scale.archive", "vip_core.scale.sources", "vip_core.scoring.uncertainty"]


def run_command(arguments: list[str]) -> None:
    from vip_core.score import main

    raise SystemExit(main(arguments))


def parts(out: Path) -> int:
    return len(list(out.glob("part-*.parquet")))


def being_written(out: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return any(path.name.startswith(".part-") for path in out.iterdir())
    return False


def test_killed_at_ten_moments_gives_the_rows_of_an_uninterrupted_run(trained, many_images, tmp_path):
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(PRELOADED)
    arguments = [str(many_images), "--checkpoint", str(trained), "--rows-per-file", "32", "--out"]

    def start(out: Path) -> multiprocessing.process.BaseProcess:
        process = server.Process(target=run_command, args=([*arguments, str(out)],))
        process.start()
        return process

    out, whole = tmp_path / "killed", tmp_path / "whole"
    counts = []
    for moment in range(MOMENTS):
        before, process = parts(out), start(out)
        while process.is_alive():
            # Half of the kills come while a file is being written, the others a little after one was completed.
            if moment % 2 and being_written(out):
                break
            if parts(out) > before:
                time.sleep(0.004 * moment)
                break
            time.sleep(0.0005)
        process.kill()
        process.join()
        assert process.exitcode == -9
        counts.append(parts(out))
    assert counts[0] > 0 and counts[-1] < 19 and counts == sorted(counts)
    for folder in (out, whole):
        process = start(folder)
        process.join()
        assert process.exitcode == 1  # six images are damaged
    rows = read_archive(out)
    assert len(rows) == 600 and len(set(rows.column("path").to_pylist())) == 600
    assert rows.equals(read_archive(whole))

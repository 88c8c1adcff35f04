"""The folder of uploads: only files of our own are ever deleted."""

import os
import subprocess
import sys
import time

import pytest

from demo.state.uploads import LOCK, MARK, PREFIX, delete_abandoned, sweep, upload_folder


def old(path, text="x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (time.time() - 1000,) * 2)
    return path


def test_sweep_deletes_old_files_and_leaves_what_is_being_written(tmp_path):
    left, fresh = old(tmp_path / "a" / "left"), tmp_path / "a" / "fresh"
    fresh.write_text("x")
    sweep(tmp_path, 90)
    assert not left.exists() and fresh.exists()


def test_sweep_follows_no_link(tmp_path):
    thesis = old(tmp_path / "home" / "chapter")
    folder = tmp_path / "uploads"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "home", target_is_directory=True)
    (folder / "file").symlink_to(thesis)
    sweep(folder, 90)
    assert thesis.exists()


def test_upload_folder_is_private_and_goes_at_the_end(tmp_path):
    with upload_folder(str(tmp_path)) as folder:
        assert folder.stat().st_mode & 0o777 == 0o700 and (folder / LOCK).exists()
        old(folder / "x")
    assert not folder.exists()


def test_delete_abandoned_takes_what_a_dead_server_left(tmp_path):
    code = (
        f"import os; from demo.state.uploads import upload_folder\nwith upload_folder({str(tmp_path)!r}): os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    assert list(tmp_path.glob(f"{PREFIX}*"))
    delete_abandoned(tmp_path)
    assert not list(tmp_path.glob(f"{PREFIX}*"))


@pytest.mark.parametrize("kind", ["no lock", "another lock", "a link", "a living server"])
def test_delete_abandoned_leaves_what_is_not_a_dead_servers(tmp_path, kind):
    chapter = old(tmp_path / "thesis" / "chapter")
    name = tmp_path / f"{PREFIX}mine"
    if kind == "a link":
        (tmp_path / "thesis" / LOCK).write_bytes(MARK)
        name.symlink_to(tmp_path / "thesis", target_is_directory=True)
    elif kind == "a living server":
        with upload_folder(str(tmp_path)) as living:
            file = old(living / "x")
            delete_abandoned(tmp_path)
            assert file.exists()
        return
    else:
        chapter = old(name / "chapter")
        if kind == "another lock":
            (name / LOCK).write_text("somebody else's")
    delete_abandoned(tmp_path)
    assert chapter.exists()

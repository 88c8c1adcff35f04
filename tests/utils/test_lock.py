"""A folder has one writer at a time."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT
from vip_core.errors import StorageError
from vip_core.utils.lock import locked

HOLD = """
import sys, time
from pathlib import Path
from vip_core.utils.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_locked_refuses_a_second_process_and_ends_with_the_first(tmp_path):
    folder = tmp_path / "run"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, folder],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(StorageError, match=f"Another run is writing to {folder}; wait for it"), locked(folder):
        pass
    holder.kill()
    holder.wait()
    with locked(folder):
        assert folder.is_dir()


def test_locked_is_free_again_after_an_error(tmp_path):
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), locked(tmp_path):
            1 / 0  # noqa: B018


def test_locked_names_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file/run cannot be written"), locked(Path(tmp_path / "file" / "run")):
        pass

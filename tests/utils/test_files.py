"""Files are written whole or not at all, with the permissions that the user's umask leaves."""

import os
import stat

import pytest

from vip_core.errors import StorageError
from vip_core.utils.files import atomic, write_json


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o007])
def test_write_json_leaves_the_permissions_to_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_json(tmp_path / "ours.json", {})
        (tmp_path / "theirs.json").touch()
    finally:
        os.umask(before)
    ours, theirs = (stat.S_IMODE((tmp_path / f"{name}.json").stat().st_mode) for name in ("ours", "theirs"))
    assert ours == theirs == 0o666 & ~umask


def test_atomic_keeps_the_old_file_when_the_block_fails(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})
    with pytest.raises(ZeroDivisionError), atomic(path) as temporary:
        temporary.write_text("half")
        1 / 0  # noqa: B018
    assert "old" in path.read_text() and list(tmp_path.iterdir()) == [path]


def test_atomic_blames_the_disk_for_errors_of_files_alone(tmp_path):
    with pytest.raises(StorageError, match=r"gone/a\.pt could not be written"), atomic(tmp_path / "a" / "gone/a.pt"):
        raise OSError(28, "No space left on device")
    with pytest.raises(RuntimeError, match="out of memory"), atomic(tmp_path / "a.pt"):
        raise RuntimeError("CUDA out of memory")

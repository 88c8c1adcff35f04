"""The folder of the static page: whole or not at all, with a manifest of every file."""

import hashlib
import json

import pytest

from vip_core.errors import UsageError
from vip_core.web.folder import with_manifest, write_folder

FILES = {"index.html": b"<p>", "model/text.onnx": b"\0\1", "service-worker.js": b'const CACHE = "vip-@VERSION@";'}


def test_with_manifest_lists_every_other_file_with_its_digest():
    found = with_manifest(FILES)
    manifest = json.loads(found["files.json"])
    listed = {name: file["sha256"] for name, file in manifest["files"].items()}
    assert listed == {name: hashlib.sha256(FILES[name]).hexdigest() for name in ("index.html", "model/text.onnx")}
    assert f'"vip-{manifest["version"]}"'.encode() in found["service-worker.js"]


def test_with_manifest_gives_another_version_when_a_file_changes():
    before = json.loads(with_manifest(FILES)["files.json"])
    after = json.loads(with_manifest(FILES | {"index.html": b"<i>"})["files.json"])
    assert before["version"] != after["version"]


def test_write_folder_replaces_a_former_export_whole(tmp_path):
    out = tmp_path / "page"
    write_folder(out, with_manifest(FILES | {"old.js": b""}))
    write_folder(out, with_manifest(FILES))
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()) == sorted(
        [*FILES, "files.json"]
    )
    assert [path.name for path in tmp_path.iterdir()] == ["page"]


@pytest.mark.parametrize("there", ["folder", "file"])
def test_write_folder_keeps_what_is_not_an_export(tmp_path, there):
    out = tmp_path / "mine"
    if there == "folder":
        out.mkdir()
        (out / "notes.txt").write_text("mine")
    else:
        out.write_text("mine")
    with pytest.raises(UsageError, match="give --out a"):
        write_folder(out, with_manifest(FILES))
    assert (out / "notes.txt" if there == "folder" else out).read_text() == "mine"

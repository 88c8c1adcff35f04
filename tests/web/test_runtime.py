"""The browser's runtime: pinned, checked, and a sentence where it cannot be had."""

import hashlib
import os
import stat

import pytest

from vip_core.errors import UsageError
from vip_core.web import runtime
from vip_core.web.runtime import DIGESTS, RUNTIME_VERSION, find_runtime


@pytest.fixture
def known(monkeypatch):
    """Small files in the place of the real ones, with their digests."""
    files = {name: f"content of {name}".encode() for name in DIGESTS}
    monkeypatch.setattr(runtime, "DIGESTS", {name: hashlib.sha256(text).hexdigest() for name, text in files.items()})
    return files


def write(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


@pytest.mark.parametrize("inner", ["", "dist"])
def test_find_runtime_takes_a_folder_or_a_package(tmp_path, known, inner):
    write(tmp_path / inner, known)
    assert find_runtime(tmp_path) == known


def test_find_runtime_refuses_another_version(tmp_path, known):
    changed = next(iter(known))
    write(tmp_path, known | {changed: b"another"})
    with pytest.raises(UsageError, match=rf"{changed} in .* is not that of onnxruntime-web {RUNTIME_VERSION}"):
        find_runtime(tmp_path)


def test_find_runtime_names_a_missing_file_and_both_ways_out(tmp_path, known):
    with pytest.raises(UsageError, match=r"cannot be read .*; install npm, or give --runtime the folder"):
        find_runtime(tmp_path)


def test_find_runtime_without_npm_says_how_to_get_it(tmp_path, known, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="there is no npm to get it; install npm, or give --runtime"):
        find_runtime()


def test_find_runtime_reports_an_npm_that_fails(tmp_path, known, monkeypatch):
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\nexit 1\n")
    npm.chmod(npm.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(UsageError, match="npm could not get onnxruntime-web"):
        find_runtime()

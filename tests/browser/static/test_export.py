"""The folder that vip export-web writes: its size, its README for a Space, its licences, and what it refuses."""

import hashlib
import json

import pytest

from vip_core.cli import vip
from vip_core.errors import CheckpointError, UsageError


def listed(folder):
    """Files of a folder by their path in it."""
    return {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "limit"), [("site", 80e6), ("small_site", 40e6)])
def test_folder_of_two_tasks_is_small_and_its_manifest_true(request, precision, limit):
    folder = request.getfixturevalue(precision)
    files = listed(folder)
    assert sum(path.stat().st_size for path in files.values()) <= limit
    manifest = json.loads((folder / "files.json").read_text())["files"]
    assert set(files) - set(manifest) == {"files.json", "service-worker.js"}
    assert all(
        hashlib.sha256(files[name].read_bytes()).hexdigest() == file["sha256"] for name, file in manifest.items()
    )


@pytest.mark.slow
def test_folder_names_no_other_address_in_its_scripts(site):
    for name, path in listed(site).items():
        if name.endswith((".js", ".html", ".css")):
            text = path.read_text().replace("http://www.w3.org/2000/svg", "")
            assert "http://" not in text and "https://" not in text, name


@pytest.mark.slow
def test_readme_has_the_front_matter_of_a_static_space(site):
    front = (site / "README.md").read_text().split("---\n")[1]
    fields = dict(line.split(": ", 1) for line in front.splitlines() if ": " in line)
    assert fields["sdk"] == "static" and fields["app_file"] == "index.html" and fields["license"] == "apache-2.0"
    assert len(fields["short_description"]) <= 60
    assert "  - medical-imaging" in front.splitlines()


@pytest.mark.slow
def test_licences_of_all_parts_are_there(site):
    texts = {path.name: path.read_text() for path in (site / "licences").iterdir()}
    assert "MIT License" in texts["onnxruntime.txt"] and "Apache License" in texts["apache-2.0.txt"]
    assert "Permission is hereby granted" in texts["open-clip.txt"] and "CC BY 4.0" in texts["examples.md"]


def test_export_web_refuses_a_folder_that_is_not_its_own_before_it_loads_a_model(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="give --out a new or empty folder"):
        vip(["export-web", "--checkpoint", "pneumonia", "--out", str(tmp_path)])


@pytest.mark.slow
def test_export_web_names_an_unknown_checkpoint(tmp_path, runtime):
    with pytest.raises(CheckpointError, match="Unknown checkpoint nothing"):
        vip(["export-web", "--checkpoint", "nothing", "--out", str(tmp_path / "page"), "--runtime", str(runtime)])
    assert not (tmp_path / "page").exists()

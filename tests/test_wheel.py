"""The wheel, installed into an empty environment and used outside the checkout; `make test-wheel` runs this.

It downloads PyTorch. With VIP_WHEEL_REUSE=1 the new environment borrows the installed packages of this one, which is
quicker but cannot show that the declared dependencies suffice.
"""

import csv
import json
import os
import re
import socket
import subprocess
import sys
import sysconfig
import tarfile
import time
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest

from demo.settings import SHIPPED
from tests.conftest import PROJECT

pytestmark = pytest.mark.wheel
REUSE = os.environ.get("VIP_WHEEL_REUSE") == "1"
IMAGE = PROJECT / "assets" / "examples" / "pneumonia" / "person139_bacteria_662.jpeg"


@pytest.fixture(scope="module")
def dist(tmp_path_factory) -> Path:
    """The folder of sdist and wheel; the wheel is built from the unpacked sdist, so the sdist is complete."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--outdir", str(folder), str(PROJECT)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return folder


@pytest.fixture(scope="module")
def outside(tmp_path_factory) -> Path:
    """The folder in which the commands run."""
    return tmp_path_factory.mktemp("outside")


@pytest.fixture(scope="module")
def scripts(dist, outside) -> Path:
    """The folder of commands of an environment that holds the wheel without extras."""
    subprocess.run([sys.executable, "-m", "venv", outside / "env"], check=True)
    scripts = outside / "env" / "bin"
    if REUSE:
        (site,) = (outside / "env").glob("lib/python*/site-packages")
        (site / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    install(scripts, dist, "")
    return scripts


def install(scripts: Path, dist: Path, extras: str) -> None:
    """Install the wheel with extras."""
    (wheel,) = dist.glob("*.whl")
    options = ["--no-deps", "--force-reinstall"] if REUSE else []
    subprocess.run([scripts / "pip", "install", "--quiet", *options, f"{wheel}{extras}"], check=True)


def run(scripts: Path, *arguments: object, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Run an installed command outside the checkout, offline, with a home of its own."""
    outside = scripts.parent.parent
    environment = {"PATH": f"{scripts}:/usr/bin:/bin", "HOME": str(outside), "VIP_CACHE": str(outside / "cache")}
    environment |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [scripts / str(arguments[0]), *map(str, arguments[1:])]
    done = subprocess.run(command, cwd=outside, env=environment, capture_output=True, text=True)
    assert done.returncode == status, done.stdout + done.stderr
    return done


# ---- what is in the files


def test_wheel_holds_two_packages_and_the_resources(dist):
    (wheel,) = dist.glob("*.whl")
    names = ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"vip_core", "vip_demo"}
    tracked = subprocess.run(["git", "ls-files", "checkpoints", "assets"], cwd=PROJECT, capture_output=True, text=True)
    for name in set(tracked.stdout.split()) - {"assets/page.png"}:
        assert f"vip_core/resources/{name}" in names
    tracked = subprocess.run(["git", "ls-files", "vip_core", "demo"], cwd=PROJECT, capture_output=True, text=True)
    assert {re.sub("^demo/", "vip_demo/", name) for name in tracked.stdout.split()} <= set(names)


def test_wheel_metadata_starts_with_the_title_of_the_readme(dist):
    (wheel,) = dist.glob("*.whl")
    with ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        headers, description = archive.read(name).decode().split("\n\n", 1)
    assert description.startswith("# ViP")
    assert {f"Programming Language :: Python :: 3.{minor}" for minor in (10, 11, 12, 13)} <= {
        line.removeprefix("Classifier: ") for line in headers.splitlines()
    }


def test_sdist_holds_the_tests_and_no_caches(dist):
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = [name.split("/", 1)[-1] for name in archive.getnames()]
    assert {"tests/conftest.py", "tests/test_wheel.py", "app.py", "Makefile", "docs/method.md", "LICENSE"} <= set(names)
    assert [name for name in names if "__pycache__" in name or name.startswith((".git/", "runs/"))] == []


# ---- the wheel in use


@pytest.mark.skipif(REUSE, reason="the borrowed packages include them")
def test_scoring_needs_neither_gradio_nor_openai_nor_pydicom(scripts):
    code = "import importlib.util as u; print([n for n in ('gradio', 'openai', 'pydicom') if u.find_spec(n)])"
    assert run(scripts, "python", "-c", code).stdout == "[]\n"


def test_vip_score_prints_one_json_object_per_image(scripts):
    done = run(scripts, "vip", "score", IMAGE, "--checkpoint", "pneumonia", "--json")
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["prediction"] == "pneumonia" and json.loads(line)["domain"]["in_domain"]


def test_vip_train_writes_a_checkpoint_that_vip_score_uses(scripts, image_folder, symptom_file, outside):
    options = ("--data", "folder", "--root", image_folder, "--symptoms", symptom_file, "--epochs", 2, "--views", 1)
    run(scripts, "vip", "train", *options, "--out", outside / "trained")
    image = next((image_folder / "dark").iterdir())
    done = run(scripts, "vip", "score", image, "--checkpoint", outside / "trained", "--json")
    assert set(json.loads(done.stdout)["probabilities"]) == {"dark", "white"}


def test_predictor_of_the_wheel_scores_every_shipped_checkpoint(scripts, outside):
    code = (
        "import vip_core; from vip_core import Predictor; print(vip_core.__file__)\n"
        f"for name in {SHIPPED!r}:\n"
        f"    p = Predictor.from_pretrained(name); p.set_image({str(IMAGE)!r}); print(p.score().prediction)"
    )
    where, *predictions = run(scripts, "python", "-c", code).stdout.splitlines()
    assert (
        Path(where).is_relative_to(outside / "env")
        and predictions[0] == "pneumonia"
        and len(predictions) == len(SHIPPED)
    )


def test_vip_refuses_an_unknown_checkpoint_with_one_sentence(scripts):
    done = run(scripts, "vip", "score", IMAGE, "--checkpoint", "nothing/here", status=2)
    assert done.stdout == "" and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


@pytest.mark.skipif(REUSE, reason="the borrowed packages include gradio")
def test_vip_demo_without_its_extra_names_what_to_install(scripts):
    done = run(scripts, "vip", "demo", status=2)
    assert "vip-core[demo]" in done.stderr and done.stderr.count("\n") == 1


def test_vip_demo_serves_the_page(scripts, dist, outside):
    install(scripts, dist, "[demo]")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "HOME": str(outside), "TMPDIR": str(outside), "PYTHONPATH": ""}
    with subprocess.Popen([scripts / "vip", "demo", "--port", str(port)], cwd=outside, env=environment) as process:
        try:
            page = wait_for(f"http://127.0.0.1:{port}", process)
        finally:
            process.terminate()
    assert page.status_code == 200
    for name in SHIPPED:
        assert name in page.text


def wait_for(url: str, process: subprocess.Popen) -> httpx.Response:
    """The page, once the server answers."""
    deadline = time.monotonic() + 300
    while process.poll() is None and time.monotonic() < deadline:
        try:
            return httpx.get(url, timeout=60)
        except httpx.TransportError:
            time.sleep(0.5)
    raise AssertionError("the server did not answer")


@pytest.mark.skipif(REUSE, reason="the borrowed packages are listed nowhere")
def test_pip_finds_no_broken_requirements(scripts):
    run(scripts, "pip", "check")
    record = next((scripts.parent / "lib").glob("python*/site-packages/vip_core-*.dist-info/RECORD"))
    with record.open(newline="") as lines:
        assert not [row[0] for row in csv.reader(lines) if re.match(r"(demo|tests|docs)/", row[0])]

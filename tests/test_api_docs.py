"""The examples of docs/api.md, as they stand there, against a real server."""

import json
import os
import re
import socket
import subprocess
import time

import httpx
import pytest

from tests.processes import run, start
from vip_core.utils.paths import PROJECT

pytestmark = pytest.mark.slow
DOCUMENT = (PROJECT / "docs" / "api.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(bash|python)\n(.*?)^```$", DOCUMENT, flags=re.MULTILINE | re.DOTALL)
ADDRESS = "http://127.0.0.1:7860"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A running page on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = start(
        "app.py", "--port", str(port), env={**os.environ, "TMPDIR": str(tmp_path_factory.mktemp("uploads"))}
    )
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        try:
            httpx.get(url, timeout=30).raise_for_status()
            break
        except httpx.TransportError:
            time.sleep(0.2)
    yield url
    process.terminate()
    process.wait(30)


@pytest.fixture(scope="module")
def outputs(address):
    """What each block prints, in the order of the document."""
    found = []
    for language, code in BLOCKS:
        assert ADDRESS in code
        code = code.replace(ADDRESS, address)
        if language == "bash":
            command = ["bash", "-euo", "pipefail", "-c", code]
            done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120)
        else:
            done = run("-c", code)
        assert done.returncode == 0, f"{code}\n{done.stdout}{done.stderr}"
        found.append(done.stdout)
    return found


def test_the_python_examples_print_a_diagnosis_and_a_sentence(outputs):
    whole, refused = (text for (language, _), text in zip(BLOCKS, outputs, strict=True) if language == "python")
    assert "pneumonia {'normal lung': 0." in whole
    assert re.search(r"^pneumonia: hazy opacity in one lung: [+-]\d", whole, flags=re.MULTILINE)
    assert "README.md is not a PNG" in refused and refused.count("\n") == 1


def test_the_curl_examples_print_a_diagnosis(outputs):
    stream, own = (text for (language, _), text in zip(BLOCKS, outputs, strict=True) if language == "bash")
    assert stream.startswith("event: complete\ndata: ")
    (answer,) = json.loads(stream.split("data: ", 1)[1])
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    (answer,) = json.loads(own)
    assert [row["symptom"] for row in answer["symptoms"]] == [
        "blue-white veil",
        "asymmetric shape",
        "regular brown network",
    ]


def test_the_document_describes_what_comes_back(outputs):
    (answer,) = json.loads(outputs[[language for language, _ in BLOCKS].index("bash")].split("data: ", 1)[1])
    for key in (*answer, *answer["symptoms"][0], *answer["domain"]):
        assert f'"{key}"' in DOCUMENT

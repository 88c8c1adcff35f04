"""Makes assets/page.png: `python docs/screenshots.py` starts the demo, diagnoses an example, rewrites a symptom."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "assets" / "page.png"
SIZE = {"width": 1440, "height": 1080}
EXAMPLE = 3  # of pneumonia: a bacterial one
REWORDED = "white consolidation of one lobe"


@contextmanager
def running_app() -> Iterator[str]:
    """`python app.py` on a free port; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port)}
    process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}/"
    try:
        while process.poll() is None:
            try:
                with urllib.request.urlopen(address, timeout=30):
                    break
            except urllib.error.URLError:
                time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait()


def diagnose_and_rewrite(page: Page) -> None:
    """Bring the page to what the README shows."""
    page.wait_for_selector("html[data-ready=yes]")
    page.locator("#vip-examples-pneumonia button").nth(EXAMPLE).click()
    page.wait_for_selector("#vip-bars img")
    box = page.locator("#vip-box-1 textarea")
    box.fill("\n".join([REWORDED, *box.input_value().splitlines()[1:]]))
    page.locator("#vip-table").get_by_text(REWORDED).last.wait_for()
    page.mouse.move(0, 0)


def main() -> None:
    """Take the picture. Needs a Chromium: the system's, or that of `playwright install chromium`."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    with running_app() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport=SIZE)
        page.goto(f"{address}?__theme=light")
        diagnose_and_rewrite(page)
        page.screenshot(path=PICTURE)
        browser.close()
    print(PICTURE.relative_to(ROOT))


if __name__ == "__main__":
    main()

"""Makes docs/images/*.png and assets/page.png: `python docs/screenshots.py` starts the demo and takes each page."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
README = ROOT / "assets" / "page.png"
HEIGHTS = {1440: 900, 390: 844}
TALL = {"cohort.png": 1240}  # pixels: its charts and figures on one picture
LARGEST = 350_000  # bytes of a picture
PATIENCE = 120_000  # milliseconds; on an idle machine all takes a fraction
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


# ---- what each page is brought to


def diagnose(page: Page) -> None:
    """A result, with the first symptom of pneumonia reworded."""
    page.locator(".vip-example").nth(EXAMPLE).click()
    page.wait_for_selector(".vip-map[src]")
    box = page.locator(".vip-group").nth(1).locator("textarea").first
    box.fill(REWORDED)
    scored = "words => document.querySelector('.vip-bench').bench.latest.rows.some(row => row.symptom === words)"
    page.wait_for_function(scored, arg=REWORDED)


def editing(page: Page) -> None:
    """The same, with the row in focus: image and class stay in sight."""
    diagnose(page)
    page.locator(".vip-group").nth(1).locator("textarea").first.focus()


def compare(page: Page) -> None:
    """A second image beside the first, with the panels below open."""
    diagnose(page)
    second = sorted((ROOT / "assets" / "examples" / "pneumonia").glob("*.jpeg"))[0]
    page.locator(".vip-tools input[type=file]").nth(2).set_input_files(second)
    page.wait_for_selector(".vip-stage.vip-beside")
    for panel in (".vip-changes", ".vip-numbers"):
        page.click(f"{panel} summary")
    page.wait_for_selector(".vip-changes p:nth-child(2)")
    page.evaluate("scrollTo(0, document.body.scrollHeight)")


def cohort(page: Page) -> None:
    """The figures of the reference images."""
    page.get_by_role("tab", name="Cohort").click()
    page.click("#vip-cohort-reference")
    page.wait_for_selector(".vip-figures")
    page.wait_for_selector("#vip-cohort-table .virtual-row")
    page.wait_for_selector("#vip-cohort-details table")
    page.evaluate("scrollTo(0, 0)")


def symptoms(page: Page) -> None:
    """The first library, with what the reference images say of it."""
    page.get_by_role("tab", name="Symptoms").click()
    page.wait_for_selector("#vip-findings tbody tr")


def about(page: Page) -> None:
    """The model cards."""
    page.get_by_role("tab", name="About").click()
    page.wait_for_selector("#vip-models table")


PICTURES: list[tuple[Path, Callable[[Page], None], int, str]] = [  # file, page, width, theme
    (IMAGES / "diagnose.png", diagnose, 1440, "light"),
    (IMAGES / "diagnose-dark.png", diagnose, 1440, "dark"),
    (IMAGES / "diagnose-phone.png", editing, 390, "light"),
    (IMAGES / "compare.png", compare, 1440, "light"),
    (IMAGES / "cohort.png", cohort, 1440, "light"),
    (IMAGES / "cohort-dark.png", cohort, 1440, "dark"),
    (IMAGES / "symptoms.png", symptoms, 1440, "light"),
    (IMAGES / "about.png", about, 1440, "light"),
]


def take(browser: Browser, address: str, fill: Callable[[Page], None], size: tuple[int, int], theme: str) -> bytes:
    """What a page shows, as a PNG. size: width and height, in pixels."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, device_scale_factor=1)
    page.set_default_timeout(PATIENCE)
    # A first visit is over once a result was seen; the pictures show the page as it is from then on.
    page.add_init_script("localStorage.setItem('vip:seen', 'yes')")
    page.goto(f"{address}?__theme={theme}")
    page.wait_for_selector("html[data-ready=yes]")
    fill(page)
    page.mouse.move(0, 0)
    page.wait_for_timeout(1000)  # what still fades or scrolls
    picture = page.screenshot()
    page.close()
    return picture


def packed(picture: bytes) -> bytes:
    """The picture in as many colours as LARGEST leaves room for."""
    if len(picture) <= LARGEST:
        return picture
    image = Image.open(BytesIO(picture)).convert("RGB")
    for colours in (256, 128, 64):
        buffer = BytesIO()
        image.quantize(palette=image.quantize(colours)).save(
            buffer, "PNG", optimize=True
        )  # given a palette, it dithers
        if buffer.tell() <= LARGEST:
            break
    return buffer.getvalue()


def main() -> None:
    """Take the pictures. Needs a Chromium: the system's, or that of `playwright install chromium`."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    IMAGES.mkdir(exist_ok=True)
    with running_app() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        for path, fill, width, theme in PICTURES:
            size = (width, TALL.get(path.name, HEIGHTS[width]))
            picture = packed(take(browser, address, fill, size, theme))
            path.write_bytes(picture)
            print(f"{path.relative_to(ROOT)}: {len(picture) / 1000:.0f} kB", flush=True)
        browser.close()
    shutil.copyfile(IMAGES / "diagnose.png", README)


if __name__ == "__main__":
    main()

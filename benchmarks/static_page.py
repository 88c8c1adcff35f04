"""Time the static page in headless Chromium: a cold visit, an image, an edit; medians of N, and the size of the folder.

vip export-web --checkpoint pneumonia melanoma --out page
python benchmarks/static_page.py page
"""

import argparse
import functools
import http.server
import json
import shutil
import threading
import time
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, Page, sync_playwright

# From the event to the frame after the one in which its numbers were painted, by the page's own clock.
AFTER_PAINT = """before => new Promise(resolve => {
    const bench = document.querySelector(".vip-bench").bench;
    const look = () => {
        if (bench.latest && bench.latest.id > before) requestAnimationFrame(() => resolve());
        else setTimeout(look, 1);
    };
    look();
})"""
EDIT = f"""async text => {{
    const bench = document.querySelector(".vip-bench").bench;
    const box = document.querySelector(".vip-row textarea");
    const before = bench.latest.id;
    const start = performance.now();
    box.value = text;
    box.dispatchEvent(new InputEvent("input", {{ bubbles: true }}));
    await ({AFTER_PAINT})(before);
    return performance.now() - start;
}}"""
IMAGE = f"""async example => {{
    const bench = document.querySelector(".vip-bench").bench;
    const before = bench.sent;
    const start = performance.now();
    document.querySelectorAll(".vip-example")[example].click();
    await ({AFTER_PAINT})(before);
    return performance.now() - start;
}}"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A file server without a log."""

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


def cold_visit(browser: Browser, url: str) -> float:
    """Seconds from the address to the first result, of a visitor who has never been here and clicks an example."""
    context = browser.new_context()
    page = context.new_page()
    start = time.perf_counter()
    page.goto(url)
    page.locator(".vip-example").first.click()
    page.wait_for_selector(".vip-value:not(:empty)")
    seconds = time.perf_counter() - start
    context.close()
    return seconds


def loaded(browser: Browser, url: str) -> Page:
    """A page that has loaded everything, with an image."""
    page = browser.new_context().new_page()
    page.goto(url)
    page.wait_for_selector("html[data-loaded=yes]", state="attached", timeout=120_000)
    page.locator(".vip-example").first.click()
    page.wait_for_selector(".vip-value:not(:empty)")
    return page


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--repeat", type=int, default=30)
    arguments = parser.parse_args()
    handler = functools.partial(Quiet, directory=str(arguments.folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/"
    repeat = range(arguments.repeat)
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
        executable = own if Path(own).exists() else shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        visits = [cold_visit(browser, url) for _ in repeat]
        page = loaded(browser, url)
        images = [page.evaluate(IMAGE, index % 6) for index in repeat]
        page.locator(".vip-row textarea").first.focus()
        page.wait_for_timeout(3000)  # the map of this row
        edits = [page.evaluate(EDIT, f"hazy opacity number {index}") for index in repeat]
        browser.close()
    size = sum(path.stat().st_size for path in arguments.folder.rglob("*") if path.is_file())
    figures = {"cold visit (s)": visits, "image (ms)": images, "edit (ms)": edits}
    summary = {name: {"median": round(median(all_), 2), "max": round(max(all_), 2)} for name, all_ in figures.items()}
    print(json.dumps({"folder (MB)": round(size / 1e6, 1), "n": arguments.repeat, **summary}, indent=2))


if __name__ == "__main__":
    main()

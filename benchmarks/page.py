"""What a person waits for on the Diagnose page: python benchmarks/page.py [--edits 50] [--url ADDRESS]

Starts `python app.py` unless an address is given, drives a headless Chromium (playwright), and prints: time to the
first paint and until one can type, requests, layout shift, and, over some edits of one symptom, the time from the key
to the painted numbers, the bytes that an edit brings, and the layout shift while typing.
"""

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

PROJECT = Path(__file__).resolve().parent.parent
OBSERVE = """() => {
  window.shift = 0
  new PerformanceObserver(list => { for (const each of list.getEntries()) window.shift += each.value })
    .observe({type: "layout-shift", buffered: true})
  document.addEventListener("DOMContentLoaded", () => {
    new MutationObserver(() => { if (document.documentElement.dataset.ready) window.readyAt ??= performance.now() })
      .observe(document.documentElement, {attributes: true})
  })
}"""
# From the key to the frame after the numbers were painted.
EDIT = """text => new Promise(done => {
  const bench = document.querySelector(".vip-bench").bench, box = bench.rows.views[bench.task.classes[1]][0].text
  box.focus()
  const start = performance.now(), scores = bench.scores
  setTimeout(() => done(NaN), 20000)
  bench.scores = function (found) {
    scores.call(this, found)
    if (!found.rows?.some(row => row.symptom === text)) return
    delete bench.scores
    requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)))
  }
  box.value = text
  box.dispatchEvent(new Event("input", {bubbles: true}))
})"""


def measure(page: Page, url: str, edits: int) -> None:
    """Open the page, take an example, edit, and print what it took."""
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url) if request.url.startswith("http") else None)
    page.add_init_script(f"({OBSERVE})()")
    page.goto(url)
    page.wait_for_selector(".vip-bench[data-ready=yes]")
    page.wait_for_selector("html[data-ready=yes]", state="attached")
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    print(f"first paint {paint:.0f} ms; ready to type {page.evaluate('window.readyAt'):.0f} ms")
    page.wait_for_timeout(1000)
    print(f"{len(requests)} requests; layout shift at loading {page.evaluate('window.shift'):.4f}")
    page.locator(".vip-example").nth(3).click()
    page.wait_for_function("document.querySelector('.vip-bench').bench.latest?.rows.length > 0")
    page.wait_for_timeout(2000)
    page.evaluate("window.shift = 0")
    network, received = page.context.new_cdp_session(page), [0]
    network.send("Network.enable")
    ours: set[str] = set()  # not the map, which is a picture within the page itself

    def sent(event: dict) -> None:
        if event["request"]["url"].startswith("http"):
            ours.add(event["requestId"])

    def came(event: dict) -> None:
        if event["requestId"] in ours:
            received[0] += event["dataLength"]

    network.on("Network.requestWillBeSent", sent)
    network.on("Network.dataReceived", came)
    milliseconds = []
    for i in range(edits):
        milliseconds.append(page.evaluate(EDIT, f"white opacity in a lobe, wording {i}"))
        page.wait_for_timeout(150)
    bytes_each = received[0] / edits
    print(
        f"{edits} edits, key to painted numbers: median {statistics.median(milliseconds):.0f} ms, "
        f"worst {max(milliseconds):.0f} ms; {bytes_each / 1000:.1f} kB each; "
        f"layout shift {page.evaluate('window.shift'):.4f}"
    )


def main() -> None:
    """Measure a running page, or one that is started for it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edits", type=int, default=50)
    parser.add_argument("--url")
    options = parser.parse_args()
    process = None
    if options.url is None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        options.url = f"http://127.0.0.1:{port}/"
        process = subprocess.Popen(
            [sys.executable, "app.py"],
            cwd=PROJECT,
            env={**os.environ, "GRADIO_SERVER_PORT": str(port)},
            stdout=subprocess.DEVNULL,
        )
    try:
        _wait(options.url)
        with sync_playwright() as playwright:
            found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
            own = Path(playwright.chromium.executable_path)
            browser = playwright.chromium.launch(
                executable_path=str(own) if own.exists() else found, args=["--no-sandbox"]
            )
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            measure(page, options.url, 3)  # warms the server up, and is not what counts
            page.close()
            print("---")
            measure(browser.new_page(viewport={"width": 1440, "height": 900}), options.url, options.edits)
            browser.close()
    finally:
        if process is not None:
            process.terminate()
    print("load of the machine (1, 5, 15 minutes):", *(f"{load:.1f}" for load in os.getloadavg()))


def _wait(url: str) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.3)
    raise SystemExit(f"There is no page at {url}.")


if __name__ == "__main__":
    main()

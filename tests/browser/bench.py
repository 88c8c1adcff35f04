"""The Diagnose page as a person uses it, for the tests in a real browser."""

import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Locator, Page, ViewportSize

BENCH = "document.querySelector('.vip-bench').bench"
LATEST = f"{BENCH}.latest"
PATIENCE = 20_000  # milliseconds that a test waits for what must come; far more than it takes


class Bench:
    """One person's Diagnose page; what is read from it is what that person sees.

    In the page given, or in a browser context of its own, made with the keywords that are left.
    """

    def __init__(
        self,
        browser: Browser,
        url: str,
        width: int = 1440,
        height: int = 900,
        query: str = "",
        page: Page | None = None,
        **context,
    ):
        size: ViewportSize = {"width": width, "height": height}
        self.owned = page is None
        self.page = browser.new_context(viewport=size, **context).new_page() if page is None else page
        self.page.set_viewport_size(size)
        self.context = self.page.context
        self.context.set_default_timeout(PATIENCE)
        self.abroad: list[str] = []
        self.errors: list[str] = []
        self.home = url
        self._listeners: list[tuple[Any, Callable]] = []
        self.listen("request", lambda request: self._note(request.url))
        self.listen("pageerror", lambda error: self.errors.append(str(error)))
        self.arrive(query)

    def arrive(self, query: str) -> None:
        """Begin the visit."""
        self.open(query)

    def listen(self, event: Any, listener: Callable) -> None:
        """Call this at an event of the page, until the person leaves."""
        self.page.on(event, listener)
        self._listeners.append((event, listener))

    def leave(self) -> None:
        """Close what is this person's alone."""
        if self.owned:
            self.context.close()
        else:
            for event, listener in self._listeners:
                self.page.remove_listener(event, listener)

    def open(self, query: str = "") -> None:
        """Load the page, and wait until nothing typed is lost."""
        self.page.goto(self.home + query)
        self.page.wait_for_selector(".vip-bench[data-ready=yes]")
        self.page.wait_for_selector("html[data-ready=yes]", state="attached")

    def _note(self, url: str) -> None:
        if not url.startswith((self.home, "data:", "blob:")):
            self.abroad.append(url)

    # ---- images

    def upload(self, path: Path) -> None:
        """Choose a file, and wait for its result."""
        with self.new_result():
            self.page.locator(".vip-tools input[type=file]").first.set_input_files(path)

    def choose_example(self, index: int) -> None:
        """Click an example, and wait for its result."""
        with self.new_result():
            self.page.locator(".vip-example").nth(index).click()

    @contextmanager
    def new_result(self):
        """Wait, after what is done in it, for another picture with numbers in its rows."""
        before = self.picture
        yield
        self.wait(lambda: self.picture and self.picture != before and self.values and all(self.values))

    @property
    def picture(self) -> str:
        """Address of the picture shown, or nothing."""
        return self.page.locator(".vip-picture").first.get_attribute("src") or ""

    # ---- rows

    def row(self, index: int, of: int = 0) -> Locator:
        """A row of a class."""
        return self.page.locator(".vip-group").nth(of).locator(".vip-row").nth(index)

    def text(self, index: int, of: int = 0) -> Locator:
        """The text box of a row."""
        return self.row(index, of).locator("textarea")

    def texts(self, of: int = 0) -> list[str]:
        """The texts of a class."""
        return (
            self.page.locator(".vip-group")
            .nth(of)
            .locator(".vip-row textarea")
            .evaluate_all("all => all.map(box => box.value)")
        )

    def write(self, text: str, index: int, of: int = 0) -> None:
        """Rewrite a row, and wait for its new similarity."""
        before = self.latest
        self.text(index, of).fill(text)
        self.wait(lambda: self.latest != before and self.scored(text))

    def scored(self, text: str) -> bool:
        """Whether the latest scores are of lists that hold this text."""
        holds = f"text => ({LATEST}?.rows ?? []).some(row => row.symptom === text)"
        return self.page.evaluate(holds, text.strip())

    @property
    def scores(self) -> dict | None:
        """The scores that are painted, as the page holds them."""
        return self.page.evaluate(LATEST)

    @property
    def latest(self) -> int:
        """Number of the request that the painted scores answer."""
        return self.page.evaluate(f"{LATEST}?.id ?? 0")

    @property
    def values(self) -> list[str]:
        """Similarities as they are painted, of the rows that are scored."""
        return self.page.locator(".vip-row:not(.vip-off) .vip-value").all_inner_texts()

    def settle(self) -> None:
        """Wait until the last request is answered."""
        self.wait(lambda: self.page.evaluate(f"(b => b.latest?.id === b.sent)({BENCH})"))

    # ---- the answer

    @property
    def headline(self) -> str:
        """Class, probability, change and domain check."""
        return self.page.inner_text(".vip-headline").replace("\n", " ")

    @property
    def probability(self) -> float:
        """Probability of the task's finding, in the scores that are painted."""
        return self.page.evaluate(f"(b => b.latest.probabilities[b.task.finding])({BENCH})")

    @property
    def message(self) -> str:
        """What went wrong."""
        return self.page.inner_text(".vip-answer .vip-message")

    @property
    def status(self) -> str:
        """What the last action did."""
        return self.page.inner_text(".vip-status")

    def wait(self, condition) -> None:
        """Wait until `condition()` holds."""
        deadline = time.monotonic() + PATIENCE / 1000
        while not condition():
            assert time.monotonic() < deadline, f"the page still has {self.headline!r}, {self.values}, {self.message!r}"
            self.page.wait_for_timeout(20)

"""The static page as a person uses it, and how its answers are compared with those of vip_core."""

import json
from contextlib import contextmanager

import pytest

from tests.browser.bench import Bench

LOADED = 60_000  # milliseconds for 60 MB on a busy machine
CLOSE_ALL = """() => {
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close()
  for (const panel of document.querySelectorAll("details[open]")) panel.open = false
  document.activeElement?.blur()
  scrollTo(0, 0)
}"""
NOTHING_WAITS = "(b => b.latest?.id === b.sent)(document.querySelector('.vip-bench').bench)"


class StaticBench(Bench):
    """The static page, of which a task may be chosen and files be taken away."""

    def arrive(self, query: str = "") -> None:
        """Open a new page; on one that others have used, remove what they left."""
        if self.owned:
            self.open(query)
        else:
            self.start_anew()

    def open(self, query: str = "") -> None:
        super().open(query)
        self.page.wait_for_selector("html[data-loaded=yes]", state="attached", timeout=LOADED)

    def start_anew(self) -> None:
        """The page as it was when it had loaded: first task, its own lists, no image, nothing open or kept."""
        if self.page.url != self.home:
            return self.open()
        self.page.evaluate(CLOSE_ALL)
        self.choose_task(self.page.evaluate("document.querySelector('.vip-bench').bench.config.order[0]"))
        self.page.locator(".vip-mode").select_option("vip")
        self.page.locator(".vip-forget").click()
        if self.picture:
            self.page.locator(".vip-clear").click()
        self.page.evaluate("localStorage.clear()")
        assert not self.picture and self.latest == 0

    @property
    def classes(self) -> list[str]:
        """The classes of the task."""
        return self.page.evaluate("document.querySelector('.vip-bench').bench.task.classes")

    def choose(self, path) -> None:
        """Choose a file."""
        self.page.locator(".vip-tools input[type=file]").first.set_input_files(path)

    def choose_task(self, key: str) -> None:
        self.page.locator(".vip-task").select_option(key)

    @contextmanager
    def new_scores(self):
        """Wait, after what is done in it, for other scores."""
        before = self.latest
        yield
        self.wait(lambda: self.latest > before and self.page.evaluate(NOTHING_WAITS))

    def open_panel(self, title: str) -> None:
        self.page.locator(f"summary:text('{title}')").click()

    def saved_json(self, button: str) -> dict:
        """What a button saves."""
        with self.page.expect_download() as waiting:
            self.page.get_by_role("button", name=button, exact=True).click()
        return json.loads(waiting.value.path().read_text())


def assert_alike(found, expected):
    """The limits of the page: probability .01, similarity .005; every field is there."""
    assert found.keys() == expected.keys()
    for field in ("probabilities", "logits", "class_terms"):
        assert list(found[field]) == list(expected[field])
    assert found["probabilities"] == pytest.approx(expected["probabilities"], abs=0.01)
    assert found["logits"] == pytest.approx(expected["logits"], abs=0.1)
    if abs(max(expected["probabilities"].values()) - 0.5) > 0.01:
        assert found["prediction"] == expected["prediction"]
    assert found["calibrated"] == expected["calibrated"]
    assert found["domain"]["in_domain"] == expected["domain"]["in_domain"]
    assert found["domain"]["score"] == pytest.approx(expected["domain"]["score"], abs=0.005)
    assert found["domain"]["threshold"] == expected["domain"]["threshold"]
    for mine, theirs in zip(found["symptoms"], expected["symptoms"], strict=True):
        assert mine.keys() == theirs.keys()
        assert (mine["class"], mine["symptom"]) == (theirs["class"], theirs["symptom"])
        assert mine["similarity"] == pytest.approx(theirs["similarity"], abs=0.005)
        assert mine["percentile"] == pytest.approx(theirs["percentile"], abs=3)
        assert mine["contribution"] == pytest.approx(theirs["contribution"], abs=0.05)
        assert mine["attention"] == pytest.approx(theirs["attention"], abs=0.005)

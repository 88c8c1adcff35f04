"""What the page is answered over HTTP: the questions of a visit in turn, as a browser sends them."""

import json

import httpx
import pytest

from demo.build import build_demo, launch_settings
from demo.render.scripts import read_config

TASK = "pneumonia"


class Browser:
    """The Diagnose page as far as its questions go."""

    def __init__(self, url: str):
        self.http = httpx.Client(base_url=url, timeout=120)
        self.published = self.http.get("config").text
        config = json.loads(self.published)
        self.events = [event for event in config["dependencies"] if event["backend_fn"]]
        self.ids = {each["props"].get("elem_id"): each["id"] for each in config["components"]}
        page = next(each["props"] for each in config["components"] if each["props"].get("elem_id") == "vip-diagnose")
        lists = read_config(page["js_on_load"])["tasks"][TASK]["lists"]
        self.lists = {name: [{"text": text, "on": True} for text in texts] for name, texts in lists.items()}
        self.sent = 0

    def ask(self, name: str, **request: object) -> str:
        """The whole stream of answers to an event of the page."""
        self.sent += 1
        whole = {"choice": 1, "id": self.sent, "task": TASK, "mode": "vip", "lists": self.lists, **request}
        return (
            self.send("vip-edits", name, json.dumps(whole))
            if name == "input"
            else self.send("vip-questions", name, whole)
        )

    def send(self, component: str, name: str, value: object) -> str:
        """The same for any component: its value goes along, and of the others nothing."""
        wanted = [self.ids[component], name]
        event = next(each for each in self.events if wanted in [list(target) for target in each["targets"]])
        data = [
            value if each in (self.ids[component], self.ids["vip-library-text"]) else None for each in event["inputs"]
        ]
        body = {"data": data, "fn_index": event["id"], "session_hash": "a-visitor"}
        self.http.post("gradio_api/queue/join", json=body).raise_for_status()
        stream = self.http.get("gradio_api/queue/data", params={"session_hash": "a-visitor"}).text
        messages = [json.loads(line[5:]) for line in stream.splitlines() if line.startswith("data:")]
        assert [each["success"] for each in messages if each["msg"] == "process_completed"] == [True], stream
        return stream


@pytest.fixture(scope="module")
def browser(tasks):
    demo = build_demo(tasks)
    _, url, _ = demo.launch(**launch_settings(), prevent_thread_lock=True, quiet=True)
    yield Browser(url)
    demo.close()


def test_answers_hold_what_was_asked_and_nothing_of_the_server(browser):
    answers = {
        "example": browser.ask("select", example=0),
        "edit": browser.ask("input"),
        "report": browser.ask("submit"),
        "chart": browser.ask("download", format="png"),
        "lists for Diagnose": browser.send("vip-use", "click", "[pneumonia]\nx\n[normal lung]\ny"),
        "removal": browser.ask("clear"),
    }
    parts = {"example": "doubt", "edit": "scores", "report": "files", "chart": "files", "lists for Diagnose": "put"}
    for name, part in parts.items():
        assert f'\\"{part}\\":' in answers[name], name
    for name, text in {**answers, "the page": browser.published}.items():
        assert " at 0x" not in text and "functools" not in text, name


def test_the_answer_to_an_edit_is_small(browser):
    browser.ask("select", example=0, choice=2)
    for rows in browser.lists.values():
        for row in rows:
            row["drawn"] = True
    browser.lists[TASK][0] = {"text": "white opacity in a lobe", "on": True}
    line = next(line for line in browser.ask("input", choice=2).splitlines() if "process_completed" in line)
    assert "white opacity in a lobe" in line and len(line) < 6000


def test_an_edit_that_is_no_json_is_ignored(browser):
    for value in ("", "{", "[]", "7", None):
        assert "scores" not in browser.send("vip-edits", "input", value)

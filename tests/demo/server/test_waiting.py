"""An upload is kept as long as an event waits for it, and no longer."""

import os
import threading
import time

import gradio as gr
import httpx
import pytest

from demo.server import launch
from demo.server.waiting import paths_in, touch_waiting
from demo.settings import Settings
from demo.state.uploads import sweep


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A page on which one event at a time runs, until it is let go; its address, the app, the folder and how."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    go = threading.Event()
    with gr.Blocks(analytics_enabled=False) as demo:
        given = gr.JSON()
        gr.Button().click(lambda given: go.wait(60) and given, given, gr.JSON(), api_name="diagnose", preprocess=False)
    demo.queue()
    url = launch(demo, Settings(), tmp_path / "uploads", quiet=True).rstrip("/")
    yield url, demo, tmp_path / "uploads", go
    go.set()
    demo.close()


def test_touch_waiting_keeps_the_upload_of_an_event_that_waits(served, tmp_path):
    url, demo, uploads, go = served
    sent = [
        httpx.post(url + "/gradio_api/upload", files={"files": (f"{n}.png", bytes([n]))}).json()[0] for n in range(3)
    ]
    calls = [
        httpx.post(url + "/gradio_api/call/diagnose", json={"data": [{"request": {"path": path}}]}).json()["event_id"]
        for path in sent[:2]
    ]
    outside = tmp_path / "thesis"
    outside.write_text("x")
    httpx.post(url + "/gradio_api/call/diagnose", json={"data": [{"path": str(outside)}]})
    files = sorted(path for path in uploads.rglob("*.png"))
    for path in [*files, outside]:
        os.utime(path, (time.time() - 1000,) * 2)
    touch_waiting(demo._queue, uploads)
    sweep(uploads, 90)
    assert sorted(path.name for path in uploads.rglob("*.png")) == ["0.png", "1.png"]
    assert outside.stat().st_mtime < time.time() - 500
    go.set()
    for call in calls:
        assert "complete" in httpx.get(f"{url}/gradio_api/call/diagnose/{call}", timeout=60).text
    for path in list(uploads.rglob("*.png")):
        os.utime(path, (time.time() - 1000,) * 2)
    touch_waiting(demo._queue, uploads)
    sweep(uploads, 90)
    assert not list(uploads.rglob("*.png"))


def test_paths_in_looks_as_deep_as_a_page_sends_and_no_deeper():
    deep: object = {"path": "deep"}
    for _ in range(10_000):
        deep = [deep]
    assert list(paths_in([{"path": "a", "more": [{"path": "b"}, {"path": 3}]}, deep, None])) == ["a", "b"]

"""The demo as a whole: what it publishes, keeps and serves."""

import json
import re
import threading
import time

import gradio as gr
import httpx
import pytest

from demo.build import build_demo, launch_settings
from demo.diagnose import original_lists
from demo.tasks import EXAMPLES, bar_axis


@pytest.fixture(scope="module")
def demo(tasks):
    return build_demo(tasks)


@pytest.fixture(scope="module")
def server(demo, tmp_path_factory):
    """The demo served from this process, so that a test can look into it."""
    _, url, _ = demo.launch(**launch_settings(), prevent_thread_lock=True, quiet=True)
    yield url
    demo.close()


def test_tasks_on_the_same_backbone_share_it(tasks):
    assert tasks["pneumonia"].predictor.vip.backbone is tasks["melanoma"].predictor.vip.backbone


def test_an_axis_holds_zero_and_all_that_the_reference_images_reach(tasks):
    for task in tasks.values():
        low, high = task.axis
        known = task.predictor.vip.reference.similarities(task.predictor.vip.encode_symptoms())
        assert low <= min(known.min().item(), 0) and high >= max(known.max().item(), 0)
        assert task.axis == bar_axis(task.predictor.vip)


def test_every_example_is_shown_and_attributed_with_its_diagnosis(tasks):
    attribution = (EXAMPLES / "ATTRIBUTION.md").read_text(encoding="utf-8")
    for task in tasks.values():
        files = sorted(path.name for path in (EXAMPLES / task.key).iterdir() if path.suffix != ".json")
        assert files == sorted(path.name for path, _ in task.examples)
        for path, diagnosis in task.examples:
            assert f"| `{path.name}` | {diagnosis} |" in attribution


def test_only_diagnose_is_published(demo):
    assert list(demo.get_api_info(all_endpoints=True)["named_endpoints"]) == ["/diagnose"]


def test_what_a_page_showed_is_not_shared_by_its_components(demo):
    """A visitor's feature lives in gr.State; a default value would be everybody's."""
    states = [block for block in demo.blocks.values() if isinstance(block, gr.State)]
    assert [state.value for state in states] == [None]


def test_uploads_are_deleted_within_two_minutes_and_nothing_is_recorded(demo):
    frequency, age = demo.delete_cache
    assert frequency + age <= 120
    assert launch_settings()["run_history"] is False
    assert demo.analytics_enabled is False


def test_the_theme_loads_nothing_from_elsewhere():
    theme = launch_settings()["theme"]
    css = theme._get_theme_css()
    assert theme._stylesheets == [] and "@import" not in css
    assert set(re.findall(r"url\(\s*[\"']?(.{5})", css)) <= {"data:"}


def test_a_closed_page_is_forgotten(demo, server):
    session = "a-visitor"
    stop = threading.Event()

    def stay() -> None:
        with httpx.stream("GET", f"{server}gradio_api/heartbeat/{session}", timeout=30) as stream:
            for _ in stream.iter_lines():
                if stop.wait(0.1):
                    return

    reset = next(fn for fn in demo.fns.values() if getattr(fn.fn, "func", None) is original_lists)
    visitor = threading.Thread(target=stay)
    visitor.start()
    body = {"data": ["pneumonia"], "fn_index": reset._id, "session_hash": session}
    httpx.post(f"{server}gradio_api/queue/join", json=body).raise_for_status()
    with httpx.stream("GET", f"{server}gradio_api/queue/data?session_hash={session}", timeout=30) as stream:
        for line in stream.iter_lines():
            if line.startswith("data:") and json.loads(line[5:])["msg"] == "process_completed":
                break
    assert session in demo.state_holder.session_data
    stop.set()
    visitor.join()
    deadline = time.monotonic() + 30
    while session in demo.state_holder.session_data and time.monotonic() < deadline:
        time.sleep(0.1)
    assert session not in demo.state_holder.session_data

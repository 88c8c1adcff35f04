"""The demo as a whole: what it publishes, keeps and serves, and that a Hugging Face Space takes it."""

import json
import re
import subprocess
import threading
import time
from pathlib import Path

import gradio as gr
import httpx
import pytest
import yaml
from packaging.requirements import Requirement

from demo.build import build_demo, launch_settings
from demo.render.scripts import read_config
from demo.settings import Settings
from demo.state.tasks import EXAMPLES, bar_axis
from demo.state.visit import Visit
from vip_core.utils.paths import PROJECT


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
        known = task.predictor.vip.adapted_reference.similarities(task.predictor.vip.encode_symptoms())
        assert low <= min(known.min().item(), 0) and high >= max(known.max().item(), 0)
        assert task.axis == bar_axis(task.predictor.vip)


def test_every_example_is_shown_and_attributed_with_its_diagnosis(tasks):
    attribution = (EXAMPLES / "ATTRIBUTION.md").read_text(encoding="utf-8")
    for task in tasks.values():
        files = sorted(path.name for path in (EXAMPLES / task.key).iterdir() if path.suffix != ".json")
        assert files == sorted(path.name for path, _ in task.examples)
        for path, diagnosis in task.examples:
            assert f"| `{path.name}` | {diagnosis}" in attribution


def test_only_diagnose_is_published(demo):
    assert list(demo.get_api_info(all_endpoints=True)["named_endpoints"]) == ["/diagnose"]


def test_what_a_page_showed_is_not_shared_by_its_components(demo):
    """A visitor's feature lives in gr.State; a default value would be everybody's."""
    states = [block for block in demo.blocks.values() if isinstance(block, gr.State)]
    assert states and not [state.value for state in states if state.value not in (None, Visit())]


def test_uploads_are_deleted_within_two_minutes_and_nothing_is_recorded(demo):
    frequency, age = demo.delete_cache
    assert frequency + age <= 120
    assert launch_settings()["run_history"] is False
    assert launch_settings()["enable_monitoring"] is False
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

    opened = next(fn for fn in demo.fns.values() if getattr(fn.fn, "__name__", "") == "open_library")
    visitor = threading.Thread(target=stay)
    visitor.start()
    body = {"data": ["pneumonia"], "fn_index": opened._id, "session_hash": session}
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


# ---- settings


def test_settings_reach_the_server(tasks):
    settings = Settings("0.0.0.0", 7999, True, (("ann", "secret"),), 7, 5 * 2**20)
    launch = launch_settings(settings)
    assert (launch["server_name"], launch["server_port"], launch["share"]) == ("0.0.0.0", 7999, True)
    assert (launch["auth"], launch["max_file_size"]) == ([("ann", "secret")], 5 * 2**20)
    assert launch_settings()["auth"] is None and launch_settings()["server_name"] == "127.0.0.1"
    assert build_demo(tasks, settings)._queue.max_size == 7


def test_the_default_task_is_shown_first(tasks):
    turned = {name: tasks[name] for name in Settings(default_task="melanoma").ordered_tasks}
    page = next(b for b in build_demo(turned).blocks.values() if getattr(b, "elem_id", "") == "vip-diagnose")
    assert read_config(page.js_on_load)["order"][0] == "melanoma"


# ---- a Hugging Face Space


def front_matter() -> dict[str, object]:
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    return yaml.safe_load(text.split("---\n")[1])


def test_the_front_matter_is_a_spaces_and_names_the_app():
    """As the Hub's reference has it (Spaces configuration)."""
    matter = front_matter()
    colours = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
    assert matter["sdk"] == "gradio" and matter["app_file"] == "app.py" and (PROJECT / "app.py").is_file()
    assert {matter["colorFrom"], matter["colorTo"]} <= colours
    assert matter["license"] == "apache-2.0" and matter["title"] and matter["emoji"]
    assert len(matter["short_description"]) <= 60
    assert re.fullmatch(r"3\.\d+", matter["python_version"])


def test_the_spaces_gradio_is_one_that_the_project_takes():
    line = next(text for text in (PROJECT / "requirements.txt").read_text().splitlines() if text.startswith("gradio"))
    assert Requirement(line.split("#")[0]).specifier.contains(front_matter()["sdk_version"])


def test_spaces_is_imported_softly_and_before_all_that_brings_torch():
    code = (PROJECT / "app.py").read_text(encoding="utf-8")
    first = re.search(r"^(?:    )?(?:import spaces|from (?:demo|vip_core)|import (?:torch|gradio))", code, re.MULTILINE)
    assert first[0] == "    import spaces" and "except ImportError" in code


def tracked() -> list[Path]:
    """The files that `git archive` gives."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("this is no git checkout")
    return [PROJECT / name for name in done.stdout.split("\0") if name and (PROJECT / name).is_file()]


def test_the_hub_takes_every_file():
    """It refuses files of over 10 MB in git unless they go to its large-file storage, as `hf upload` sends binaries."""
    for path in tracked():
        assert path.stat().st_size < 48 * 2**20, f"{path.name} is too large for what a Space should load"
        if path.stat().st_size > 10 * 2**20:
            assert path.suffix == ".safetensors", f"{path.name} would be refused"
        assert not path.is_symlink() and path.suffix not in (".pt", ".pkl", ".bin"), path.name


def test_the_container_is_not_root_and_serves_the_same_app():
    lines = (PROJECT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users and users[-1] not in ("root", "0")
    assert lines[-1] == 'CMD ["python", "app.py"]'
    kept_out = set((PROJECT / ".dockerignore").read_text(encoding="utf-8").split("\n"))
    assert {".git", ".venv", "**/*.pt"} <= kept_out
    assert not kept_out & {"README.md", "assets", "checkpoints", "demo", "vip_core"}  # the page reads all of these

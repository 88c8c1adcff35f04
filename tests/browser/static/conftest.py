"""The exported page, served by a plain web server that notes every request, and a headless Chromium that visits it."""

import csv
import functools
import http.server
import json
import os
import threading
from pathlib import Path

import pytest
from filelock import FileLock
from playwright.sync_api import Page

from tests.browser.static.bench import StaticBench
from tests.conftest import DATA, PROJECT
from vip_core.cli import vip
from vip_core.errors import UsageError
from vip_core.models.vip import ViP
from vip_core.scoring.predictor import Predictor
from vip_core.utils.paths import cache_folder
from vip_core.web.runtime import find_runtime

TASKS = ("pneumonia", "melanoma")
CACHE = cache_folder()  # the user's own, before the tests get one each: the runtime is downloaded once


@pytest.fixture(scope="session")
def runtime(tmp_path_factory) -> Path:
    """A folder with onnxruntime-web, from the user's cache or npm."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIP_CACHE", str(CACHE))
        try:
            files = find_runtime()
        except UsageError as error:
            pytest.skip(f"the browser's runtime is not available here: {error}")
    folder = tmp_path_factory.mktemp("runtime")
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="session")
def exported(tmp_path_factory, session_cache, runtime):
    """A function that gives the page that the command wrote. Processes that test side by side write it once."""
    own = tmp_path_factory.getbasetemp()
    root = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def export(name: str, *more: str) -> Path:
        folder, begun = root / name, root / f"{name}-begun"
        given = ["--checkpoint", *TASKS, "--out", str(begun), "--runtime", str(runtime), *more]
        with FileLock(root / f"{name}.lock"):
            if not folder.is_dir():
                assert vip(["export-web", *given]) == 0
                begun.rename(folder)
        return folder

    return export


@pytest.fixture(scope="session")
def site(exported) -> Path:
    """The page of both shipped checkpoints, weights in fp16."""
    return exported("site-fp16")


@pytest.fixture(scope="session")
def small_site(exported) -> Path:
    """The same with weights in int8."""
    return exported("site-int8", "--int8")


class StaticServer:
    """A web server of a folder. paths: of every request that it has had."""

    def __init__(self, folder: Path):
        self.paths: list[str] = []
        noted = self.paths

        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_GET(self):
                noted.append(self.path)
                super().do_GET()

            def log_message(self, *arguments):
                pass

        handler = functools.partial(Handler, directory=str(folder))
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Refuse connections from now on."""
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture(scope="session")
def served_site(site):
    server = StaticServer(site)
    yield server
    server.close()


@pytest.fixture(scope="session")
def loaded_pages(browser, served_site):
    """A function that gives a page with the models loaded, which takes seconds. Per context's settings there is one."""
    pages = {}

    def give(**context) -> Page:
        key = tuple(sorted(context.items()))
        if key not in pages or pages[key].is_closed():
            visit = StaticBench(browser, served_site.url, **context)
            assert visit.abroad == visit.errors == []
            pages[key] = visit.page
        return pages[key]

    yield give
    for page in pages.values():
        page.context.close()


@pytest.fixture
def first_visit(browser, served_site):
    """A function that opens the static page for the first time; nothing may come from elsewhere, nothing may fail."""
    visits = []

    def arrive(server=served_site) -> StaticBench:
        visits.append(StaticBench(browser, server.url))
        return visits[-1]

    yield arrive
    leave(visits)


@pytest.fixture
def static_bench(browser, served_site, loaded_pages):
    """The same on a page that people use one after another, each after the last one's work was removed."""
    visits = []

    def arrive(width=1440, height=900, color_scheme="light", **context) -> StaticBench:
        page = loaded_pages(**context)
        page.emulate_media(color_scheme=color_scheme)
        visits.append(StaticBench(browser, served_site.url, width, height, page=page))
        return visits[-1]

    yield arrive
    leave(visits)


def leave(visits: list[StaticBench]) -> None:
    """End the visits, after which nothing may have come from elsewhere or failed."""
    for each in visits:
        each.leave()
    assert [url for each in visits for url in each.abroad] == []
    assert [error for each in visits for error in each.errors] == []


@pytest.fixture
def scored(vip_mini, monkeypatch):
    """A function that gives what `vip_core.score --json` prints for an image, on a processor that computes in float32.

    Where a processor has fast bfloat16, vip_core runs the image tower in it, and that moves a similarity by up to .013.
    """
    monkeypatch.setattr("vip_core.utils.device._cpu_flags", frozenset)
    predictors = {task: Predictor(ViP.from_pretrained(task, vip_mini)) for task in TASKS}

    seen = {}

    def score(image, task, symptoms=None):
        predictor = predictors[task]
        if seen.get(task) != (content := Path(image).read_bytes()):
            predictor.set_image(image)
            seen[task] = content
        return json.loads(json.dumps(predictor.score(symptoms).to_dict()))

    return score


@pytest.fixture(scope="session")
def scripts(tmp_path_factory):
    """The page's scripts alone, in the folder's layout: what needs neither a model nor the runtime."""
    from demo.state.static_page import page_files
    from vip_core.web.model_files import clip_merges

    folder = tmp_path_factory.mktemp("scripts")
    blank = b"<!doctype html><title>blank</title>"
    for name, content in {**page_files(), "merges.txt": clip_merges(), "blank.html": blank}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    server = StaticServer(folder)
    yield server
    server.close()


@pytest.fixture(scope="session")
def script_page(browser, scripts):
    """A blank page on which the scripts can be imported one by one."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(scripts.url + "blank.html")
    yield page
    context.close()


def drawn_images(task: str, count: int) -> list[Path]:
    """Test images of the real data: `count` of them, evenly drawn. Skips without the data."""
    if not DATA.is_dir():
        pytest.skip(f"no real data at {DATA}; set VIP_DATA to its folder")
    if task == "pneumonia":
        paths = sorted((DATA / "pneumonia" / "chest_xray" / "test").rglob("*.jpeg"))
    else:
        rows = csv.DictReader((PROJECT / "docs" / "isic2017-split.csv").open())
        names = [row["image"] for row in rows if row["split"] == "test"]
        paths = [DATA / "isic2017" / "images" / Path(name).name for name in names]
    step = len(paths) / count
    return [paths[int(index * step)] for index in range(count)]

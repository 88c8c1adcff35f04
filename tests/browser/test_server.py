"""`python app.py` itself: how soon it serves, what it needs, what it leaves and what it logs."""

import os
import signal
import socket
import sys

import httpx
import pytest
from conftest import served
from playwright.sync_api import expect

from benchmarks import bombs
from tests.browser.bench import Bench
from tests.processes import run

pytestmark = pytest.mark.slow


def test_it_starts_soon_in_little_memory_and_leaves_no_upload_behind(tmp_path, xrays, capsys):
    with served(tmp_path, new_interpreter=True) as server:
        (path,) = httpx.post(server.url + "gradio_api/upload", files={"files": xrays[0].open("rb")}).json()
        assert path and any(each.is_file() for each in server.uploads.rglob("*"))
        with capsys.disabled():
            print(f"\n  first page after {server.seconds:.1f} s", end="")
            if sys.platform == "linux":
                print(f", {server.resident / 1e9:.2f} GB resident", end="")
                assert server.resident < 1.5e9
            print()
    assert server.seconds < 60  # 15 on an idle machine
    assert server.kept() == []


def test_what_keeps_it_from_serving_is_one_sentence(tmp_path):
    (tmp_path / "pneumonia").mkdir()
    (tmp_path / "pneumonia" / "card.json").write_text("{")
    faults = {
        "card.json": {"VIP_CHECKPOINTS": str(tmp_path)},
        "GRADIO_SERVER_NAME": {"GRADIO_SERVER_NAME": "192.0.2.1"},  # kept for documentation: nobody's address
    }
    for words, fault in faults.items():
        attempt = run("app.py", env={**os.environ, **fault})
        complaint = attempt.stderr
        assert attempt.returncode == 2
        assert complaint.startswith("error: ") and complaint.count("\n") == 1 and words in complaint


def test_a_file_over_the_limit_is_refused_as_it_arrives(tmp_path, xrays, monkeypatch, browser):
    monkeypatch.setenv("VIP_MAX_UPLOAD", "1")
    large = tmp_path / "large.png"
    large.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(3 * 2**20))
    with served(tmp_path) as server:
        refused = httpx.post(server.url + "gradio_api/upload", files={"files": large.open("rb")})
        assert refused.status_code == 413
        page = browser.new_page()
        page.goto(server.url)
        page.wait_for_selector("html[data-ready=yes]")
        page.wait_for_selector(".vip-bench[data-ready=yes]")
        page.locator(".vip-tools input[type=file]").first.set_input_files(large)
        expect(page.locator(".vip-answer .vip-message")).to_contain_text(
            "exceed the maximum allowed size", timeout=20_000
        )
        page.close()
        assert server.kept() == []
        taken = httpx.post(server.url + "gradio_api/upload", files={"files": xrays[0].open("rb")})
        assert taken.status_code == 200
        assert "Traceback" not in server.log.read_text()


def test_sigterm_ends_it_whatever_runs(tmp_path, xrays):
    with served(tmp_path) as server:
        url = httpx.URL(server.url)
        half_sent = socket.create_connection((url.host, url.port))
        half_sent.sendall(f"POST /gradio_api/upload HTTP/1.1\r\nHost: {url.netloc.decode()}\r\n".encode())
        heartbeat = httpx.Client(base_url=server.url).stream("GET", "gradio_api/heartbeat/open")
        with heartbeat, httpx.Client(base_url=server.url) as visitor:
            for data in (bombs.scans(8_000), bombs.scans(8_000), xrays[0].read_bytes()):
                (path,) = visitor.post("gradio_api/upload", files={"files": ("x.jpeg", data)}).json()
                image = {"path": path, "meta": {"_type": "gradio.FileData"}}
                visitor.post("gradio_api/call/diagnose", json={"data": [image, "pneumonia", None]}).raise_for_status()
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(30) == 0
        half_sent.close()
    assert not [path for path in server.uploads.rglob("*") if path.is_file()]


def test_with_accounts_nobody_else_comes_in(tmp_path, xrays, monkeypatch):
    monkeypatch.setenv("VIP_AUTH", "ann:a-secret")
    with served(tmp_path) as server:
        assert httpx.get(server.url + "config").status_code == 401
        assert httpx.post(server.url + "gradio_api/upload", files={"files": xrays[0].open("rb")}).status_code == 401
        with httpx.Client(base_url=server.url) as ann:
            assert ann.post("login", data={"username": "ann", "password": "wrong"}).status_code == 400
            assert ann.post("login", data={"username": "ann", "password": "a-secret"}).status_code == 200
            assert ann.get("config").status_code == 200
        assert "a-secret" not in server.log.read_text()


def test_the_first_paint_comes_soon(browser, server, capsys):
    person = Bench(browser, server.url)  # with nothing in its cache
    paint = person.page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    person.leave()
    with capsys.disabled():
        print(f"\n  first paint after {paint:.0f} ms", end="")
    assert paint < 3000


def test_the_log_tells_nothing_of_visitors(visit, server, xrays, tmp_path):
    name, wording = "jane-doe-1961.jpeg", "my very own wording"
    before = len(server.log.read_text())  # hostile requests of other tests may be told there, with what they asked for
    (tmp_path / name).write_bytes(xrays[0].read_bytes())
    person = visit()
    person.upload(tmp_path / name)
    person.write(wording, 0, 1)
    for index in range(len(person.texts(1))):
        person.row(index, 1).locator("input[type=checkbox]").uncheck()
    person.wait(lambda: "No symptom" in person.message)
    (tmp_path / "jane-doe-1961.png").write_text("no picture")
    person.page.locator(".vip-tools input[type=file]").first.set_input_files(tmp_path / "jane-doe-1961.png")
    person.wait(lambda: "jane-doe" in person.message)
    log = server.log.read_text()
    assert "Running on" in log
    assert not [word for word in ("jane-doe", wording, str(tmp_path)) if word in log]
    assert not [word for word in ("Traceback", "Warning") if word in log[before:]]

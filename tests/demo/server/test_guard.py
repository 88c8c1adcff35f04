"""The guard over real HTTP: who is refused, with what, and what an answer carries."""

import json
import re
import socket
import threading
import time

import httpx
import pytest

from demo.server import body
from demo.server.brake import FREE


@pytest.fixture(scope="module")
def url(start):
    return start()[0]


@pytest.fixture(scope="module")
def closed_url(start):
    return start(auth=(("ann", "secret"),))[0]


def test_guard_answers_the_page_with_safe_headers(url):
    answer = httpx.get(url + "/")
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "frame-ancestors 'self'" in policy and "connect-src 'self' data: blob:;" in policy
    assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["referrer-policy"]
    assert "vip-visitor=" in answer.headers["set-cookie"] and "HttpOnly" in answer.headers["set-cookie"]


def test_guard_lets_a_browser_keep_the_files_whose_names_change_with_their_content(url):
    page = httpx.get(url + "/")
    script = re.search(r"assets/[\w-]+\.js", page.text)[0]
    assert "immutable" in httpx.get(f"{url}/{script}").headers["cache-control"]
    for other in (page, httpx.get(url + "/config"), httpx.get(url + "/assets/no-such-file.js")):
        assert "immutable" not in other.headers.get("cache-control", "")


@pytest.mark.parametrize("path", ["/", "/config", "/gradio_api/queue/join"])
def test_guard_refuses_a_name_that_somebody_points_here(url, path):
    answer = httpx.get(url + path, headers={"Host": "rebound.example"})
    assert answer.status_code == 421 and "VIP_ALLOWED_HOSTS" in answer.text


@pytest.mark.parametrize("which", ["url", "closed_url"])
def test_guard_refuses_pages_of_other_origins_and_gives_them_no_cors(request, which):
    url = request.getfixturevalue(which)
    for origin in ("http://evil.example", "http://127.0.0.1:9", "null"):
        for answer in (
            httpx.get(url + "/config", headers={"Origin": origin}),
            httpx.post(url + "/gradio_api/queue/join", headers={"Origin": origin}, json={}),
            httpx.options(url + "/config", headers={"Origin": origin, "Access-Control-Request-Method": "GET"}),
        ):
            assert answer.status_code == 403
            assert not [name for name in answer.headers if name.startswith("access-control")]
    own = httpx.get(url + "/", headers={"Origin": url})
    assert own.status_code == 200 and "access-control-allow-origin" not in own.headers


def test_guard_caps_bodies_by_route(url):
    login = httpx.post(url + "/login", content=b"x" * 100_000)
    assert login.status_code == 413

    def endless():
        for _ in range(20):
            yield b" " * 2**20

    answer = httpx.post(url + "/gradio_api/queue/join", content=endless())  # no length is declared
    assert answer.status_code == 413


def test_guard_reads_utf8_only(url):
    kind = {"Content-Type": "multipart/form-data; boundary=x; charset=punycode"}
    assert httpx.post(url + "/login", content=b"--x--", headers=kind).status_code == 415


def test_guard_slows_down_wrong_passwords(start):
    url = start(auth=(("ann", "secret"),))[0]

    def login(password):
        return httpx.post(url + "/login", data={"username": "ann", "password": password})

    assert [login("wrong").status_code for _ in range(FREE)] == [400] * FREE
    refused = login("secret")
    assert refused.status_code == 429 and int(refused.headers["retry-after"]) >= 1
    time.sleep(int(refused.headers["retry-after"]))
    assert login("secret").status_code == 200


def test_guard_lets_only_its_own_page_use_a_session(url):
    with httpx.Client(base_url=url) as ann, httpx.Client(base_url=url) as eve:
        ann.get("/"), eve.get("/")
        assert ann.cookies["vip-visitor"] != eve.cookies["vip-visitor"]
        there, stop = threading.Event(), threading.Event()

        def stay():
            with ann.stream("GET", "/gradio_api/heartbeat/annspage", timeout=30):
                there.set()
                stop.wait(30)

        thread = threading.Thread(target=stay)
        thread.start()
        assert there.wait(30)
        assert eve.get("/gradio_api/heartbeat/annspage").status_code == 403
        assert eve.get("/gradio_api/queue/data", params={"session_hash": "annspage"}).status_code == 403
        call = {"data": ["x"], "fn_index": 0, "session_hash": "annspage"}
        assert eve.post("/gradio_api/queue/join", json=call).status_code == 403
        assert ann.post("/gradio_api/queue/join", json=call).status_code == 200
        stop.set()
        thread.join()


def test_guard_takes_the_body_that_it_looked_into(url):
    """An event still gets its data after the guard has read the session."""
    call = {"data": ["as typed"], "fn_index": 0, "session_hash": "whole"}
    httpx.post(url + "/gradio_api/queue/join", json=call).raise_for_status()
    with httpx.stream("GET", url + "/gradio_api/queue/data?session_hash=whole", timeout=30) as stream:
        for line in stream.iter_lines():
            if line.startswith("data:") and (news := json.loads(line[5:]))["msg"] == "process_completed":
                assert news["output"]["data"] == ["as typed"]
                return
    raise AssertionError("nothing came back")


def test_hide_paths_tells_no_folder_and_takes_its_name_back(url, start, tmp_path):
    picture = tmp_path / "x.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n")
    (path,) = httpx.post(url + "/gradio_api/upload", files={"files": picture.open("rb")}).json()
    assert not path.startswith(str(tmp_path.parent)) and path.endswith("x.png")


def test_guard_gives_a_page_of_another_to_no_call_of_the_api(url):
    """Gradio takes the id of an event for a session as well, and a call may name a session."""
    with httpx.Client(base_url=url) as ann, httpx.Client(base_url=url) as eve:
        ann.get("/"), eve.get("/")
        call = {"data": ["for ann alone"], "fn_index": 0, "session_hash": "annscall"}
        ann.post("/gradio_api/queue/join", json=call).raise_for_status()
        assert eve.get("/gradio_api/call/diagnose/annscall").status_code == 403
        assert eve.post("/gradio_api/call/diagnose", json=call).status_code == 403
        own = eve.post("/gradio_api/call/diagnose", json={"data": ["for eve"]}).json()["event_id"]
        assert "for eve" in eve.get(f"/gradio_api/call/diagnose/{own}").text


def test_guard_ends_a_request_whose_body_stops_coming(url, monkeypatch):
    monkeypatch.setattr(body, "STALLED_SECONDS", 0.5)
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(
            f"POST /gradio_api/queue/join HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100\r\n\r\n{{".encode()
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 408 ")

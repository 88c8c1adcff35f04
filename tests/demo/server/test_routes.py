"""The routes that are open, walked against Gradio's own list."""

import httpx
import pytest

from demo.server.routes import is_open, is_utf8, max_body


def routes_of(routes):
    """Method and path of every route of an app; those of included routers with their prefix."""
    for route in routes:
        inner = getattr(route, "original_router", None) or getattr(route, "router", None)
        if getattr(route, "path", None) is None:
            yield from routes_of(inner.routes if inner is not None else getattr(route, "routes", []))
            continue
        for method in getattr(route, "methods", None) or ():
            yield method, route.path


CLOSED = {  # what a stranger could have done with each is in docs/security.md
    "/gradio_api/deep_link", "/gradio_api/process_recording", "/gradio_api/component_server",
    "/gradio_api/custom_component/{id}/{environment}/{type}/{file_name}", "/gradio_api/vibe-code",
    "/gradio_api/vibe-edit", "/gradio_api/dev/reload", "/gradio_api/token", "/gradio_api/startup-events",
    "/gradio_api/proxy={url_path:path}", "/gradio_api/runs", "/monitoring", "/monitoring/{key}", "/openapi.json",
    "/pwa_icon/{size}", "/gradio_api/openapi.json", "/gradio_api/run/{api_name}", "/gradio_api/api/{api_name}",
}  # fmt: skip
OPEN = {
    "/", "/config", "/config/", "/login", "/login/", "/logout", "/favicon.ico", "/theme.css", "/robots.txt",
    "/manifest.json", "/static/{path:path}", "/assets/{path:path}", "/svelte/{path:path}",
    "/gradio_api/theme.css", "/gradio_api/info", "/gradio_api/info/", "/gradio_api/user", "/gradio_api/user/",
    "/gradio_api/login_check", "/gradio_api/login_check/", "/gradio_api/app_id", "/gradio_api/app_id/",
    "/gradio_api/file={path_or_url:path}", "/gradio_api/heartbeat/{session_hash}", "/gradio_api/queue/data",
    "/gradio_api/upload_progress", "/gradio_api/upload", "/gradio_api/queue/join", "/gradio_api/cancel",
    "/gradio_api/reset", "/gradio_api/reset/", "/gradio_api/call/{api_name}", "/gradio_api/call/{api_name}/",
    "/gradio_api/call/v2/{api_name}", "/gradio_api/call/v2/{api_name}/", "/gradio_api/call/{api_name}/{event_id}",
}  # fmt: skip


def as_sent(path):
    """A path that a route takes."""
    for name, value in {"{api_name}": "diagnose", "{path:path}": "x.js", "{path_or_url:path}": "/x.png"}.items():
        path = path.replace(name, value)
    return path.replace("{event_id}", "abc").replace("{session_hash}", "abc")


@pytest.fixture(scope="module")
def served(start):
    return start()


def test_is_open_for_exactly_the_routes_that_the_page_uses(served):
    every = set(routes_of(served[1].app.routes))
    assert len(every) > 60 and {path for _, path in every} >= OPEN - {"/logout", "/gradio_api/upload_progress"}
    opened = {path for method, path in every if is_open(method, as_sent(path))}
    assert opened <= OPEN  # a new one in an update of Gradio is closed until it is added here
    assert not opened & CLOSED


@pytest.mark.parametrize("path", sorted(CLOSED))
def test_a_closed_route_answers_404(served, path):
    for method in ("GET", "POST"):
        assert httpx.request(method, served[0] + path.replace("{", "").replace("}", "")).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/gradio_api/queue/join"), ("POST", "/config"), ("DELETE", "/"), ("OPTIONS", "/config"),
     ("GET", "//config"), ("GET", "/gradio_api/call/other/x"), ("POST", "/gradio_api/call/show_boxes"),
     ("GET", "/gradio_api/heartbeat/a/b"), ("GET", "/gradio_api/../monitoring"), ("GET", "/config\n")],
)  # fmt: skip
def test_is_open_for_no_other_method_or_spelling(method, path):
    assert not is_open(method, path)


def test_max_body_is_small_where_nothing_large_is_sent():
    assert max_body("/login", 2**26) <= 2**16 and max_body("/gradio_api/cancel", 2**26) <= 2**16
    assert max_body("/gradio_api/queue/join", 2**26) == 8 * 2**20 < max_body("/gradio_api/upload", 2**26)


@pytest.mark.parametrize(
    ("kind", "utf8"),
    [("", True), ("application/json", True), ("text/plain; charset=UTF-8", True),
     ("multipart/form-data; boundary=x; charset=punycode", False), ('a/b; Charset="idna"', False),
     ("a/b; charset = utf-7", False)],
)  # fmt: skip
def test_is_utf8_refuses_other_character_sets(kind, utf8):
    assert is_utf8(kind) is utf8

"""Pages of other origins, in a real browser: they can neither read this server nor have it do anything."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from conftest import served

pytestmark = pytest.mark.slow
ATTACK = """async target => {
  const attempt = async (path, options) => {
    try { const answer = await fetch(target + path, options); return [answer.status, (await answer.text()).length]; }
    catch (error) { return "blocked"; }
  };
  const call = {method: "POST", body: JSON.stringify({data: [], fn_index: 0, session_hash: "foreign"})};
  return {
    config: await attempt("config", {}),
    credentials: await attempt("config", {credentials: "include"}),
    join: await attempt("gradio_api/queue/join", {...call, headers: {"Content-Type": "application/json"}}),
    blind: await attempt("gradio_api/queue/join", {...call, mode: "no-cors", credentials: "include"}),
    frame: await new Promise(done => {
      const frame = document.createElement("iframe");
      frame.onload = () => { try { done(frame.contentDocument.body.innerText); } catch (error) { done("blocked"); } };
      frame.src = target;
      document.body.append(frame);
    }),
  };
}"""


@contextmanager
def another_site():
    """A page of another origin, on another port of this machine."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>elsewhere</title><body>")

        def log_message(self, *_):
            pass

    site = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{site.server_port}/"
    site.shutdown()


def attack(browser, target, login=None):
    """What a page elsewhere gets from `target`, in a browser that may be logged in there."""
    context = browser.new_context()
    page = context.new_page()
    if login:
        page.goto(target)
        answer = page.evaluate(
            "form => fetch('/login', {method: 'POST', body: new URLSearchParams(form)}).then(answer => answer.status)",
            login,
        )
        assert answer == 200
    with another_site() as site:
        page.goto(site)
        found = page.evaluate(ATTACK, target)
    context.close()
    return found


def test_guard_blocks_pages_of_other_origins(browser, server):
    found = attack(browser, server.url)
    assert [found[name] for name in ("config", "credentials", "join")] == ["blocked"] * 3
    assert found["blind"] in ("blocked", [0, 0]) and found["frame"] == "blocked"


def test_guard_blocks_pages_of_other_origins_for_who_is_logged_in(browser, tmp_path, monkeypatch):
    monkeypatch.setenv("VIP_AUTH", "ann:a-secret")
    with served(tmp_path) as closed:
        found = attack(browser, closed.url, {"username": "ann", "password": "a-secret"})
        assert [found[name] for name in ("config", "credentials", "join")] == ["blocked"] * 3
        assert found["blind"] in ("blocked", [0, 0]) and found["frame"] == "blocked"
        assert "foreign" not in closed.log.read_text()

"""The guard in front of Gradio's app: it refuses what the page does not need, and adds the headers of a safe answer."""

import json
import secrets
from collections.abc import Mapping, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..settings import Settings
from .body import Body, Refused
from .brake import Brake
from .disk import refuse_where_full
from .fairness import Fairness
from .headers import cache_headers, security_headers
from .hosts import Hosts, visitor_address
from .owners import Owners
from .routes import MEGABYTE, is_open, is_utf8, max_body

COOKIE = "vip-visitor"
MAX_STREAMS = 200  # open event streams per address: a clinic behind one address has some two per page
NOT_A_HOST = "This server does not answer to that host name. The operator can add it to VIP_ALLOWED_HOSTS."
NOT_OWN = "Only this server's own page may send such a request from a browser."


class Guard:
    """ASGI middleware; the outermost."""

    def __init__(self, app: ASGIApp, settings: Settings, hosts: Hosts, owners: Owners, fairness: Fairness):
        self.app, self.settings, self.hosts, self.owners, self.fairness = app, settings, hosts, owners, fairness
        self.brake = Brake()
        self.headers = security_headers()
        self._streams: dict[str, int] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "websocket":  # the page has none
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            await self._http(scope, receive, send)
        except Refused as refused:
            answer = PlainTextResponse(refused.sentence, refused.status, {**self.headers, **(refused.headers or {})})
            await answer(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers, path, method = Headers(scope=scope), _path(scope), scope["method"]
        if not self.hosts.accept(headers):
            raise Refused(421, NOT_A_HOST)
        if not self.hosts.own_origin(headers):
            raise Refused(403, NOT_OWN)
        if not is_open(method, path, self.settings.mcp):
            raise Refused(404, "Not found.")
        if not is_utf8(headers.get("content-type", "")):
            raise Refused(415, "Only UTF-8 is accepted.")
        address = visitor_address(scope.get("client"), headers, self.settings.proxies)
        scope["client"] = (address, (scope.get("client") or ("", 0))[1])
        if not self.settings.proxies:  # not trustworthy, and Gradio would build addresses from it
            scope["headers"] = [pair for pair in scope["headers"] if pair[0] != b"x-forwarded-host"]
        visitor = _cookie(headers)
        owner = visitor or address
        body = Body(receive, max_body(path, self.settings.max_upload), headers.get("content-length"))
        if path.startswith("/login") and method == "POST":
            await self._login(scope, body, send, address)
            return
        session = await _session(path, scope, body)
        if session is not None and not self.owners.claim(session, owner):
            raise Refused(403, "This session belongs to another page.")
        if session is not None and path.startswith("/gradio_api/queue/join"):
            _check(self.fairness.may_ask(session, owner, address), "Too many of your requests are waiting.", "2")
        if path == "/gradio_api/upload":
            may = self.fairness.may_upload(address, body.declared or MEGABYTE)
            _check(may, "Too much was uploaded within two minutes.", "60")
            await refuse_where_full(self.app, scope, body.receive, self._reply(send, None, scope))
            return
        reply = self._reply(send, None if visitor or path != "/" else secrets.token_urlsafe(24), scope)
        stream = path.startswith(("/gradio_api/heartbeat/", "/gradio_api/queue/data", "/gradio_api/call/diagnose/"))
        if not stream:
            await self.app(scope, body.receive, reply)
            return
        if self._streams.get(address, 0) >= MAX_STREAMS:
            raise Refused(429, "Too many open connections from this address. Close some pages.", {"Retry-After": "10"})
        self._streams[address] = self._streams.get(address, 0) + 1
        if session is not None:
            self.owners.opened(session)
        try:
            await self.app(scope, body.receive, reply)
        finally:
            self._streams[address] -= 1
            if not self._streams[address]:
                del self._streams[address]
            if session is not None:
                self.owners.closed(session)

    async def _login(self, scope: Scope, body: "Body", send: Send, address: str) -> None:
        wait = self.brake.seconds_to_wait(address)
        if wait:
            seconds = f"{wait + 1:.0f}"
            raise Refused(429, f"Too many wrong passwords. Try again in {seconds} s.", {"Retry-After": seconds})

        async def judged(message: Message) -> None:
            if message["type"] == "http.response.start":
                if message["status"] == 400:
                    self.brake.wrong(address)
                elif message["status"] == 200:
                    self.brake.right(address)
            await send(message)

        await self.app(scope, body.receive, self._reply(judged, None, scope))

    def _reply(self, send: Send, new_visitor: str | None, scope: Scope) -> Send:
        """`send` with our headers, and a cookie for a new visitor's page."""

        async def reply(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name in [name for name in headers if name.lower().startswith("access-control-")]:
                    del headers[name]  # this server's own page needs none, and no other page may have one
                for name, value in {**self.headers, **cache_headers(_path(scope), message["status"])}.items():
                    headers[name] = value
                if new_visitor:
                    secure = headers_of(scope).get("x-forwarded-proto", scope["scheme"]).startswith("https")
                    more = "; SameSite=None; Secure; Partitioned" if secure else "; SameSite=Lax"
                    headers.append("set-cookie", f"{COOKIE}={new_visitor}; Path=/; HttpOnly{more}")
            await send(message)

        return reply


def _check(allowed: bool, sentence: str, seconds: str) -> None:
    if not allowed:
        raise Refused(429, f"{sentence} Try again in {seconds} s.", {"Retry-After": seconds})


def headers_of(scope: Scope) -> Mapping[str, str]:
    """The headers of a request."""
    return Headers(scope=scope)


def _path(scope: MutableMapping[str, Any]) -> str:
    path, root = scope["path"], scope.get("root_path", "")
    return path.removeprefix(root) if root and path.startswith(f"{root}/") else path


def _cookie(headers: Mapping[str, str]) -> str | None:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return found.value[:64] if found is not None else None


async def _session(path: str, scope: Scope, body: Body) -> str | None:
    """The session that a request is about, where it names one."""
    if path.startswith("/gradio_api/heartbeat/"):
        return path.rsplit("/", 1)[-1]
    if path.startswith("/gradio_api/call/diagnose/"):  # of an event, whose id Gradio also takes for a session
        return path.rstrip("/").rsplit("/", 1)[-1]
    if path == "/gradio_api/queue/data":
        return parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", [None])[0]
    if path.startswith(("/gradio_api/queue/join", "/gradio_api/cancel", "/gradio_api/reset", "/gradio_api/call/")):
        try:
            sent = json.loads(await body.whole() or b"null")
        except (ValueError, RecursionError):
            raise Refused(400, "The body is not JSON.") from None
        session = sent.get("session_hash") if isinstance(sent, dict) else None
        return session if isinstance(session, str) else None
    return None

"""Hides the host's folders: responses contain a short name for each, which requests are translated from."""

from collections.abc import Mapping
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TEXTS = ("application/json", "text/html", "text/event-stream", "text/plain")


class HidePaths:
    """ASGI middleware within Gradio's compression. folders: a name as visitors see it -> the folder."""

    def __init__(self, app: ASGIApp, folders: Mapping[str, Path]):
        self.app = app
        self.pairs = [(f"/{name}/".encode(), f"{folder}/".encode()) for name, folder in folders.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        scope["path"] = self._real(scope["path"].encode()).decode()
        if scope.get("raw_path"):
            scope["raw_path"] = self._real(scope["raw_path"])
        if headers.get("content-type", "").startswith("application/json"):
            receive = await self._json(scope, receive)
        start: list[Message] = []
        whole = bytearray()
        texts = streams = False

        async def reply(message: Message) -> None:
            nonlocal texts, streams
            if message["type"] == "http.response.start":
                kind = Headers(raw=message["headers"]).get("content-type", "")
                texts, streams = kind.startswith(TEXTS), kind.startswith("text/event-stream")
                if texts and not streams:
                    start.append(message)  # its length may change
                    return
            elif texts and message["type"] == "http.response.body":
                body = message.get("body", b"")
                if streams:  # each event is one message
                    message = {**message, "body": self._shown(body)}
                else:
                    whole.extend(body)
                    if message.get("more_body"):
                        return
                    message = {"type": "http.response.body", "body": self._shown(bytes(whole))}
                    head = start.pop()
                    lengths = MutableHeaders(raw=head["headers"])
                    if "content-length" in lengths and scope["method"] != "HEAD":
                        lengths["content-length"] = str(len(message["body"]))
                    await send({**head, "headers": lengths.raw})
            await send(message)

        await self.app(scope, receive, reply)

    async def _json(self, scope: Scope, receive: Receive) -> Receive:
        """The body with the real folders; its length header with it."""
        parts, more = [], True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return _again([message], receive)
            parts.append(message.get("body", b""))
            more = message.get("more_body", False)
        body = self._real(b"".join(parts))
        lengths = MutableHeaders(raw=list(scope["headers"]))
        if "content-length" in lengths:
            lengths["content-length"] = str(len(body))
        scope["headers"] = lengths.raw
        return _again([{"type": "http.request", "body": body, "more_body": False}], receive)

    def _shown(self, text: bytes) -> bytes:
        for name, folder in self.pairs:
            text = text.replace(folder, name)
        return text

    def _real(self, text: bytes) -> bytes:
        for name, folder in self.pairs:
            text = text.replace(name, folder)
        return text


def _again(messages: list[Message], receive: Receive) -> Receive:
    async def give() -> Message:
        return messages.pop(0) if messages else await receive()

    return give

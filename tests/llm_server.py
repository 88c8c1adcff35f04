"""A small OpenAI-compatible server on 127.0.0.1, which answers as a test has told it to."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# A reply of two lists, and what a person may have set up.
GOOD = {
    "normal lung": ["clear, evenly dark lung fields", "sharp heart borders"],
    "pneumonia": ["dense white opacity in one lobe", "dark branching air bronchograms"],
}
VARIABLES = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "VIP_LLM_MODEL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID")


@dataclass
class Answer:
    """One answer: a reply of the model, or an HTTP status with its body.

    stream: piece by piece where it was asked for; hang: seconds of silence before it, or amid it with `amid`.
    """

    content: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    stream: bool = True
    hang: float = 0.0
    amid: bool = False
    usage: bool = True
    content_type: str = ""


@dataclass
class Request:
    """What the server was sent."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    at: float

    @property
    def form(self) -> str:
        given = self.body.get("response_format") or {"type": "text"}
        return given["type"] + ("+schema" if given["type"] == "json_object" and "schema" in given else "")

    @property
    def prompt(self) -> str:
        return self.body["messages"][-1]["content"]


class LLMServer(ThreadingHTTPServer):
    """Gives `answers` in turn, the last one for ever; refuses the forms of reply in `refused` with `refusal`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[Answer] = []
        self.refused: set[str] = set()
        self.refusal = 400
        self.limits_refused = False
        self.requests: list[Request] = []
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def says(self, *replies: object) -> None:
        """Answer with these from now on: text, what becomes JSON text, or an Answer."""
        self.answers = [_answer(reply) for reply in replies]

    def next_answer(self, request: Request) -> Answer:
        self.requests.append(request)
        limits = "maxItems" in json.dumps(request.body.get("response_format", {}))
        if request.form in self.refused or (self.limits_refused and limits and request.form == "json_schema"):
            return Answer(status=self.refusal, body={"error": {"message": "response_format is not supported"}})
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up, as one does after its timeout, is no news."""


def _answer(reply: object) -> Answer:
    if isinstance(reply, Answer):
        return reply
    return Answer(reply if isinstance(reply, str) else json.dumps(reply))


class _Handler(BaseHTTPRequestHandler):
    server: LLMServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        request = Request(
            self.path, {name.lower(): value for name, value in self.headers.items()}, body, time.monotonic()
        )
        answer = self.server.next_answer(request)
        if answer.hang and not answer.amid:
            self.server.closing.wait(answer.hang)
        if self.path != "/v1/chat/completions":
            self._send(404, b'{"error": {"message": "no such path"}}', {})
        elif answer.status != 200 or answer.body is not None:
            raw = answer.body if isinstance(answer.body, str) else json.dumps(answer.body or {})
            self._send(answer.status, raw.encode(), answer.headers, answer.content_type or "application/json")
        elif answer.stream and body.get("stream"):
            self._stream(answer, (body.get("stream_options") or {}).get("include_usage", False))
        else:
            message = {"role": "assistant", "content": answer.content}
            whole = {"id": "1", "object": "chat.completion", "created": 0, "model": body["model"]}
            whole["choices"] = [{"index": 0, "finish_reason": "stop", "message": message}]
            if answer.usage:
                whole["usage"] = self._usage(answer)
            self._send(200, json.dumps(whole).encode(), answer.headers)

    def _send(self, status: int, body: bytes, headers: dict[str, str], content_type: str = "application/json") -> None:
        self.send_response(status)
        for name, value in {"Content-Type": content_type, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, answer: Answer, usage: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Connection", "close")
        self.end_headers()
        size = max(7, len(answer.content) // 50)
        pieces = [answer.content[i : i + size] for i in range(0, len(answer.content), size)]
        for number, piece in enumerate(pieces):
            if answer.amid and number == 1:
                self.server.closing.wait(answer.hang)
            self._event({"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]})
        self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        if usage and answer.usage:
            self._event({"choices": [], "usage": self._usage(answer)})
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def _event(self, data: dict[str, Any]) -> None:
        whole = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m", **data}
        self.wfile.write(b"data: " + json.dumps(whole).encode() + b"\n\n")
        self.wfile.flush()

    @staticmethod
    def _usage(answer: Answer) -> dict[str, int]:
        sent, received = 100, len(answer.content.split())
        return {"prompt_tokens": sent, "completion_tokens": received, "total_tokens": sent + received}


@contextmanager
def llm_server() -> Iterator[LLMServer]:
    """The server, running, for the length of the block."""
    server = LLMServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()

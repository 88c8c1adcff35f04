"""The requests of one generation to an OpenAI-compatible server: the form of reply, retries, streaming, tokens."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from vip_core.errors import GenerationCancelled, GenerationError
from vip_core.vsg.agreement import Ranked
from vip_core.vsg.parsing import Dropped, Lists, Sieve, UnusableReply, read_reply, schema, tidy
from vip_core.vsg.prompts import KINDS, Message, ask, ask_again, ask_critique
from vip_core.vsg.request import GenerationRequest, Progress, Tokens
from vip_core.vsg.server import OPENAI, Server

MOST_CHARACTERS = 1_000_000  # of a reply
BEGINNING = 160  # characters of a reply or of a server's message that are shown
REFUSED = (400, 415, 422, 501)  # how servers say that they do not know a form of reply
# From the strictest form of reply to none; a server that refuses one is asked for the next, and the one that it takes
# is kept. Servers that know no limits in a schema take the second. llama-cpp-python takes the third, and answers to the
# first with status 500 and a complaint about response_format, after which the second is not worth a try.
FORMS = ("schema with limits", "schema", "JSON by schema", "JSON", "text")

CRITIQUE = "Critique"

T = TypeVar("T")


@dataclass
class Conversation:
    """The requests of one generation, and what they have brought so far."""

    request: GenerationRequest
    server: Server
    sieve: Sieve
    on_progress: Callable[[Progress], None]
    cancelled: Callable[[], bool]
    form: int = 0  # index into FORMS
    step: str = ""
    steps_done: int = 0
    tokens: Tokens = field(default_factory=Tokens)
    dropped: list[Dropped] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)

    def __enter__(self) -> "Conversation":
        import openai  # a third of a second, and needed here alone

        timeout = openai.Timeout(self.server.timeout, connect=min(10.0, self.server.timeout))
        self.client = openai.OpenAI(
            api_key=self.server.key or "none",
            base_url=self.server.base_url or OPENAI,
            timeout=timeout,
            max_retries=self.server.retries,
            # A server that sends us elsewhere could send us to an address that only this machine reaches.
            http_client=openai.DefaultHttpxClient(follow_redirects=False, timeout=timeout),
        )
        # The environment's, which is no business of a server: it may be one that a stranger chose.
        self.client.organization = self.client.project = None
        self.client._custom_headers = {}  # OPENAI_CUSTOM_HEADERS; the client has no public way to do without
        return self

    def __exit__(self, *error: object) -> None:
        self.client.close()

    # ---- what is asked

    def sample(self, number: int) -> Lists:
        """One answer to the question, sifted."""
        request = self.request
        self.step = f"Sample {number + 1} of {request.samples}" if request.samples > 1 else "Asking the model"
        messages = ask(KINDS[request.kind], request.modality, request.classes, request.number)
        seed = None if request.seed is None else request.seed + number

        def take(reply: str) -> Lists:
            lists, dropped = self.sieve.sift(read_reply(reply, request.classes))
            self.dropped += dropped
            for name, lines in lists.items():
                if not lines:
                    reasons = {line.reason for line in dropped if line.class_name == name} or {"there is none"}
                    raise UnusableReply(
                        f"It has no line for “{name}” that can be taken: {'; '.join(sorted(reasons)[:3])}."
                    )
            return lists

        return self._usable(messages, take, seed)

    def critique(self, ranked: dict[str, list[Ranked]]) -> dict[str, list[Ranked]]:
        """The groups whose line the model leaves standing; a line that it rewrote or added counts for nothing."""
        self.step = CRITIQUE
        messages = ask_critique(
            self.request.modality, {name: [group.line for group in groups] for name, groups in ranked.items()}
        )

        def take(reply: str) -> dict[str, list[Ranked]]:
            kept = {}
            for name, lines in read_reply(reply, self.request.classes).items():
                left = {tidy(line).casefold() for line in lines if isinstance(line, str)}
                kept[name] = [group for group in ranked[name] if group.line.casefold() in left]
                if not kept[name]:
                    raise UnusableReply(f"It leaves no line of “{name}” as it was.")
            return kept

        kept = self._usable(messages, take, self.request.seed)
        for name, groups in ranked.items():
            gone = [group.line for group in groups if group not in kept[name]]
            self.dropped += [Dropped(name, line, "the critique: it cannot be seen in an image") for line in gone]
        return kept

    def _usable(self, messages: list[Message], take: Callable[[str], T], seed: int | None) -> T:
        """What `take` makes of the reply; a reply that it cannot use is asked again once, with what was wrong."""
        reply = self._reply(messages, seed)
        try:
            result = take(reply)
        except UnusableReply as fault:
            reply = self._reply(ask_again(messages, reply, str(fault), self.request.classes), seed)
            try:
                result = take(reply)
            except UnusableReply as fault:
                begins = " ".join(reply.split())[:BEGINNING]
                raise GenerationError(
                    f"The model's reply cannot be used, nor could the one before; try another model. {fault} "
                    f"It begins “{begins}”."
                ) from None
        self.steps_done += 1
        return result

    def report(self, step: str, characters: int = 0) -> None:
        """Tell how far it is. Raises GenerationCancelled."""
        if self.cancelled():
            raise GenerationCancelled("The generation was called off; nothing was written.")
        request = self.request
        expected = 60 * request.number * len(request.classes)
        steps = request.samples + request.critique
        done = (self.steps_done + min(0.95, characters / expected)) / steps
        self.on_progress(Progress(step, min(done, 1.0), characters))

    # ---- one request

    def _reply(self, messages: list[Message], seed: int | None) -> str:
        """The text of the model's answer, in the strictest form that the server knows. Raises GenerationError."""
        import openai

        stream = self.server.stream
        while True:
            self.report(self.step)
            try:
                text = self._receive(messages, seed, stream)
            except openai.APIStatusError as error:
                said = error.body.get("message") if isinstance(error.body, dict) else None
                said = said if isinstance(said, str) else ""
                if error.status_code == 500 and "response_format" in said and FORMS[self.form] != "text":
                    self.form = max(self.form + 1, FORMS.index("JSON by schema"))
                    continue
                if error.status_code in REFUSED and FORMS[self.form] != "text":
                    self.form += 1
                    continue
                if error.status_code in REFUSED and stream:
                    stream = False
                    continue
                fault = self.server.refusal(error.status_code, said)
            except (openai.APITimeoutError, *_http_errors("TimeoutException")):
                fault = (
                    f"The server did not answer within {self.server.timeout:g} seconds, tried up to "
                    f"{self.server.retries + 1} times; see whether it is busy, or allow more time."
                )
            except (openai.APIConnectionError, *_http_errors("HTTPError"), OSError):
                fault = "The server cannot be reached, or broke off; check the base URL and whether it is running."
            except (openai.APIError, ValueError, AttributeError, TypeError):
                fault = (
                    "The server's answer is not in the form of the OpenAI API; check that the base URL ends as it says."
                )
            else:
                self.replies.append(text)
                return text
            # Outside of the handler, so that the client's error, which holds the key, is not chained to ours.
            raise GenerationError(fault)

    def _receive(self, messages: list[Message], seed: int | None, stream: bool) -> str:
        settings: dict[str, Any] = {
            "response_format": self._format(),
            "temperature": self.request.temperature,
            "seed": seed,
        }
        settings = {name: value for name, value in settings.items() if value is not None}
        if stream:
            settings |= {"stream": True, "stream_options": {"include_usage": True}}
        end = time.monotonic() + 10 * self.server.timeout
        text, usage = "", None
        create = self.client.chat.completions.with_streaming_response.create
        with create(model=self.server.model, messages=messages, **settings) as response:
            for piece in _pieces(response):
                usage = piece.get("usage") or usage
                text += _content(piece)
                if len(text) > MOST_CHARACTERS:
                    raise GenerationError(f"The reply has more than {MOST_CHARACTERS:,} characters; try another model.")
                if time.monotonic() > end:
                    raise GenerationError("The server was still writing after ten times the timeout; allow more time.")
                self.report(self.step, len(text))
        self._count(usage)
        # A server may echo what it was sent; what we keep and show never holds the key.
        return text.replace(self.server.key, "[key]") if self.server.key else text

    def _format(self) -> dict[str, Any] | None:
        classes, form = self.request.classes, FORMS[self.form]
        if form == "text":
            return None
        if form == "JSON":
            return {"type": "json_object"}
        number = self.request.number
        limits = (1, 2 * number) if self.step == CRITIQUE else (number, number)
        shape = schema(classes, None if form == "schema" else limits)
        if form == "JSON by schema":
            return {"type": "json_object", "schema": shape}
        return {"type": "json_schema", "json_schema": {"name": "symptoms", "strict": True, "schema": shape}}

    def _count(self, usage: object) -> None:
        usage = usage if isinstance(usage, dict) else {}
        sent, received = usage.get("prompt_tokens"), usage.get("completion_tokens")
        before = self.tokens
        known = (
            isinstance(sent, int) and isinstance(received, int) and (before.requests == 0 or before.sent is not None)
        )
        self.tokens = Tokens(
            before.requests + 1,
            (before.sent or 0) + sent if known else None,
            (before.received or 0) + received if known else None,
        )


def _pieces(response: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - of openai, imported lazily
    """The parts of an answer as JSON: many of a stream, one if the server does not stream."""
    kind = response.headers.get("content-type", "")
    if "text/event-stream" in kind:
        for chunk in response.parse():
            yield chunk.to_dict(mode="json")
    elif "json" in kind:
        yield json.loads(_body(response))
    else:
        raise ValueError(kind)


def _body(response: Any) -> bytes:  # noqa: ANN401
    body = b""
    for part in response.iter_bytes():
        body += part
        if len(body) > 4 * MOST_CHARACTERS:
            raise GenerationError(f"The reply has more than {MOST_CHARACTERS:,} characters; try another model.")
    return body


def _content(piece: dict[str, Any]) -> str:
    choices = piece.get("choices") or [{}]
    message = choices[0].get("delta") or choices[0].get("message") or {}
    return message.get("content") or message.get("refusal") or ""


def _http_errors(name: str) -> tuple[type[Exception], ...]:
    """The class of that name in the HTTP library below openai, which is httpx or its successor."""
    return tuple(getattr(sys.modules[module], name) for module in ("httpx", "httpx2") if module in sys.modules)

"""One request to an OpenAI-compatible server: the form of reply, streaming, limits, a sentence per failure."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from vip_core.errors import GenerationError
from vip_core.vsg.parsing import MAX_REPLY, schema
from vip_core.vsg.prompts import Message
from vip_core.vsg.request import TokenUsage
from vip_core.vsg.server import OPENAI, Server

# From the strictest form of reply to none; a server that refuses one is asked for the next, and the one that it accepts
# is kept. Servers without limits in a schema accept the second. llama-cpp-python accepts the third, and answers to the
# first with status 500 and a complaint about response_format, after which the second is not worth a try.
FORMS = ("schema with limits", "schema", "JSON by schema", "JSON", "text")
BY_SCHEMA, TEXT = FORMS.index("JSON by schema"), FORMS.index("text")
REFUSED = (400, 415, 422, 501)  # how servers refuse a form of reply
NOT_OPENAI = "The server's answer does not follow the OpenAI API; check the end of the base URL, often /v1."
TOO_LONG = f"The reply has more than {MAX_REPLY:,} characters; try another model."


class NotOpenAI(Exception):
    """What the server sent is not a chat completion."""


@dataclass(frozen=True)
class Failure:
    """Why a request gave no text: a sentence for the user, and the HTTP status if there was one."""

    sentence: str
    status: int = 0
    about_form: bool = False  # the server complains of response_format


@dataclass
class Client:
    """Sends messages to one server and counts the tokens; a context manager that closes the connection."""

    server: Server
    form: int = 0  # index into FORMS; the strictest that the server has not refused
    tokens: TokenUsage = field(default_factory=TokenUsage)
    replies: list[str] = field(default_factory=list)

    def __enter__(self) -> "Client":
        import openai  # a third of a second, and needed here alone

        timeout = openai.Timeout(self.server.timeout, connect=min(10.0, self.server.timeout))
        self._openai = openai.OpenAI(
            api_key=self.server.key or "none",
            base_url=self.server.base_url or OPENAI,
            timeout=timeout,
            max_retries=self.server.retries,
            # A redirect could lead to an address that only this machine reaches.
            http_client=openai.DefaultHttpxClient(follow_redirects=False, timeout=timeout),
        )
        # The environment's values are not for this server, whose address a stranger may have chosen.
        self._openai.organization = self._openai.project = None
        self._openai._custom_headers = {}  # OPENAI_CUSTOM_HEADERS; the client has no public way to leave them out
        return self

    def __exit__(self, *error: object) -> None:
        self._openai.close()

    def reply(
        self,
        messages: list[Message],
        classes: Sequence[str],
        limits: tuple[int, int],
        settings: dict[str, Any],
        on_text: Callable[[int], None],
    ) -> str:
        """The text of the model's answer, in the strictest form that the server accepts.

        Args:
            messages: the conversation.
            classes: keys of the JSON that is asked for.
            limits: the smallest and the largest length of its lists.
            settings: temperature and seed, where given.
            on_text: called with the number of characters received, before each attempt and as text arrives.

        Raises:
            GenerationError: if the server cannot be reached, refuses, or answers in another form than the OpenAI API's.
        """
        attempts = [(form, self.server.stream) for form in range(self.form, len(FORMS))]
        if self.server.stream:
            attempts.append((TEXT, False))
        failure = Failure(NOT_OPENAI)
        for form, stream in attempts:
            if form < self.form:  # skipped after a complaint about response_format
                continue
            self.form = form
            on_text(0)
            wanted = {**settings, **_response_format(form, classes, limits)}
            outcome = self._attempt(messages, wanted, stream, on_text)
            if isinstance(outcome, str):
                self.replies.append(outcome)
                return outcome
            failure = outcome
            if failure.about_form and form < TEXT:
                self.form = max(form + 1, BY_SCHEMA)
            elif failure.status not in REFUSED:
                break
        # Outside of any handler, so that the client's error, which holds the key, is not chained to ours.
        raise GenerationError(failure.sentence)

    def _attempt(
        self, messages: list[Message], settings: dict[str, Any], stream: bool, on_text: Callable[[int], None]
    ) -> str | Failure:
        import openai

        try:
            return self._receive(messages, settings, stream, on_text)
        except openai.APIStatusError as error:
            said = error.body.get("message") if isinstance(error.body, dict) else None
            said = said if isinstance(said, str) else ""
            about_form = error.status_code == 500 and "response_format" in said
            return Failure(self.server.refusal(error.status_code, said), error.status_code, about_form)
        except openai.APITimeoutError:
            return Failure(
                f"The server did not answer within {self.server.timeout:g} seconds in up to "
                f"{self.server.retries + 1} attempts; check whether it is busy, or allow more time."
            )
        except openai.APIConnectionError:
            return Failure(
                "The server cannot be reached, or closed the connection; check the base URL and whether it is running."
            )
        except (openai.APIError, NotOpenAI):
            return Failure(NOT_OPENAI)

    def _receive(
        self, messages: list[Message], settings: dict[str, Any], stream: bool, on_text: Callable[[int], None]
    ) -> str:
        if stream:
            settings = {**settings, "stream": True, "stream_options": {"include_usage": True}}
        end = time.monotonic() + 10 * self.server.timeout
        parts: list[str] = []
        length, usage = 0, None
        create = self._openai.chat.completions.with_streaming_response.create
        with create(model=self.server.model, messages=messages, **settings) as response:  # type: ignore[arg-type]
            for piece in _pieces(response):
                text, used = _content(piece)
                usage = used or usage
                parts.append(text)
                length += len(text)
                if length > MAX_REPLY:
                    raise GenerationError(TOO_LONG)
                if time.monotonic() > end:
                    raise GenerationError("The server was still writing after ten times the timeout; allow more time.")
                on_text(length)
        self._count(usage)
        # A server may echo what it was sent; what we keep and show never holds the key.
        text = "".join(parts)
        return text.replace(self.server.key, "[key]") if self.server.key else text

    def _count(self, usage: object) -> None:
        usage = usage if isinstance(usage, dict) else {}
        sent, received = usage.get("prompt_tokens"), usage.get("completion_tokens")
        before = self.tokens
        if isinstance(sent, int) and isinstance(received, int) and (before.requests == 0 or before.sent is not None):
            self.tokens = TokenUsage(before.requests + 1, (before.sent or 0) + sent, (before.received or 0) + received)
        else:
            self.tokens = TokenUsage(before.requests + 1)


def _response_format(form: int, classes: Sequence[str], limits: tuple[int, int]) -> dict[str, Any]:
    """The `response_format` of a request, or nothing for plain text."""
    if FORMS[form] == "text":
        return {}
    if FORMS[form] == "JSON":
        return {"response_format": {"type": "json_object"}}
    shape = schema(classes, None if FORMS[form] == "schema" else limits)
    if FORMS[form] == "JSON by schema":
        return {"response_format": {"type": "json_object", "schema": shape}}
    named = {"name": "symptoms", "strict": True, "schema": shape}
    return {"response_format": {"type": "json_schema", "json_schema": named}}


def _pieces(response: Any) -> Iterator[Any]:  # noqa: ANN401 - of openai, imported lazily
    """The parts of an answer as JSON: many of a stream, one if the server does not stream. Raises NotOpenAI."""
    kind = response.headers.get("content-type", "")
    if "text/event-stream" in kind:
        try:
            for chunk in response.parse():
                yield chunk.to_dict(mode="json")
        except (ValueError, AttributeError) as error:  # not JSON, or JSON that is no object
            raise NotOpenAI(kind) from error
    elif "json" in kind:
        body = _body(response)
        try:
            piece = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise NotOpenAI(kind) from error
        yield piece
    else:
        raise NotOpenAI(kind)


def _body(response: Any) -> bytes:  # noqa: ANN401
    import openai

    parts: list[bytes] = []
    length = 0
    incoming = response.iter_bytes()
    while True:
        try:
            part = next(incoming, None)
        except Exception as error:  # the HTTP library's own, which openai wraps for a stream of events only
            timed_out = "Timeout" in type(error).__name__
            wrapped = openai.APITimeoutError if timed_out else openai.APIConnectionError
            raise wrapped(request=response.http_request) from error
        if part is None:
            return b"".join(parts)
        parts.append(part)
        length += len(part)
        if length > 4 * MAX_REPLY:
            raise GenerationError(TOO_LONG)


def _content(piece: Any) -> tuple[str, object]:  # noqa: ANN401
    """Text and usage of a part of an answer. Raises NotOpenAI."""
    try:
        choices = piece.get("choices") or [{}]
        message = choices[0].get("delta") or choices[0].get("message") or {}
        text, usage = message.get("content") or message.get("refusal") or "", piece.get("usage")
    except (AttributeError, TypeError, KeyError) as error:
        raise NotOpenAI("no chat completion") from error
    if not isinstance(text, str):
        raise NotOpenAI("content that is not text")
    return text, usage

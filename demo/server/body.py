"""Request bodies within limits, and the refusal of a request."""

import asyncio

from starlette.types import Message, Receive

STALLED_SECONDS = 60.0  # without a further byte of a body


class Refused(Exception):
    """A request that is refused: the status and the sentence of the response, and further headers."""

    def __init__(self, status: int, sentence: str, headers: dict[str, str] | None = None):
        super().__init__(sentence)
        self.status, self.sentence, self.headers = status, sentence, headers


class Body:
    """The body of a request, within its limit. Raises Refused: 413 if it is larger, 408 if it stops arriving."""

    def __init__(self, receive: Receive, most: int, declared: str | None):
        self._receive, self._most, self._seen = receive, most, 0
        self._read: list[Message] = []
        self._ended = False
        if declared is not None and (not declared.isdecimal() or int(declared) > most):
            raise Refused(413, f"The request is larger than {most / 2**20:.1f} MB.")
        self.declared = None if declared is None else int(declared)

    async def receive(self) -> Message:
        """The next ASGI message of the body."""
        return self._read.pop(0) if self._read else await self._next()

    async def whole(self) -> bytes:
        """The whole body; `receive` then returns it again."""
        messages, more = [], True
        while more:
            message = await self._next()
            messages.append(message)
            more = message["type"] == "http.request" and message.get("more_body", False)
        self._read = messages
        return b"".join(message.get("body", b"") for message in messages)

    async def _next(self) -> Message:
        if self._ended:  # what comes next is the end of the connection, whenever that is
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), STALLED_SECONDS)
        except (TimeoutError, asyncio.TimeoutError):
            raise Refused(408, "The request was incomplete. Send it again.") from None
        if message["type"] == "http.request":
            self._ended = not message.get("more_body", False)
            self._seen += len(message.get("body", b""))
            if self._seen > self._most:
                raise Refused(413, f"The request is larger than {self._most / 2**20:.1f} MB.")
        return message

"""Limits on idle connections, which must neither use up the file descriptors nor keep others out."""

import asyncio
import resource
from collections.abc import Iterator
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

IDLE_SECONDS = 20.0  # for the first request to begin, and for its headers to be complete
RESERVED = 200  # descriptors kept for files, workers and the server's own


def raise_descriptor_limit(wanted: int = 8192) -> int:
    """Raise this process's limit of file descriptors as far as the system allows; returns the new limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return max(soft, most)


class Connections:
    """The open connections, oldest first. Used from the server's own thread alone.

    A new connection is always accepted: over the limit, the oldest idle one is closed instead. Whoever opens a thousand
    idle connections thus closes only their own, even behind the shared address of a clinic.
    """

    def __init__(self, most: int):
        self.most = most
        self._open: dict[H11Protocol, None] = {}

    def opened(self, connection: H11Protocol) -> None:
        """Add one, and close an idle one where there are too many."""
        self._open[connection] = None
        if len(self._open) > self.most:
            oldest = next(self._idle(), connection)
            oldest.transport.abort()
            self.closed(oldest)

    def closed(self, connection: H11Protocol) -> None:
        """Remove one."""
        self._open.pop(connection, None)

    def _idle(self) -> Iterator[H11Protocol]:
        return (each for each in self._open if is_idle(each))


def is_idle(connection: H11Protocol) -> bool:
    """Whether no request is being read or answered."""
    return connection.cycle is None or connection.cycle.response_complete


def limit_connections(connections: Connections) -> None:
    """Have uvicorn keep to the limit, and close connections whose first request does not come."""
    made, lost = H11Protocol.connection_made, H11Protocol.connection_lost

    def connection_made(self: H11Protocol, transport: Any) -> None:  # noqa: ANN401
        made(self, transport)
        connections.opened(self)

        def close_if_idle() -> None:
            if self.cycle is None and not transport.is_closing():
                transport.abort()

        asyncio.get_running_loop().call_later(IDLE_SECONDS, close_if_idle)

    def connection_lost(self: H11Protocol, error: Exception | None) -> None:
        connections.closed(self)
        lost(self, error)

    H11Protocol.connection_made = connection_made  # type: ignore[method-assign]
    H11Protocol.connection_lost = connection_lost  # type: ignore[method-assign]

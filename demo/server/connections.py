"""Limits on connections that ask for nothing: they must neither use up the descriptors nor fill the log."""

import asyncio
import resource
import threading
from collections import Counter
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

IDLE_SECONDS = 20.0  # for the first request to begin, and for its headers to be complete
RESERVED = 200  # descriptors kept for files, workers and the server's own
MAX_PER_ADDRESS = 500


def raise_descriptor_limit(wanted: int = 8192) -> int:
    """Allow this process more descriptors, as far as the system lets it; how many it then has."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return max(soft, most)


class Connections:
    """How many there are, by address."""

    def __init__(self, most: int):
        self.most = most
        self.count: Counter[str] = Counter()
        self._lock = threading.Lock()

    def opened(self, address: str) -> bool:
        """Count one; whether it may stay."""
        with self._lock:
            self.count[address] += 1
            return self.count[address] <= MAX_PER_ADDRESS and self.count.total() <= self.most

    def closed(self, address: str) -> None:
        """Count one less."""
        with self._lock:
            self.count[address] -= 1
            if self.count[address] <= 0:
                del self.count[address]


def limit_connections(connections: Connections) -> None:
    """Have uvicorn close connections over the limits, and those whose request does not come."""
    made, lost = H11Protocol.connection_made, H11Protocol.connection_lost

    def connection_made(self: H11Protocol, transport: Any) -> None:  # noqa: ANN401
        made(self, transport)
        address = self.client[0] if self.client else ""
        if not connections.opened(address):
            transport.abort()
            return

        def close_if_idle() -> None:
            if self.cycle is None and not transport.is_closing():
                transport.abort()

        asyncio.get_running_loop().call_later(IDLE_SECONDS, close_if_idle)

    def connection_lost(self: H11Protocol, error: Exception | None) -> None:
        connections.closed(self.client[0] if self.client else "")
        lost(self, error)

    H11Protocol.connection_made = connection_made  # type: ignore[method-assign]
    H11Protocol.connection_lost = connection_lost  # type: ignore[method-assign]

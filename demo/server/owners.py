"""A session belongs to its first visitor. Anyone else who learns its name can neither read nor end it."""

import threading
from collections import OrderedDict

REMEMBERED = 20_000  # sessions


class Owners:
    """The owner of each session, and how many connections each keeps open."""

    def __init__(self) -> None:
        self._owners: OrderedDict[str, str] = OrderedDict()
        self._open: dict[str, int] = {}
        self._lock = threading.Lock()

    def claim(self, session: str, owner: str) -> bool:
        """Whether the session is this owner's; an unclaimed session becomes theirs."""
        with self._lock:
            found = self._owners.setdefault(session, owner)
            self._owners.move_to_end(session)
            if len(self._owners) > REMEMBERED:  # inventing many sessions cannot evict an open page
                self._owners.pop(next(name for name in self._owners if name not in self._open))
            return found == owner

    def opened(self, session: str) -> None:
        """A connection that shows a session's page was opened."""
        with self._lock:
            self._open[session] = self._open.get(session, 0) + 1

    def closed(self, session: str) -> None:
        """It was closed."""
        with self._lock:
            left = self._open.pop(session, 1) - 1
            if left > 0:
                self._open[session] = left

    def is_open(self, session: str) -> bool:
        """Whether a page with this session is open."""
        with self._lock:
            return session in self._open

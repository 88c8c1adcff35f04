"""What one visitor and one address may have waiting or stored at a time, so that others still get their turn."""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable

MAX_WAITING = 12  # events per visitor that wait or run; a page has at most a few
MAX_WAITING_TOGETHER = 48  # per address, of the 64 places of the queue: a clinic may share one
UPLOADED_SECONDS = 120.0  # that an upload may stay
MAX_UPLOADED = 2 * 2**30  # bytes per address within this time


class Fairness:
    """Events and uploads by owner and address. waiting: the number of events of a session that wait or run."""

    def __init__(self, waiting: Callable[[str], int]):
        self.waiting = waiting
        self._sessions: defaultdict[str, set[str]] = defaultdict(set)
        self._uploads: defaultdict[str, deque[tuple[float, int]]] = defaultdict(deque)
        self._lock = threading.Lock()

    def may_ask(self, session: str, owner: str, address: str) -> bool:
        """Whether one more event of this visitor may be queued."""
        with self._lock:
            limits = ((f"owner {owner}", MAX_WAITING), (f"address {address}", MAX_WAITING_TOGETHER))
            for key, limit in limits:
                known = {name for name in self._sessions[key] if self.waiting(name)}
                if sum(map(self.waiting, known)) >= limit:
                    self._sessions[key] = known
                    return False
                self._sessions[key] = {*known, session}
            return True

    def may_upload(self, address: str, size: int) -> bool:
        """Whether so many bytes more may be stored for an address; they are then counted."""
        now = time.monotonic()
        with self._lock:
            kept = self._uploads[address]
            while kept and kept[0][0] < now - UPLOADED_SECONDS:
                kept.popleft()
            if sum(bytes_ for _, bytes_ in kept) + size > MAX_UPLOADED:
                return False
            kept.append((now, size))
            return True

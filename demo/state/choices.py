"""Which image a visitor chose last: a slower read of an earlier choice must not replace it."""

import threading
from collections import OrderedDict

MAX_VISITORS = 10_000


class Choices:
    """The number of the latest choice per visitor. The browser counts, as requests may overtake each other."""

    def __init__(self) -> None:
        self._latest: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()

    def announce(self, visitor: str, number: int) -> None:
        """A choice was made; an earlier number than one already announced changes nothing."""
        with self._lock:
            self._latest[visitor] = max(number, self._latest.pop(visitor, 0))
            while len(self._latest) > MAX_VISITORS:
                self._latest.popitem(last=False)

    def is_latest(self, visitor: str, number: int) -> bool:
        """Whether no later choice was announced."""
        with self._lock:
            return number >= self._latest.get(visitor, 0)

    def leave(self, visitor: str) -> None:
        """Forget a visitor."""
        with self._lock:
            self._latest.pop(visitor, None)


CHOICES = Choices()

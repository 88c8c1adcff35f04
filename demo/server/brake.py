"""A brake on wrong passwords, per address: after a few, each further one doubles the time to wait."""

import threading
import time
from collections import OrderedDict

FREE = 5  # wrong passwords before the first wait
LONGEST = 900.0  # seconds
REMEMBERED = 10_000  # addresses


class Brake:
    """Wrong passwords by address."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()  # count, and when the next try is allowed
        self._lock = threading.Lock()

    def seconds_to_wait(self, address: str) -> float:
        """Seconds until this address may try again."""
        with self._lock:
            return max(0.0, self._wrong.get(address, (0, 0.0))[1] - time.monotonic())

    def wrong(self, address: str) -> None:
        """Count a wrong password."""
        with self._lock:
            count = self._wrong.pop(address, (0, 0.0))[0] + 1
            wait = 0.0 if count < FREE else min(2.0 ** (count - FREE + 1), LONGEST)
            self._wrong[address] = (count, time.monotonic() + wait)
            while len(self._wrong) > REMEMBERED:
                self._wrong.popitem(last=False)

    def right(self, address: str) -> None:
        """Forget the wrong ones."""
        with self._lock:
            self._wrong.pop(address, None)

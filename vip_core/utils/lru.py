"""A small cache of the most recently used values, shared by threads, that is copied and pickled empty."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Generic, TypeVar

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


class LRU(Generic[_Key, _Value]):
    """Values by key; beyond `size` of them, the least recently used is dropped."""

    def __init__(self, size: int):
        self.size = size
        self._values: OrderedDict[_Key, _Value] = OrderedDict()  # least recently used first
        self._lock = threading.Lock()

    def get(self, keys: Sequence[_Key], compute: Callable[[list[_Key]], Sequence[_Value]]) -> list[_Value]:
        """The values of `keys`. compute: called once with the distinct unknown keys, if there are any."""
        with self._lock:
            known = {key: self._values[key] for key in keys if key in self._values}
        if missing := list(dict.fromkeys(key for key in keys if key not in known)):
            known |= dict(zip(missing, compute(missing), strict=True))  # outside the lock: this is the slow part
        with self._lock:
            for key in known:
                self._values[key] = known[key]
                self._values.move_to_end(key)
            while len(self._values) > self.size:
                self._values.popitem(last=False)
        return [known[key] for key in keys]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.size,)  # a lock cannot be pickled, and the values are recomputed when needed

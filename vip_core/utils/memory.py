"""How malloc treats the large blocks that a tower frees at every batch."""

import ctypes
import sys
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
_KEEP = 2**30  # bytes


@cache
def keep_freed_memory() -> None:
    """Have malloc reuse large blocks instead of returning each to the system, which zeroes it at every batch.

    It halves the time of vip-mini's image tower (docs/benchmarks.md). The process then keeps the memory of its largest
    batch, so the page, which serves for months, leaves it alone. This works with glibc only; elsewhere nothing changes.
    """
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another C library
        return
    mallopt(_MMAP_THRESHOLD, _KEEP)
    mallopt(_TRIM_THRESHOLD, _KEEP)

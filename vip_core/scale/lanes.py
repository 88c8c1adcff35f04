"""Batches in parallel on one machine: each thread reads, decodes and computes a batch of its own."""

import ctypes
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import torch

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
_KEEP = 2**30  # bytes


def lane_count(device: torch.device) -> int:
    """Threads for a device: torch's own number on a CPU, one per core where a GPU computes and they only decode."""
    return torch.get_num_threads() if device.type == "cpu" else usable_cores()


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_lanes(work: Callable[[_Item], _Result], items: Iterable[_Item], lanes: int) -> Iterator[_Result]:
    """Yield the results of `work` on each item, in order, from `lanes` threads.

    Each thread computes with one core, so that none waits for the others within an operation; the results are the same
    bits for any number of lanes. Only twice as many items as lanes are taken ahead. What `work` raises is raised here.
    """
    keep_freed_memory()
    with ThreadPoolExecutor(lanes, "lane", torch.set_num_threads, (1,)) as pool:
        waiting: deque[Future[_Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) >= 2 * lanes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


@cache
def keep_freed_memory() -> None:
    """Have malloc reuse large blocks instead of returning each to the system, which zeroes it at every batch.

    It halves the time of vip-mini's image tower (docs/benchmarks.md). Of glibc only; elsewhere nothing changes.
    """
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another C library
        return
    mallopt(_MMAP_THRESHOLD, _KEEP)
    mallopt(_TRIM_THRESHOLD, _KEEP)

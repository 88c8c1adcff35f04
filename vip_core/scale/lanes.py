"""Batches in parallel on one machine: each thread reads, decodes and computes a batch of its own."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


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

"""Work on a Ray cluster by Ray Data: actors hold the model, a GPU each where there are GPUs, else a core each."""

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import ray
import ray.data
import torch

from vip_core.errors import UsageError
from vip_core.scale.arrow import from_bytes, to_bytes
from vip_core.scale.lanes import usable_cores
from vip_core.scale.worker import ScoringWorker
from vip_core.utils.memory import keep_freed_memory

Function = Callable[[bytes], bytes]


class Actor:
    """Holds a function, such as one with a model, in a process of the cluster. Ray Data makes and calls it.

    Args:
        function: a reference to it in Ray's object store, which sends it to each machine once.
    """

    def __init__(self, function: Any):  # noqa: ANN401 - an ObjectRef
        keep_freed_memory()
        torch.set_num_threads(1)
        self.function: Function = ray.get(function)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """{"number", "result"} of {"number", "work"}."""
        torch.set_num_threads(1)  # of the calling thread; see `lanes`
        return {"number": row["number"], "result": self.function(row["work"])}


@dataclass(frozen=True)
class RayEngine:
    """A Ray cluster to work on.

    Attributes:
        address: of a cluster, such as "ray://HOST:10001", or "auto" on one of its machines; None: one on this machine,
            which is started for the work and ended after it.
    """

    address: str | None = None

    def score(self, worker: ScoringWorker, batches: Sequence[pa.RecordBatch]) -> Iterator[tuple[int, pa.RecordBatch]]:
        """An `archive.Engine`. Raises UsageError if there is no cluster at the address."""
        worker.predictor.vip.cpu()  # it is computed with on the actors' devices
        for number, result in self.map(ScoreBytes(worker), [to_bytes(batch) for batch in batches]):
            yield number, from_bytes(result)

    def map(self, function: Function, work: Sequence[bytes], threads: int = 1) -> Iterator[tuple[int, bytes]]:
        """(index, result) of `function` for each piece of work, in any order, each once.

        threads: the cores of an actor without a GPU.

        A piece whose process or machine dies is done again elsewhere. Raises UsageError as `score` does.
        """
        if not work:
            return
        joined = not ray.is_initialized()
        if joined:
            self._connect()
        try:
            yield from _results(ray.put(function), work, threads)
        finally:
            if joined:
                ray.shutdown()

    def _connect(self) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        try:
            if self.address is None:
                ray.init(address="local", num_cpus=usable_cores(), include_dashboard=False, **quiet)
            else:
                _knock(self.address)
                ray.init(address=self.address, **quiet)
        except (ConnectionError, ValueError, RuntimeError, OSError) as error:
            raise UsageError(
                f"There is no Ray cluster at {self.address or 'this machine'} ({type(error).__name__}); start one with "
                "`ray start --head`, or leave --address out."
            ) from error


class ScoreBytes:
    """A ScoringWorker for files and rows as bytes."""

    def __init__(self, worker: ScoringWorker):
        self.worker = worker

    def __call__(self, files: bytes) -> bytes:
        """Rows of files, both in Arrow's stream format."""
        return to_bytes(self.worker(from_bytes(files)))


def _results(function: Any, work: Sequence[bytes], threads: int) -> Iterator[tuple[int, bytes]]:  # noqa: ANN401
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False  # the command has its own
    rows = [{"number": number, "work": piece} for number, piece in enumerate(work)]
    actors, resources = _pool(threads)
    data = ray.data.from_items(rows, override_num_blocks=len(rows))  # a block each: what a death costs
    actor: Any = Actor
    done = data.map(actor, fn_constructor_args=(function,), compute=actors, **resources)
    for row in done.iter_rows():
        yield int(row["number"]), row["result"]


def _pool(threads: int) -> tuple[ray.data.ActorPoolStrategy, dict[str, Any]]:
    """Actors for all machines of the cluster, and what each takes of a machine."""
    total = ray.cluster_resources()
    cores, gpus = max(1, int(total.get("CPU", 1))), int(total.get("GPU", 0))
    if not gpus:
        threads = min(threads, cores)
        size = cores // threads
        return ray.data.ActorPoolStrategy(min_size=1, max_size=size, initial_size=size), {"num_cpus": threads}
    lanes = max(1, cores // gpus)  # threads that decode for a GPU
    pool = ray.data.ActorPoolStrategy(
        min_size=1,
        max_size=gpus,
        initial_size=gpus,
        max_concurrent_calls_per_actor=lanes,
        max_tasks_in_flight_per_actor=2 * lanes,
        enable_true_multi_threading=True,
    )
    return pool, {"num_cpus": lanes, "num_gpus": 1}


def _knock(address: str) -> None:
    """Raise OSError where nothing listens at HOST:PORT, which ray.init finds out after minutes only."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=10).close()

"""Several runs at a time, each in one thread of its own process, so that the number of jobs changes no result."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection

import torch

from vip_core.experiments.config import ExperimentConfig, RunSpec
from vip_core.experiments.material import Material
from vip_core.experiments.runs import RunResult, is_complete, run_method
from vip_core.utils.console import console, progress
from vip_core.utils.memory import keep_freed_memory

_material: Material | None = None  # of a worker process


def run_all(specs: Iterable[RunSpec], material: Material) -> Iterator[RunResult]:
    """Yield the results of runs in order; `material.config.jobs` of those that are missing are trained at a time."""
    specs = list(specs)
    missing = [spec for spec in dict.fromkeys(specs) if not is_complete(spec, material)]
    jobs = min(material.config.jobs, len(missing))
    if jobs < 2:
        for spec in specs:
            with _one_thread():
                result = run_method(spec, material)
            yield result
        return
    _ = material.full, material.test  # the images are encoded here, once, with all threads
    # Never forks of this process, which has threads and perhaps a GPU; on Linux, of one that has only imported.
    context = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
    context.set_forkserver_preload([__name__])
    ours, theirs = context.Pipe()
    with progress() as bar, ProcessPoolExecutor(jobs, context, _start, (material.config, theirs)) as pool:
        runs = bar.add_task(f"Runs, {jobs} at a time", total=len(missing))
        try:
            trained = {spec: pool.submit(_run, spec) for spec in missing}
            for future in trained.values():
                future.add_done_callback(lambda _: bar.advance(runs))
            for spec in specs:
                yield trained[spec].result() if spec in trained else run_method(spec, material)
        except BaseException:
            ours.close()  # the runs of the others end; the same command continues them
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def _start(config: ExperimentConfig, command: Connection) -> None:
    global _material
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command, which then closes the connection
    threading.Thread(target=_end_with, args=(command,), daemon=True).start()
    console.quiet = True  # the bars of several runs would overwrite one another
    keep_freed_memory()  # a worker does not inherit it from the command
    torch.set_num_threads(1)
    _material = Material(config)


def _end_with(command: Connection) -> None:
    """End this process as soon as the command closes its end or is killed; its runs would go on beside later ones."""
    try:
        command.recv()  # nothing is ever sent
    finally:
        os._exit(1)


def _run(spec: RunSpec) -> RunResult:
    assert _material is not None
    return run_method(spec, _material)


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)

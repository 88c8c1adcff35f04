"""Several processes that train together, as torchrun starts them; a process alone is rank 0 of 1."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
from torch import Tensor, distributed

from vip_core.utils.console import console

WAIT = timedelta(days=2)  # for a process that does alone what only one can do


def rank() -> int:
    """The number of this process, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def world() -> int:
    """The number of processes."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def is_main() -> bool:
    """Whether this process writes files and prints."""
    return rank() == 0


def wait_for_all() -> None:
    """Continue once every process has reached this point."""
    if world() > 1:
        distributed.barrier()


def agreed(value: bool) -> bool:
    """The main process's value, in every process."""
    if world() == 1:
        return value
    said = [value]
    distributed.broadcast_object_list(said)
    return said[0]


@contextmanager
def main_first() -> Iterator[None]:
    """The main process runs the block before the others, which find in a cache what it wrote there."""
    if not is_main():
        wait_for_all()
    try:
        yield
    finally:
        if is_main():
            wait_for_all()


@contextmanager
def joined() -> Iterator[None]:
    """Join the processes of torchrun, if it started this one: NCCL with a GPU per process, else gloo."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or distributed.is_initialized():
        yield
        return
    gpus = torch.cuda.is_available() and os.environ.get("VIP_DEVICE", "cuda").startswith("cuda")
    if gpus:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if gpus else "gloo", timeout=WAIT)
    console.quiet = not is_main()
    try:
        yield
    finally:
        console.quiet = False
        distributed.destroy_process_group()


def own_part(count: int, multiple: int = 1) -> slice:
    """The part of `count` things that is this process's work: contiguous, in pieces of `multiple`.

    With multiple 1 the parts differ by at most one; else each but the last holds whole pieces.
    """
    pieces = -(-count // multiple)
    start, stop = (pieces * place // world() * multiple for place in (rank(), rank() + 1))
    return slice(min(start, count), min(stop, count))


def gather_rows(own: Tensor, part: slice, count: int) -> Tensor:
    """(count, …) of the rows that each process has, this one those of `part`; gradients flow back to each process.

    A loss computed from the result in every process has the gradient of one process times their number, which the mean
    of DistributedDataParallel takes away.
    """
    if world() == 1:
        return own
    whole = own.new_zeros(count, *own.shape[1:])
    whole = torch.cat([whole[: part.start], own, whole[part.stop :]])
    if not own.requires_grad:
        distributed.all_reduce(whole)
        return whole
    from torch.distributed.nn.functional import all_reduce

    return all_reduce(whole)

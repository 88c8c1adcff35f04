"""Reading cohorts one visitor at a time, in small batches, so that everybody else's page stays quick."""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vip_core.errors import ImageError
from vip_core.models.backbone import Backbone

from ..state.archive import ArchiveEntry, open_upload
from ..state.cohort import Cohort

BATCH = 16  # images; larger ones are hardly faster
BATCH_SECONDS = 2.0  # after which a batch goes as it is: huge files must not keep the page waiting
GONE_AFTER = 60.0  # seconds; a visitor silent for this long is assumed to have closed the page
ASK_EVERY = 0.5  # seconds between looks at whose turn it is
RENEW_EVERY = 15.0  # seconds; uploads older than a minute are deleted, and these are still needed


class Turns:
    """Who may read: in order of arrival. A visitor who leaves silently loses the place after GONE_AFTER."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[str, float] = {}  # in order of arrival

    def come(self, visitor: str) -> None:
        """Join the end of the queue."""
        with self._lock:
            self._seen.pop(visitor, None)
            self._seen[visitor] = time.monotonic()

    def before(self, visitor: str) -> int | None:
        """The number of visitors before this one; asking keeps the place. None once this one has left."""
        now = time.monotonic()
        with self._lock:
            if visitor in self._seen:
                self._seen[visitor] = now
            self._seen = {other: seen for other, seen in self._seen.items() if now - seen < GONE_AFTER}
            return list(self._seen).index(visitor) if visitor in self._seen else None

    def leave(self, visitor: str) -> None:
        """Leave the queue; reading in progress ends after its current batch."""
        with self._lock:
            self._seen.pop(visitor, None)


TURNS = Turns()


@dataclass(frozen=True)
class LoadingStep:
    """How far a cohort is. cohort: what has been read, None while others are before it."""

    cohort: Cohort | None
    done: int
    of: int
    sentence: str


def read_cohort(
    backbone: Backbone, files: Sequence[tuple[Path, str]], visitor: str, turns: Turns = TURNS
) -> Iterator[LoadingStep]:
    """Read uploaded files step by step, until `turns.leave` stops it; what was read until then is kept.

    files: where each lies, and what the visitor calls it. An image that cannot be read gets its error; the others are
    read.
    visitor: names this visit.

    Raises DataError as `open_upload` does.
    """
    turns.come(visitor)
    renewed = time.monotonic()
    errors: list[str | None] = []
    features: list[Tensor] = []
    cohort: Cohort | None = None
    try:
        with open_upload(files) as (entries, notes):
            while before := turns.before(visitor):
                yield LoadingStep(None, 0, len(entries), _waiting(before))
                time.sleep(ASK_EVERY)
                renewed = _renew(files, renewed)
            start = time.monotonic()
            if before is not None:
                yield LoadingStep(None, 0, len(entries), f"Reading {_count(len(entries))} …")
            for items in encode_batches(backbone, entries) if before is not None else ():
                errors += [str(item) if isinstance(item, ImageError) else None for item in items]
                features += [item for item in items if isinstance(item, Tensor)]
                done = len(errors)
                cohort = Cohort(
                    tuple(entry.name for entry in entries[:done]),
                    tuple(errors),
                    torch.stack(features) if features else torch.empty(0, backbone.embed_dim),
                    tuple(notes),
                )
                yield LoadingStep(cohort, done, len(entries), _sentence(done, len(entries), time.monotonic() - start))
                if done < len(entries) and turns.before(visitor) is None:
                    break
                renewed = _renew(files, renewed)
            if len(errors) < len(entries):
                yield LoadingStep(
                    cohort, len(errors), len(entries), f"Stopped after {len(errors)} of {_count(len(entries))}."
                )
    finally:
        turns.leave(visitor)


def encode_batches(backbone: Backbone, entries: Sequence[ArchiveEntry]) -> Iterator[list[Tensor | ImageError]]:
    """For each image its feature (D,), on the CPU, or the error why it cannot be read, in batches.

    In float32 throughout, as `evaluate` has it, so that the figures are the same.
    """
    preprocess = backbone.preprocess
    waiting = list(entries)
    while waiting:
        items: list[Tensor | ImageError] = []
        until = time.monotonic() + BATCH_SECONDS
        while waiting and len(items) < BATCH and (not items or time.monotonic() < until):
            try:
                items.append(preprocess(waiting.pop(0).read()))
            except ImageError as error:
                items.append(error)
        pixels = [item for item in items if isinstance(item, Tensor)]
        encoded: Iterator[Tensor] = iter(())
        if pixels:
            with torch.inference_mode():
                batch = torch.stack(pixels).to(backbone.device)
                encoded = iter(backbone.encode_images(batch).cpu().clone())
        yield [item if isinstance(item, ImageError) else next(encoded) for item in items]


def _renew(files: Sequence[tuple[Path, str]], renewed: float) -> float:
    """Touch the files that are still to be read, so that they count as new; returns when that was last done."""
    if time.monotonic() - renewed < RENEW_EVERY:
        return renewed
    for path, _ in files:
        with suppress(OSError):
            os.utime(path)
    return time.monotonic()


def _waiting(before: int) -> str:
    others = "Another visitor’s images are" if before == 1 else f"The images of {before} other visitors are"
    return f"{others} being read first; yours follow automatically."


def _sentence(done: int, of: int, seconds: float) -> str:
    if done == of:
        return f"{_count(of)} read in {seconds:.0f} s."
    return f"{done} of {of} images read; about {seconds / done * (of - done):.0f} s to go."


def _count(number: int) -> str:
    return f"{number} image{'' if number == 1 else 's'}"

"""Scoring an archive into Parquet: only missing images, each image once, and existing rows are kept."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from vip_core import __version__
from vip_core.data.versions import reader_version
from vip_core.errors import ImageError
from vip_core.models.vip import ViP
from vip_core.scale.arrow import pc
from vip_core.scale.lanes import in_lanes, lane_count
from vip_core.scale.shards import Shards
from vip_core.scale.sources import LISTING
from vip_core.scale.storage import Storage
from vip_core.scale.worker import ScoringWorker
from vip_core.utils.console import progress
from vip_core.utils.files import tensor_bytes
from vip_core.utils.lock import locked

BATCH_IMAGES = 16  # images that a thread or a process of a cluster takes at a time
SHARD_BATCHES = 32  # per Parquet file: the most that a killed run scores again, beside the batches in work

# Scores batches: (number of the batch, its rows), in any order. Each batch is given once.
Engine = Callable[[ScoringWorker, Sequence[pa.RecordBatch]], Iterator[tuple[int, pa.RecordBatch]]]


@dataclass(frozen=True)
class ArchiveSummary:
    """What a run did. images: rows in the folder; scored: by this run; failed: rows of images that cannot be read."""

    images: int
    scored: int
    failed: int


def local_engine(worker: ScoringWorker, batches: Sequence[pa.RecordBatch]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Score on this machine, in threads."""
    return enumerate(in_lanes(worker, batches, lane_count(worker.predictor.backbone.device)))


def score_archive(
    listing: pa.Table,
    out: Path,
    worker: ScoringWorker,
    engine: Engine = local_engine,
    batch_size: int = BATCH_IMAGES,
    shard_batches: int = SHARD_BATCHES,
) -> ArchiveSummary:
    """Score the images of a listing that `out` does not have yet.

    An image is known by its path; it is scored again if its content has changed, which is checked if its size or
    modification time differs. An image that could not be opened is tried again. Rows of images that are no longer
    listed are kept. A killed run loses only what was not yet written; the next run gives the same rows as one that was
    never interrupted.

    Args:
        listing: of `sources.list_images`.
        out: the folder of the Parquet files.
        worker: scores a batch.
        engine: has batches scored.
        batch_size: images per batch; the results of a batch depend on it in the last bits.
        shard_batches: batches per Parquet file.

    Raises:
        CheckpointError: `out` was scored with another model, symptoms, prevalence or runtime.
        StorageError: `out` cannot be written, or another run writes to it.
    """
    with locked(out):
        shards = Shards(out, worker.schema)
        shards.check_settings(_settings(worker), {"version": __version__, "reader": reader_version()})
        missing, stale = _plan(listing, shards.known(), worker.storage)
        if len(stale):
            shards.remove(stale)  # first, so that a kill in between leaves an image without a row, not with two
        batches = missing.combine_chunks().to_batches(max_chunksize=batch_size)
        with progress() as bar:
            task = bar.add_task("Images", total=len(listing), completed=len(listing) - len(missing))
            assembled = _assemble(engine(worker, batches), len(batches), shard_batches)
            for shard in assembled:
                shards.write(shard)
                bar.advance(task, sum(map(len, shard)))
        return ArchiveSummary(shards.count(), len(missing), shards.count_errors())


def _assemble(results: Iterator[tuple[int, pa.RecordBatch]], total: int, size: int) -> Iterator[list[pa.RecordBatch]]:
    """Batches in any order as shards of `size` batches, each once it is complete."""
    waiting: dict[int, dict[int, pa.RecordBatch]] = {}
    for number, batch in results:
        shard = waiting.setdefault(number // size, {})
        shard[number] = batch
        first = number // size * size
        if len(shard) == min(size, total - first):
            del waiting[number // size]
            yield [shard[place] for place in sorted(shard)]


def _plan(listing: pa.Table, known: pa.Table, storage: Storage) -> tuple[pa.Table, pa.Array]:
    """The files of the listing to score, and the paths among them that have a row already."""
    if not len(known):
        return listing, pa.array([], pa.string())
    place = pc.index_in(listing.column("path"), known.column("path").combine_chunks())
    before = known.take(place)
    same = pc.and_(
        pc.equal(listing.column("size"), before.column("size")),
        pc.equal(listing.column("modified"), before.column("modified")),
    )
    done = pc.fill_null(same, False).combine_chunks().to_numpy(zero_copy_only=False)  # null: no row, or never seen
    there = pc.is_valid(place).to_numpy(zero_copy_only=False)
    for row in (there & ~done).nonzero()[0].tolist():
        path, size = (listing.column(name)[row].as_py() for name in ("path", "size"))
        digest, old_size = (before.column(name)[row].as_py() for name in ("digest", "size"))
        if digest is not None and size == old_size:
            done[row] = _digest(path, storage) == digest
    missing = listing.filter(pa.array(~done))
    return missing.select(LISTING.names), listing.column("path").filter(pa.array(there & ~done)).combine_chunks()


def _digest(path: str, storage: Storage) -> str | None:
    try:
        return hashlib.sha256(storage.read(path)).hexdigest()
    except ImageError:
        return None


def _settings(worker: ScoringWorker) -> dict[str, Any]:
    return {
        "model": model_digest(worker.predictor.vip),
        "symptoms": worker.symptoms.to_dict(),
        "prevalence": dict(worker.shares),
        "runtime": worker.runtime,
    }


def model_digest(vip: ViP) -> str:
    """16 hex digits over all that the scores of a model depend on beside the symptoms."""
    tensors = dict(vip.state_dict())
    if vip.reference is not None:
        tensors |= {"reference": vip.reference.features, "threshold": vip.scale.new_tensor(vip.reference.threshold)}
    about = repr((vip.backbone.fingerprint, vip.temperature))
    return hashlib.sha256(about.encode() + tensor_bytes(tensors)).hexdigest()[:16]


def describe(summary: ArchiveSummary, out: Path) -> str:
    """A sentence for people."""
    done = "all had been scored before" if not summary.scored else f"{summary.scored:,} scored now"
    failed = f"; {summary.failed:,} cannot be read, see the column error" if summary.failed else ""
    return f"{out} has {summary.images:,} images: {done}{failed}."

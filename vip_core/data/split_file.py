"""splits.csv: which images a run was trained, validated and tested on, by the digest of their content."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from vip_core.data.copies import with_digests
from vip_core.data.dataset import Row
from vip_core.errors import DataError
from vip_core.utils.files import atomic_together

NAME = "splits.csv"
HEADER = ("path", "digest", "label", "patient", "split")


def write_splits(folder: Path, splits: dict[str, Sequence[Row]], classes: Sequence[str]) -> None:
    """Write splits.csv into a folder, a line per image. Raises StorageError and DataError."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(HEADER)
    for split, rows in splits.items():
        for row in with_digests(rows):
            writer.writerow((row.path.as_posix(), row.digest, classes[row.label], row.patient, split))
    atomic_together(folder, {NAME: buffer.getvalue().encode("utf-8", "surrogateescape")})


def read_trained_on(folder: Path) -> dict[str, str]:
    """Digest -> path of the images that the run in a folder was trained on; empty without a splits.csv."""
    path = folder / NAME
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        lines = csv.DictReader(file)
        if lines.fieldnames is None or not set(HEADER) <= set(lines.fieldnames):
            raise DataError(f"{path} lacks the columns {list(HEADER)}; restore it, or delete it to skip the check.")
        return {line["digest"]: line["path"] for line in lines if line["split"] == "train"}


def refuse_seen(rows: Iterable[Row], folder: Path) -> None:
    """Raise DataError with the number and first of the images that the run in a folder was trained on."""
    trained_on = read_trained_on(folder)
    if not trained_on:
        return
    rows = with_digests(list(rows))
    seen = [row for row in rows if row.digest in trained_on]
    if seen:
        raise DataError(
            f"{len(seen)} of {len(rows)} images were trained on, the first being {seen[0].path}; "
            "results on them are optimistically biased. Use other images, or --allow-seen to evaluate anyway."
        )

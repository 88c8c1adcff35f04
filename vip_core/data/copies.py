"""The same image twice, recognised by its content: refused in two classes or splits, counted within one."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from vip_core.data.dataset import Dataset, Row
from vip_core.data.digests import file_digests
from vip_core.errors import DataError


def with_digests(rows: Sequence[Row]) -> list[Row]:
    """The rows with the digests of their files. Raises DataError."""
    digests = file_digests([row.path for row in rows])
    return [replace(row, digest=digest) for row, digest in zip(rows, digests, strict=True)]


def join_copies(rows: Sequence[Row]) -> list[Row]:
    """Give rows that share an image one patient, so that no split separates them. Rows need digests."""
    leader: dict[str, str] = {}

    def find(patient: str) -> str:
        while leader.get(patient, patient) != patient:
            patient = leader[patient]
        return patient

    first: dict[str, str] = {}
    for row in rows:
        one, other = sorted((find(row.patient), find(first.setdefault(row.digest, row.patient))))
        leader[other] = one
    return [replace(row, patient=find(row.patient)) for row in rows]


def check_copies(dataset: Dataset) -> list[str]:
    """Notes on images that occur twice within a class and split.

    Raises DataError, with both paths, for an image in two classes or in two splits. Empty files are no images.
    """
    seen: dict[str, tuple[str, Row]] = {}
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for split in ("train", "val", "test"):
        for row in with_digests(getattr(dataset, split)):
            if row.path.stat().st_size == 0:
                continue
            other_split, other = seen.setdefault(row.digest, (split, row))
            if other.path == row.path:
                continue
            if other.label != row.label:
                names = dataset.classes[other.label], dataset.classes[row.label]
                raise DataError(
                    f"{row.path} is the same image as {other.path}, once as {names[1]!r} and once as {names[0]!r}; "
                    "keep it in one class."
                )
            if other_split != split:
                raise DataError(
                    f"{row.path} is the same image as {other.path}, in {split} and in {other_split}; "
                    "keep each image in one split."
                )
            counts[split, dataset.classes[row.label]] += 1
    return [
        f"{split}, {name}: {count} image{'s are copies' if count > 1 else ' is a copy'} of another in it."
        for (split, name), count in counts.items()
    ]

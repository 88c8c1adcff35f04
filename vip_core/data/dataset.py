"""Data sets as plain data: an image with its label and patient, and the splits it belongs to."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from vip_core.errors import DataError

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Row:
    """One image."""

    path: Path
    label: int  # index into the symptom set's classes
    patient: str  # never on both sides of a split
    details: Mapping[str, str] = field(default_factory=dict, hash=False)  # as in the file; an empty cell is unknown
    digest: str = field(default="", compare=False)  # of the file's content, where the split depends on it


@dataclass(frozen=True)
class Dataset:
    """A data set in its splits; labels are indices into `classes`. A split that the data lacks is empty.

    notes: sentences for people, on what was left out and what was assumed.
    """

    name: str
    classes: tuple[str, ...]
    train: tuple[Row, ...]
    val: tuple[Row, ...]
    test: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    def split(self, name: str) -> tuple[Row, ...]:
        """The rows of train, val, test or all. Raises DataError if the name is another, or the split is empty."""
        splits = {"train": self.train, "val": self.val, "test": self.test}
        rows = {**splits, "all": self.train + self.val + self.test}.get(name)
        if rows is None:
            raise DataError(f"{name!r} is not a split; choose train, val, test or all.")
        if not rows:
            raise DataError(f"The data set {self.name} has no {name} images here; choose another split or add them.")
        return rows

    def describe(self) -> list[str]:
        """A line per split that has images, with the images of each class; then the notes."""
        lines = []
        for split, rows in (("train", self.train), ("val", self.val), ("test", self.test)):
            counts = Counter(row.label for row in rows)
            parts = ", ".join(f"{counts[label]:,} {name}" for label, name in enumerate(self.classes))
            if rows:
                lines.append(f"{split}: {len(rows):,} images ({parts})")
        return [*lines, *self.notes]


def evenly_spaced(items: Sequence[_Item], most: int) -> list[_Item]:
    """At most so many items, evenly spaced in their list, the first and the last among them."""
    return [items[place] for place in np.linspace(0, len(items) - 1, min(most, len(items))).round().astype(int)]

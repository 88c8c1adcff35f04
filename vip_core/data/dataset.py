"""Data sets as plain data: an image with its label and patient, and the splits it belongs to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vip_core.errors import DataError


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
    """A data set in its splits; labels are indices into `classes`. A split that the data lacks is empty."""

    name: str
    classes: tuple[str, ...]
    train: tuple[Row, ...]
    val: tuple[Row, ...]
    test: tuple[Row, ...]

    def split(self, name: str) -> tuple[Row, ...]:
        """The rows of train, val or test. Raises DataError if the name is another, or the split is empty."""
        rows = {"train": self.train, "val": self.val, "test": self.test}.get(name)
        if rows is None:
            raise DataError(f"{name!r} is not a split; choose train, val or test.")
        if not rows:
            raise DataError(f"The data set {self.name} has no {name} images here; choose another split or add them.")
        return rows

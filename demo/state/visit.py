"""The data that the server holds for a visitor of the Diagnose page."""

from dataclasses import dataclass, field
from pathlib import Path

from PIL.Image import Image
from torch import Tensor

from vip_core.scoring.uncertainty import Uncertainty


@dataclass(frozen=True, eq=False)
class Second:
    """A second image, which is compared with the first.

    Attributes:
        features: (D,).
        cells: (h, w, D) for the map, or None.
        warning: why the image does not fit the task, by its DICOM header; empty where it does.
    """

    features: Tensor
    cells: Tensor | None
    warning: str = ""


@dataclass
class Visit:
    """What the server holds of one visitor: features, never the image file.

    Attributes:
        choice: which choice of an image these are of; a reading that ends after a later choice is dropped.
        features: (D,), or None without an image.
        cells: (h, w, D) for the map, or None.
        second: the image that it is compared with, or None.
        warning: why the image does not fit the task, by its DICOM header; empty where it does.
        date: of the study by its DICOM header, or "undated".
        picture: the JPEG that the page shows, for the report.
        undecided: the image and its file for the moment until its random views are scored, else None.
        doubt: what small changes of the image and of the wording do, once they are scored, else None.
    """

    choice: int = 0
    features: Tensor | None = None
    cells: Tensor | None = None
    second: Second | None = None
    warning: str = ""
    date: str = "undated"
    picture: bytes = field(default=b"", repr=False)
    undecided: tuple[Image, Path] | None = field(default=None, repr=False)
    doubt: Uncertainty | None = None

"""What a DICOM header says, read leniently: missing or unusable values give the obvious default, or nothing."""

import math
from collections.abc import Iterator

import numpy as np
from pydicom import Dataset
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement


def numbers(dataset: Dataset, keyword: str) -> list[float | None]:
    """The values of an attribute, None for each that is not a finite number. A decimal comma counts as a point.

    Decimal and integer strings are read from their bytes, as pydicom refuses the whole attribute for one bad value.
    """
    element = dataset.get_item(keyword)
    if element is None:
        return []
    if isinstance(element, RawDataElement) and dictionary_VR(keyword) in ("DS", "IS"):
        text = (element.value or b"").decode("latin-1")
        return [_number(part) for part in text.replace(",", ".").split("\\")]
    try:
        value = dataset[keyword].value
    except Exception:  # pydicom raises nearly every built-in error for a value of the wrong form
        return []
    if value is None or isinstance(value, (str, bytes)):
        return [_number(value or "")]
    return [_number(part) for part in np.ravel(value)]


def first_number(dataset: Dataset, keyword: str) -> float | None:
    """The first value of an attribute, or None."""
    return next(iter(numbers(dataset, keyword)), None)


def integer(dataset: Dataset, keyword: str, default: int) -> int:
    """The first value of an attribute as a whole number, or the default."""
    value = first_number(dataset, keyword)
    return default if value is None else int(value)


def text(dataset: Dataset, keyword: str) -> str:
    """An attribute in upper case; empty where it is missing."""
    return str(dataset.get(keyword) or "").strip().upper()


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """The items of a sequence; none where it is missing or is not a sequence."""
    found = dataset.get(keyword)
    return [item for item in found or [] if isinstance(item, Dataset)] if not isinstance(found, (str, bytes)) else []


def first_frame(dataset: Dataset, macro: str) -> Iterator[Dataset]:
    """Where an enhanced object may keep a macro's attributes: the first frame's functional group, the shared one, or
    the dataset itself, as all other objects do."""
    for groups in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
        for group in items(dataset, groups)[:1]:
            yield from items(group, macro)[:1]
    yield dataset


def complete(dataset: Dataset) -> None:
    """Fill in attributes of one frame's pixels that are missing, empty or in lower case, where one value is obvious."""
    dataset.NumberOfFrames = 1
    photometric = text(dataset, "PhotometricInterpretation")
    default = 3 if photometric.startswith(("RGB", "YBR")) else 1
    dataset.SamplesPerPixel = samples = integer(dataset, "SamplesPerPixel", default)
    dataset.PhotometricInterpretation = photometric or ("MONOCHROME2" if samples == 1 else "RGB")
    dataset.PixelRepresentation = int(integer(dataset, "PixelRepresentation", 0) == 1)
    dataset.BitsAllocated = allocated = integer(dataset, "BitsAllocated", 16)
    stored = integer(dataset, "BitsStored", allocated)
    dataset.BitsStored = stored = stored if 0 < stored <= allocated else allocated
    dataset.HighBit = integer(dataset, "HighBit", stored - 1)
    if samples > 1:
        dataset.PlanarConfiguration = int(integer(dataset, "PlanarConfiguration", 0) == 1)


def _number(value: object) -> float | None:
    try:
        found = float(str(value).strip(" \0"))
    except ValueError:
        return None
    return found if math.isfinite(found) else None

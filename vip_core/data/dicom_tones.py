"""DICOM grey values as 8-bit tones: modality transformation, then VOI LUT, window or range, then polarity."""

from collections.abc import Callable
from functools import partial

import numpy as np
from pydicom import Dataset

from vip_core.data.dicom_header import first_frame, first_number, items, numbers, text
from vip_core.data.dicom_tables import read_table
from vip_core.data.pixels import MID_TONE, dominant_share, scale, value_range

EMPTY = 0.99  # share of the pixels that show one tone: a window that leaves as much shows nothing


def grey_tones(
    codes: np.ndarray, values: np.ndarray, dataset: Dataset, tolerance: float, name: str, remarks: list[str]
) -> np.ndarray:
    """Grey tones (H, W), uint8, worked out once for each code that a pixel can have and then looked up.

    Args:
        codes: (H, W), unsigned, one per pixel.
        values: (L,), the stored value of each code.
        dataset: the header.
        tolerance: how far from the padding value a pixel still counts as padding, in stored values.
        name: of the file.
        remarks: gets a sentence for each departure from what the header asks.
    """
    counts = _count(codes, len(values))
    image = _without_padding(values, counts, dataset, tolerance)
    values = _modality(values, dataset)
    low, high, trimmed = value_range(values, image)
    ranged = scale(values, low, high) if low < high else np.full(values.shape, MID_TONE, np.uint8)
    tones = _voi_lut(values, dataset)
    if tones is None and (window := _window(dataset)) is not None:
        tones = window(values)
    if tones is not None and dominant_share(tones, image) >= EMPTY > dominant_share(ranged, image):
        remarks.append(f"{name} has a window that leaves almost no tones; it is scaled by its range instead.")
        tones = ranged
    elif tones is None:
        tones = ranged
        if trimmed:
            remarks.append(f"{name} has a few extreme values; they are left out of its range.")
    if _inverted(dataset):
        tones = 255 - tones
    return np.stack([tones[row] for row in codes])  # by rows: indices take eight bytes each


def _count(codes: np.ndarray, length: int) -> np.ndarray:
    """How many pixels have each code, (L,)."""
    rows = max(1, 2**20 // codes.shape[1])
    parts = (np.bincount(codes[start : start + rows].ravel(), minlength=length) for start in range(0, len(codes), rows))
    return sum(parts, np.zeros(length, np.int64))


def _without_padding(values: np.ndarray, counts: np.ndarray, dataset: Dataset, tolerance: float) -> np.ndarray:
    """The counts without the pixels of PixelPaddingValue to PixelPaddingRangeLimit, unless nothing would be left."""
    padding = first_number(dataset, "PixelPaddingValue")
    if padding is None:
        return counts
    limit = first_number(dataset, "PixelPaddingRangeLimit")
    ends = [values[int(end) % len(values)] for end in (padding, padding if limit is None else limit)]
    image = counts * ((values < min(ends) - tolerance) | (values > max(ends) + tolerance))
    return image if image.any() else counts


def _modality(values: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Stored values through the modality LUT or the rescale. A slope of 0 is no slope, as DCMTK and GDCM have it."""
    for item in items(dataset, "ModalityLUTSequence"):
        if (table := read_table(item, "LUT", signed=bool(values.min() < 0))) is not None:
            return table(values)
    for holder in first_frame(dataset, "PixelValueTransformationSequence"):
        slope, intercept = first_number(holder, "RescaleSlope"), first_number(holder, "RescaleIntercept")
        if slope == 0 or (slope is None and intercept is None):
            continue
        return values * (1.0 if slope is None else slope) + (intercept or 0.0)
    return values


def _voi_lut(values: np.ndarray, dataset: Dataset) -> np.ndarray | None:
    """Values as uint8 through the first usable VOI LUT (PS3.3 C.11.2.1.1), or None.

    The table is spread from its least to its greatest entry: the bits declared for it are often not those in use.
    """
    for holder in first_frame(dataset, "FrameVOILUTSequence"):
        for item in items(holder, "VOILUTSequence"):
            table = read_table(item, "LUT", signed=bool(values.min() < 0))
            if table is not None and np.ptp(table.entries):
                return scale(table(values), float(table.entries.min()), float(table.entries.max()))
    return None


def _window(dataset: Dataset) -> Callable[[np.ndarray], np.ndarray] | None:
    """The first usable window as a function of values, or None.

    PS3.3 C.11.2.1.2.1 (LINEAR), C.11.2.1.3.1 (SIGMOID), C.11.2.1.3.2 (LINEAR_EXACT); written out, as pydicom's
    function does not return the range of its result. Below a width of 1, where LINEAR is undefined, LINEAR_EXACT.
    """
    for holder in first_frame(dataset, "FrameVOILUTSequence"):
        centers, widths = numbers(holder, "WindowCenter"), numbers(holder, "WindowWidth")
        for center, width in zip(centers, widths, strict=False):
            if center is None or width is None or width <= 0:
                continue
            function = text(holder, "VOILUTFunction")
            if function == "SIGMOID":
                return partial(_sigmoid, center=center, width=width)
            if function != "LINEAR_EXACT" and width >= 1:
                center, width = center - 0.5, width - 1
            return partial(scale, low=center - width / 2, high=center + width / 2)
    return None


def _sigmoid(values: np.ndarray, center: float, width: float) -> np.ndarray:
    fractions = 1 / (1 + np.exp((-4 * (values - center) / width).clip(-700, 700)))
    return np.rint(fractions * 255).astype(np.uint8)


def _inverted(dataset: Dataset) -> bool:
    """Whether the lowest value is white. PresentationLUTShape decides where it is given, as in DCMTK and dcm4che."""
    shape = text(dataset, "PresentationLUTShape")
    return (
        shape == "INVERSE" if shape in ("IDENTITY", "INVERSE") else dataset.PhotometricInterpretation == "MONOCHROME1"
    )

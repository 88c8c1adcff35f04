"""For a viewer, beside the pixels that the model reads: DICOM header fields, and values of more than 8 bits."""

import base64
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.pixels.utils import pixel_array

LARGEST = 768  # pixels of the longer side; a screen shows no more
MAX_PRESETS = 8
YEARS = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}


@dataclass(frozen=True)
class DicomFacts:
    """Facts of a DICOM header that decide whether a task fits; nothing that names a person. Empty where not given.

    Attributes:
        modality: such as "CR" or "CT".
        body_part: as the header has it, in upper case.
        view: such as "PA" or "LL".
        laterality: "R", "L" or "B".
        years: age of the patient.
        date: of the study, as YYYY-MM-DD.
    """

    modality: str = ""
    body_part: str = ""
    view: str = ""
    laterality: str = ""
    years: float | None = None
    date: str = ""

    def __str__(self) -> str:
        age = ""
        if self.years is not None:
            age = f"{self.years:.0f} y" if self.years >= 2 else f"{12 * self.years:.0f} months"
        return ", ".join(filter(None, (self.modality, self.body_part.lower(), self.view, self.laterality, age)))


@dataclass(frozen=True)
class GreyValues:
    """A grey image of more than 8 bits for display: values (h, w) uint16, and how they become tones.

    Attributes:
        values: stored values shifted to start at 0, at most 768 pixels on the longer side.
        slope, intercept: values * slope + intercept is what windows are given in.
        presets: (label, centre, width) of the file.
        inverted: whether low values are bright (MONOCHROME1).
    """

    values: np.ndarray
    slope: float
    intercept: float
    presets: tuple[tuple[str, float, float], ...]
    inverted: bool

    def to_dict(self) -> dict[str, Any]:
        """As JSON for a page; values as base64 of little-endian 16-bit words."""
        low, high = (float(self.values.min()), float(self.values.max()))
        return {
            "values": base64.b64encode(self.values.astype("<u2").tobytes()).decode(),
            "rows": self.values.shape[0],
            "columns": self.values.shape[1],
            "slope": self.slope,
            "intercept": self.intercept,
            "low": low * self.slope + self.intercept,
            "high": max(high, low + 1) * self.slope + self.intercept,
            "presets": [{"label": label, "centre": centre, "width": width} for label, centre, width in self.presets],
            "inverted": self.inverted,
        }


def header_of(path: Path) -> Dataset | None:
    """The header of a DICOM file without its pixels; None for any other file."""
    with path.open("rb") as file:
        start = file.read(132)
    if start[128:132] != b"DICM":
        return None
    try:
        return dcmread(path, stop_before_pixels=True, force=True)
    except Exception:  # whatever a damaged header causes; reading the image has the sentence for the person
        return None


def dicom_facts(path: Path) -> DicomFacts | None:
    """The facts of a DICOM file; None for any other file."""
    header = header_of(path)
    if header is None:
        return None
    return DicomFacts(
        modality=_text(header, "Modality"),
        body_part=_text(header, "BodyPartExamined"),
        view=_text(header, "ViewPosition"),
        laterality=_text(header, "ImageLaterality") or _text(header, "Laterality"),
        years=_years(header),
        date=re.sub(r"^(\d{4})(\d\d)(\d\d)$", r"\1-\2-\3", _text(header, "StudyDate")),
    )


def grey_values(path: Path) -> GreyValues | None:
    """The values of a grey image of more than 8 bits; None for colour, for 8 bits, and where they cannot be read."""
    header = header_of(path)
    try:
        return _from_dicom(path, header) if header is not None else _from_picture(path)
    except Exception:  # a viewer's extra: the image itself was read, or refused, elsewhere
        return None


def _from_dicom(path: Path, header: Dataset) -> GreyValues | None:
    photometric = _text(header, "PhotometricInterpretation")
    if photometric not in ("MONOCHROME1", "MONOCHROME2") or int(header.get("BitsStored", 8)) <= 8:
        return None
    stored = pixel_array(path)
    if stored.ndim != 2:
        return None
    offset = int(stored.min())
    slope, intercept = float(header.get("RescaleSlope") or 1), float(header.get("RescaleIntercept") or 0)
    centres, widths = (_numbers(header, key) for key in ("WindowCenter", "WindowWidth"))
    labels = _texts(header, "WindowCenterWidthExplanation")
    presets = tuple(
        (labels[i] if i < len(labels) else f"window {i + 1}", centre, width)
        for i, (centre, width) in enumerate(zip(centres, widths, strict=False))
        if width > 0
    )
    values = _smaller((stored.astype(np.int64) - offset).clip(0, 65535).astype(np.uint16))
    return GreyValues(values, slope, intercept + offset * slope, presets[:MAX_PRESETS], photometric == "MONOCHROME1")


def _from_picture(path: Path) -> GreyValues | None:
    with Image.open(path) as image:
        if image.mode not in ("I;16", "I;16B", "I;16L"):
            return None
        stored = np.asarray(image).astype(np.uint16)
    return GreyValues(_smaller(stored), 1.0, 0.0, (), False)


def _smaller(values: np.ndarray) -> np.ndarray:
    step = max(1, -(-max(values.shape) // LARGEST))
    return values[::step, ::step]


def _text(header: Dataset, key: str) -> str:
    return str(header.get(key) or "").strip().upper()


def _several(header: Dataset, key: str) -> list[Any]:
    value = header.get(key)
    if value is None:
        return []
    return [value] if isinstance(value, str | int | float) else list(value)


def _texts(header: Dataset, key: str) -> list[str]:
    return [str(each)[:40] for each in _several(header, key)]


def _numbers(header: Dataset, key: str) -> list[float]:
    return [float(each) for each in _several(header, key)]


def _years(header: Dataset) -> float | None:
    match = re.fullmatch(r"(\d{1,3})([YMWD])", _text(header, "PatientAge"))
    if match and match[0] != "000Y":  # what anonymisers write
        return int(match[1]) * YEARS[match[2]]
    born, studied = _text(header, "PatientBirthDate"), _text(header, "StudyDate")
    if re.fullmatch(r"\d{8}", born) and re.fullmatch(r"\d{8}", studied):
        return (int(studied) - int(born)) // 10000
    return None

"""The lookup tables of DICOM: modality, VOI and palette (PS3.3 C.11.1, C.11.2, C.7.6.3.1.5 and C.7.6.3.1.6)."""

from dataclasses import dataclass

import numpy as np
from pydicom import Dataset


@dataclass(frozen=True)
class LookupTable:
    """A table: `entries[0]` is for `first` and all values below it, the last entry for all values above.

    Attributes:
        first: the input value of the first entry.
        entries: (n,), int64.
    """

    first: int
    entries: np.ndarray

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """The entries for values of any shape."""
        return self.entries[np.rint(values - float(self.first)).clip(0, len(self.entries) - 1).astype(np.int64)]


def read_table(dataset: Dataset, prefix: str, signed: bool) -> LookupTable | None:
    """The table of `<prefix>Descriptor` and `<prefix>Data`, or None where they are missing or unusable.

    signed: whether the table's input can be negative. Descriptors of either VR, US or SS, occur with both.

    The width of an entry follows from the length of the data, as the bits declared for it are often wrong: one byte
    where there are about as many bytes as entries, else a word of two. One entry more than declared is taken.
    """
    try:
        count, first, _ = (int(value) & 0xFFFF for value in dataset[f"{prefix}Descriptor"].value)
        element = dataset[f"{prefix}Data"]
        data = element.value
        if isinstance(data, bytes):
            swapped = not dataset.original_encoding[1] and element.VR != "OB"
            words = np.frombuffer(data[: len(data) // 2 * 2], ">u2" if swapped else "<u2").astype("<u2")
            odd = data[len(words) * 2 :]
        else:
            words, odd = (np.ravel(data).astype(np.int64) & 0xFFFF).astype("<u2"), b""
    except Exception:  # pydicom raises nearly every built-in error for a value of the wrong form
        return None
    count = count or 2**16
    packed = np.frombuffer(words.tobytes() + odd, np.uint8)
    entries = packed[:count] if len(packed) < 1.5 * count else words[: count + 1]
    if not entries.size:
        return None
    return LookupTable(first - 2**16 if signed and first >= 2**15 else first, entries.astype(np.int64))

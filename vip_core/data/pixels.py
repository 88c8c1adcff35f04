"""Arrays as 8-bit tones: size limits, scaling by range, and the colour behind transparent pixels."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image

from vip_core.errors import ImageError, ImageMemoryError

MAX_BYTES = 64 * 2**20
MAX_PIXELS = 64_000_000
MIN_SIDE = 8  # pixels
MID_TONE = 128  # of an image without contrast: neither air nor bone
TRIMMED = 0.001  # share of the pixels at either end of the range that may be extreme


def check_bytes(size: int, name: str, max_bytes: int = MAX_BYTES) -> None:
    """Raise ImageError for an empty file and for one over the limit."""
    if size == 0:
        raise ImageError(f"{name} is empty; copy or export it again.")
    if size > max_bytes:
        found, limit = -(-size * 10 // 2**20) / 10, max_bytes / 2**20  # rounded up: never the limit itself
        raise ImageError(f"{name} is {found:,.1f} MB; the limit is {limit:,.1f} MB; export it smaller.")


def check_size(width: int, height: int, name: str, max_pixels: int = MAX_PIXELS) -> str:
    """The size in words. Raises ImageError for an image with too few or too many pixels."""
    size = f"{width:,} x {height:,} pixels"
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"{name} has {size}; each side needs at least {MIN_SIDE}; choose a larger image.")
    if width * height > max_pixels:
        raise ImageError(f"{name} has {size}; the limit is {max_pixels:,} pixels in total; export it smaller.")
    return size


@contextmanager
def decoding(name: str, found: str = "is damaged, cut short or unusual", export: str = "PNG") -> Iterator[list[str]]:
    """Turn what a decoder raises into one sentence, without the decoder's words: they may quote a DICOM header.

    The block may add to the list that it gets how large the image is, for the sentence on missing memory.
    """
    size: list[str] = []
    try:
        yield size
    except ImageError:
        raise
    except MemoryError:
        about = f" has {' and '.join(size)} and" if size else ""
        raise ImageMemoryError(f"{name}{about} takes more memory to decode than there is; export it smaller.") from None
    except Exception:  # on damaged files Pillow and pydicom raise nearly every built-in error, and some of their own
        raise ImageError(f"{name} {found}; export it again as {export}.") from None


def scale(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Values of any shape as uint8: `low` and below become 0, `high` and above 255.

    Where the two are the same, values above become 255 and the others 0.
    """
    if low >= high:
        return np.where(values > low, 255, 0).astype(np.uint8)
    with np.errstate(all="ignore"):  # infinities, and NaN of the kind that signals
        return np.rint((np.clip(values, low, high) - low) / (high - low) * 255).astype(np.uint8)


def value_range(values: np.ndarray, counts: np.ndarray) -> tuple[float, float, bool]:
    """The range (low, high) to show, and whether a few extreme values were left out of it.

    Extreme are at most TRIMMED of the pixels at either end, if without them the range shrinks below a tenth: a hot
    pixel or a burnt-in mark, which would leave the picture nearly black.

    Args:
        values: (L,), finite.
        counts: (L,), the number of pixels with each value; not all 0.
    """
    order = np.argsort(values, kind="stable")
    order = order[counts[order] > 0]
    ordered, passed = values[order].astype(float), np.cumsum(counts[order])
    dropped = int(passed[-1] * TRIMMED)
    low, high = ordered[0], ordered[-1]
    inner_low, inner_high = ordered[np.searchsorted(passed, [dropped + 1, passed[-1] - dropped])]
    span = inner_high - inner_low
    if not 0 < span < 0.1 * (high - low):
        return low, high, False
    kept = ordered[(ordered >= inner_low - span) & (ordered <= inner_high + span)]
    return kept[0], kept[-1], True


def dominant_share(tones: np.ndarray, counts: np.ndarray) -> float:
    """The share of the pixels that have the most frequent tone. tones: (L,), uint8; counts: (L,) pixels of each."""
    return np.bincount(tones, counts).max() / counts.sum()


def scale_to_range(values: np.ndarray, shown: np.ndarray, name: str, remarks: list[str]) -> np.ndarray:
    """Scale values linearly to 8 bits: the lowest finite value becomes 0, the highest 255, both where `shown`.

    Args:
        values: (H, W, C), any number type.
        shown: (H, W), bool: the pixels whose values set the range.
        name: of the file, for the error.
        remarks: gets a sentence if extreme values are left out of the range.

    Returns:
        (H, W, C), uint8; MID_TONE everywhere for an image without contrast.

    Raises:
        ImageError: no pixel with a finite value.
    """
    finite = values[shown & np.isfinite(values).all(axis=-1)]
    if not finite.size:
        raise ImageError(f"{name} has no pixel with a value to show; export it again as PNG.")
    low, high, trimmed = value_range(*np.unique(finite, return_counts=True))
    if trimmed:
        remarks.append(f"{name} has a few extreme values; they are left out of its range.")
    if low == high:
        return np.full(values.shape, MID_TONE, np.uint8)
    with np.errstate(all="ignore"):  # NaN may be of the kind that signals
        rows = (np.nan_to_num(row.astype(float), nan=low) for row in values)  # by rows: saves memory
        return np.stack([scale(row, low, high) for row in rows])


def scale_colour(
    values: np.ndarray,
    name: str,
    remarks: list[str],
    shown: np.ndarray | None = None,
    bits: int = 16,
    most: int = 0,
) -> np.ndarray:
    """16-bit colour (H, W, 3) as uint8, by its depth and not by its range: a picture looks as it does with 8 bits.

    Three equal channels are grey stored as colour, and scaled by range as grey is. most: the greatest value that the
    file says it holds, if it does. shown: as in `scale_to_range`.
    """
    if (values == values[..., :1]).all():
        shown = np.full(values.shape[:2], True) if shown is None else shown
        return scale_to_range(values[..., :1], shown, name, remarks).repeat(3, axis=-1)
    depth, white = white_value(int(np.bitwise_or.reduce(values.reshape(-1))), bits, most)
    if depth < bits:
        remarks.append(f"{name} uses {depth} of its {bits} bits per channel; it is read as a picture of {depth} bits.")
    return np.stack([scale(row, 0, white) for row in values])


def white_value(used: int, bits: int, most: int = 0) -> tuple[int, int]:
    """Depth of a colour picture, and the value of its white.

    The depth is `bits`, or the least of 8, 10 and 12 that holds all values and `most`: many cameras leave the upper
    bits empty. Lower bits that are 0 in all values are no part of the picture either: 8 bits that were shifted up have
    255 shifted up as their white.

    Args:
        used: the bits that are set in any value.
        bits: of each value, as the file says.
        most: see `scale_colour`.
    """
    unused = min((used & -used).bit_length() - 1, bits - 8) if used else 0
    depths = (depth for depth in (8, 10, 12) if depth >= 8 + unused and max(used, most) < 2**depth)
    depth = min(next(depths, bits), bits)
    return depth, 2**depth - 2**unused


def fill_transparent(image: Image.Image, alpha: np.ndarray, name: str) -> Image.Image:
    """Lay an image on the median colour of its outermost fully opaque pixels, seen along rows and columns.

    image: RGB; alpha: (H, W) uint8. Raises ImageError where no pixel is fully opaque.
    """
    opaque = alpha == 255
    if opaque.all():
        return image
    rows, columns = opaque.any(axis=1).nonzero()[0], opaque.any(axis=0).nonzero()[0]
    if not rows.size:
        raise ImageError(f"{name} has no fully opaque pixel; export it without transparency.")
    left, right = opaque[rows].argmax(axis=1), -1 - opaque[rows, ::-1].argmax(axis=1)
    top, bottom = opaque[:, columns].argmax(axis=0), -1 - opaque[::-1, columns].argmax(axis=0)
    pixels = np.asarray(image)  # (H, W, 3)
    edge = [pixels[rows, left], pixels[rows, right], pixels[top, columns], pixels[bottom, columns]]
    tone = np.rint(np.median(np.concatenate(edge), axis=0)).astype(int)  # (3,)
    ground = Image.new("RGB", image.size, tuple(tone.tolist()))
    ground.paste(image, mask=Image.fromarray(alpha))
    return ground

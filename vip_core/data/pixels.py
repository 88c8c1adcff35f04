"""Arrays as 8-bit tones: size limits, scaling by range, and the colour laid under transparent pixels."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image

from vip_core.errors import ImageError

MAX_BYTES = 64 * 2**20
MAX_PIXELS = 64_000_000
MIN_SIDE = 8  # pixels
MID_TONE = 128  # of an image without contrast: neither air nor bone


def check_bytes(size: int, name: str, max_bytes: int = MAX_BYTES) -> None:
    """Raise ImageError for an empty file and for one over the limit."""
    if size == 0:
        raise ImageError(f"{name} is empty; copy or export it again.")
    if size > max_bytes:
        found, limit = -(-size * 10 // 2**20) / 10, max_bytes / 2**20  # rounded up: never the limit itself
        raise ImageError(f"{name} is {found:,.1f} MB; the limit is {limit:,.1f} MB; export it smaller.")


def check_size(width: int, height: int, name: str, max_pixels: int = MAX_PIXELS) -> None:
    """Raise ImageError for an image with too few or too many pixels."""
    size = f"{width:,} x {height:,} pixels"
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"{name} has {size}; each side needs at least {MIN_SIDE}; choose a larger image.")
    if width * height > max_pixels:
        raise ImageError(f"{name} has {size}; the limit is {max_pixels:,} pixels in total; export it smaller.")


@contextmanager
def decoding(name: str, found: str = "is damaged, cut short or unusual", export: str = "PNG") -> Iterator[None]:
    """Turn what a decoder raises into one sentence, without the decoder's words: they may quote a DICOM header."""
    try:
        yield
    except ImageError:
        raise
    except Exception:  # on damaged files Pillow and pydicom raise nearly every built-in error, and some of their own
        raise ImageError(f"{name} {found}; export it again as {export}.") from None


def scale_to_range(values: np.ndarray, shown: np.ndarray, name: str) -> np.ndarray:
    """Scale values linearly to 8 bits: the lowest finite value becomes 0, the highest 255, both where `shown`.

    Args:
        values: (H, W, C), any number type.
        shown: (H, W), bool: the pixels whose values set the range.
        name: of the file, for the error.

    Returns:
        (H, W, C), uint8; MID_TONE everywhere for an image without contrast.

    Raises:
        ImageError: no pixel with a finite value.
    """
    finite = values[shown & np.isfinite(values).all(axis=-1)]
    if not finite.size:
        raise ImageError(f"{name} has no pixel with a value to show; export it again as PNG.")
    low, high = float(finite.min()), float(finite.max())
    if low == high:
        return np.full(values.shape, MID_TONE, np.uint8)
    with np.errstate(all="ignore"):  # NaN may be of the kind that signals
        rows = (np.nan_to_num(row.astype(float), nan=low).clip(low, high) for row in values)  # by rows: saves memory
        return np.stack([np.rint((row - low) / (high - low) * 255).astype(np.uint8) for row in rows])


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

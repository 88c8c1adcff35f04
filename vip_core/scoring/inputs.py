"""What Predictor.set_image accepts: files, Pillow images, arrays, and the content of files."""

from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from vip_core.data.images import decode_image
from vip_core.errors import ImageError

ImageSource = str | Path | Image.Image | np.ndarray | bytes | BinaryIO


def to_readable(source: ImageSource) -> str | Path | Image.Image:
    """A path or Pillow image for `read_image`. Raises ImageError if the source is none of the accepted kinds."""
    if isinstance(source, str | Path | Image.Image):
        return source
    if isinstance(source, np.ndarray):
        return _from_array(source)
    data = source if isinstance(source, bytes) else getattr(source, "read", lambda: None)()
    if not isinstance(data, bytes | bytearray | memoryview):
        raise ImageError(
            f"An image of type {type(source).__name__} cannot be read; "
            "give a path, a Pillow image, an array, bytes or an open binary file."
        )
    return decode_image(bytes(data), "the image")


def _from_array(values: np.ndarray) -> Image.Image:
    grey, colour = values.ndim == 2, values.ndim == 3 and values.shape[2] == 3
    if values.size and ((grey and values.dtype in (np.uint8, np.uint16)) or (colour and values.dtype == np.uint8)):
        return Image.fromarray(values)
    raise ImageError(
        f"An array of shape {values.shape} and type {values.dtype} is not an image; "
        "give (H, W) of uint8 or uint16, or (H, W, 3) of uint8."
    )

"""The one reader of image files, for the demo, the commands and training: 8-bit RGB, upright, or an ImageError."""

from io import BytesIO
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, ImageSequence
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from vip_core.data.pixels import (
    MAX_BYTES,
    MAX_PIXELS,
    check_bytes,
    check_size,
    decoding,
    fill_transparent,
    scale_to_range,
)
from vip_core.errors import ImageError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".dcm", ".dicom")
MAX_PAGES_COUNTED = 1000  # Pillow's own count is quadratic: minutes for a TIFF made for it

# The readers themselves, not Image.open, which holds every file against Pillow's process-wide limit first, with
# warnings and errors of its own. JpegImageFile also takes the first picture of a phone's JPEG with an embedded preview.
_READERS: dict[bytes, type[ImageFile]] = {
    b"\x89PNG\r\n\x1a\n": PngImageFile,
    b"\xff\xd8\xff": JpegImageFile,
    b"RIFF": WebPImageFile,
    b"BM": BmpImageFile,
    **dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), TiffImageFile),
}
# Of a PNG's 16-bit colour Pillow keeps the high bytes; told the other byte order (it knows none for LA), the low ones.
_LOW_BYTES = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L", "LA;16B": "LA;16B"}
_BITS, _TIFF_PHOTOMETRIC, _PLANES, _SAMPLE_FORMAT = 258, 262, 284, 339  # TIFF tags


def read_image(
    source: str | Path | Image.Image, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS
) -> Image.Image:
    """Read an image as 8-bit RGB, upright by its EXIF orientation, in its own proportions.

    Transparent pixels, and NaN, get the image's own edge tone: the median colour of the fully opaque pixels nearest
    the edge, seen along rows and columns. Black or white around a radiograph would look like air or like metal.
    Grey of 16 or 32 bits, and 16-bit colour (of a TIFF its high bytes), is scaled: the smallest finite value shown
    becomes 0, the largest 255; without contrast all become MID_TONE.
    DICOM grey passes through the modality LUT or rescale, then the first VOI LUT, else the first window; without
    either it is scaled by its range, the padding value left out. MONOCHROME1 is inverted.

    Args:
        source: a PNG, JPEG, WebP, TIFF, BMP or DICOM file, recognised by its bytes (a DICOM file without its mark by
            its ending), or a Pillow image, put into the same form.
        max_bytes: limit on the file, checked before it is read.
        max_pixels: limit on width times height, checked before anything is decoded.

    Raises:
        ImageError: one sentence that names the file without its folder and quotes no text of a DICOM header.
    """
    if isinstance(source, Image.Image):
        check_size(source.width, source.height, "the image", max_pixels)
        with decoding("the image"):
            return _to_rgb(source, "the image")
    path = Path(source)
    name = path.name or "the path given"
    return decode_image(_read_bytes(path, name, max_bytes), name, max_pixels)


def decode_image(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Read the bytes of a file called `name` as `read_image` reads a file. Raises ImageError."""
    marked = data[128:132] == b"DICM"
    reader = next((reader for mark, reader in _READERS.items() if data.startswith(mark)), None)
    if reader is WebPImageFile and data[8:12] != b"WEBP":
        reader = None
    if reader is not None and not marked:
        return _read_pillow(reader, data, name, max_pixels)
    if marked or Path(name).suffix.lower() in (".dcm", ".dicom"):
        from vip_core.data.dicom import read_dicom  # pydicom is loaded for DICOM files only

        return read_dicom(data, name, max_pixels)
    raise ImageError(f"{name} is not a PNG, JPEG, WebP, TIFF, BMP or DICOM file; export it as one of these.")


def find_images(folder: str | Path) -> list[Path]:
    """All files below a folder with an ending of IMAGE_SUFFIXES, sorted; hidden files and folders are skipped."""
    folder = Path(folder)
    if not folder.is_dir():
        raise ImageError(f"{folder.name or 'the path given'} is not a folder; give a folder of images.")
    found = (path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    return sorted(path for path in found if not any(p.startswith(".") for p in path.relative_to(folder).parts))


def _read_bytes(path: Path, name: str, max_bytes: int) -> bytes:
    try:
        if path.is_dir():
            raise ImageError(f"{name} is a folder; give an image file.")
        if not path.is_file():
            raise ImageError(f"{name} was not found, or is not an ordinary file; check the path.")
        check_bytes(path.stat().st_size, name, max_bytes)
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"{name} cannot be opened ({error.strerror}); check the path and its permissions.") from error


def _read_pillow(reader: type[ImageFile], data: bytes, name: str, max_pixels: int) -> Image.Image:
    with decoding(name):
        image = reader(BytesIO(data))  # the header only
        check_size(image.width, image.height, name, max_pixels)
        if getattr(image, "is_animated", False):
            pages = ImageSequence.Iterator(image) if reader is TiffImageFile else range(getattr(image, "n_frames", 1))
            count = sum(1 for _ in islice(pages, MAX_PAGES_COUNTED))
            count = f"{count} or more" if count == MAX_PAGES_COUNTED else count
            raise ImageError(f"{name} holds {count} pages or frames; save the one to read as a file of its own.")
        if isinstance(image, TiffImageFile) and image.tag_v2.next:  # a directory cut short, which Pillow accepts
            raise EOFError
        reader(BytesIO(data)).verify()  # the checksums of a PNG; decoding alone lets a half-written one pass
        low_bytes = None
        if isinstance(image, PngImageFile) and (mode := str(image.tile[0].args)) in _LOW_BYTES:
            low_bytes = reader(BytesIO(data))
            low_bytes.tile = [tile._replace(args=_LOW_BYTES[mode]) for tile in low_bytes.tile]
        return _to_rgb(image, name, low_bytes)


def _to_rgb(image: Image.Image, name: str, low_bytes: Image.Image | None = None) -> Image.Image:
    """Convert a Pillow image of any mode to RGB. `low_bytes`: the lower half of 16-bit colour, if Pillow gives it."""
    tags = dict(image.tag_v2) if isinstance(image, TiffImageFile) else {}
    bits, signed = tags.get(_BITS, (1,)), tags.get(_SAMPLE_FORMAT) == (2,)
    if (max(bits) > 8 and tags.get(_PLANES) == 2) or (bits == (8,) and signed):  # Pillow decodes these wrongly
        raise ImageError(f"{name} is a TIFF with signed bytes or separate 16-bit colour planes; export it as PNG.")
    deep = image.mode[0] in "IF" or low_bytes is not None or (max(bits) > 8 and image.mode in ("RGB", "RGBA"))
    upright = ImageOps.exif_transpose(image)
    if not deep:
        if not upright.has_transparency_data:
            return upright.convert("RGB")
        upright = upright.convert("RGBA")
        return fill_transparent(upright.convert("RGB"), np.asarray(upright.getchannel("A")), name)

    values = np.atleast_3d(np.asarray(upright))  # (H, W, 1, 3 or 4)
    if upright.mode == "I" and bits == (32,) and not signed:
        values = values.view(np.uint32)
    alpha = values[..., 3] if upright.mode == "RGBA" else np.full(values.shape[:2], 255, np.uint8)
    if low_bytes is not None:
        values = values.astype(np.uint16) << 8 | np.asarray(ImageOps.exif_transpose(low_bytes))
    values = values[..., :3]
    absent = np.isnan(values).any(axis=-1)
    if "transparency" in upright.info:
        absent |= (values == upright.info["transparency"]).all(axis=-1)
    alpha = np.where(absent, np.uint8(0), alpha)
    tones = scale_to_range(values, alpha > 0, name)
    if tags.get(_TIFF_PHOTOMETRIC) == 0:  # MinIsWhite, which Pillow inverts for 8 bits only
        tones = 255 - tones
    return fill_transparent(Image.fromarray(tones.repeat(3 // tones.shape[-1], axis=-1)), alpha, name)

"""The one reader of image files, for the demo, the commands and training: 8-bit RGB, upright, or an ImageError."""

from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from vip_core.data.pixels import MAX_BYTES, MAX_PIXELS, check_bytes, check_size, decoding
from vip_core.data.raster import image_to_rgb, read_raster
from vip_core.errors import ImageError

# The readers themselves, not Image.open, which holds every file against Pillow's process-wide limit first, with
# warnings and errors of its own. JpegImageFile also takes the first picture of a phone's JPEG with an embedded preview.
_READERS: dict[bytes, type[ImageFile]] = {
    b"\x89PNG\r\n\x1a\n": PngImageFile,
    b"\xff\xd8\xff": JpegImageFile,
    b"RIFF": WebPImageFile,
    b"BM": BmpImageFile,
    **dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), TiffImageFile),
}
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")  # brands, from byte 8


def read_image(
    source: str | Path | Image.Image | np.ndarray | bytes | BinaryIO,
    *,
    max_bytes: int = MAX_BYTES,
    max_pixels: int = MAX_PIXELS,
) -> Image.Image:
    """Read an image as 8-bit RGB, upright by its EXIF orientation, in its own proportions.

    Transparent pixels, and NaN, get the image's own edge tone: the median colour of the fully opaque pixels nearest
    the edge, seen along rows and columns. Black or white around a radiograph would look like air or like metal.
    Grey of 16 or 32 bits is scaled: the smallest finite value shown becomes 0, the largest 255; without contrast all
    become MID_TONE. 16-bit colour is scaled by its depth, and an embedded colour profile is converted to sRGB.
    DICOM grey passes through the modality LUT or rescale, then the first VOI LUT, else the first window; without
    either it is scaled by its range, the padding value left out. docs/images.md has the details.

    Args:
        source: a PNG, JPEG, WebP, TIFF, BMP, HEIC or DICOM file, recognised by its bytes (a DICOM file without its mark
            by its ending); its content as bytes or an open file; a Pillow image; or an array (H, W), (H, W, 3) or
            (H, W, 4) of a type that Pillow takes.
        max_bytes: limit on the file, checked before it is read.
        max_pixels: limit on width times height, checked before anything is decoded.

    Returns:
        The image. `info["remarks"]` lists, as sentences, where the reader departed from what the file asks.

    Raises:
        ImageError: one sentence that names the file without its folder and quotes no text of a DICOM header.
    """
    name = "the image"
    if isinstance(source, np.ndarray):
        with decoding(name, f"is an array of shape {source.shape} and type {source.dtype}", "8-bit RGB"):
            source = Image.fromarray(source)
    if isinstance(source, Image.Image):
        check_size(source.width, source.height, name, max_pixels)
        remarks: list[str] = []
        with decoding(name):
            return _with_remarks(image_to_rgb(source, name, remarks), remarks)
    if isinstance(source, (str, Path)):
        path = Path(source)
        name = path.name or "the path given"
        data = read_bytes(path, name, max_bytes)
    else:
        data = source if isinstance(source, bytes) else source.read(max_bytes + 1)
        check_bytes(len(data), name, max_bytes)
    return decode_image(data, name, max_pixels)


def decode_image(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Read the bytes of a file called `name` as `read_image` reads a file. Raises ImageError."""
    remarks: list[str] = []
    reader = next((reader for mark, reader in _READERS.items() if data.startswith(mark)), None)
    if reader is WebPImageFile and data[8:12] != b"WEBP":
        reader = None
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC:
        reader = _heic_reader(name)
    marked = data[128:132] == b"DICM" or data.startswith(b"DICM")
    if reader is not None and not marked:
        image = read_raster(reader, data, name, max_pixels, remarks)
    elif marked or Path(name).suffix.lower() in (".dcm", ".dicom", ".dic", ".dc3", ".ima"):
        try:
            from vip_core.data.dicom import read_dicom  # pydicom is loaded for DICOM files only
        except ModuleNotFoundError:
            raise ImageError(f"{name} is a DICOM file; install pydicom to read it, or export it as PNG.") from None
        image = read_dicom(data, name, max_pixels, remarks)
    else:
        raise ImageError(f"{name} is not a PNG, JPEG, WebP, TIFF, BMP, HEIC or DICOM file; export it as one of these.")
    return _with_remarks(image, remarks)


def _with_remarks(image: Image.Image, remarks: list[str]) -> Image.Image:
    image.info = {"remarks": remarks}  # profile and orientation are applied, and must not be applied again
    return image


def _heic_reader(name: str) -> type[ImageFile]:
    """The reader of phones' HEIC photographs. Raises ImageError where it is not installed."""
    try:
        from pi_heif.as_plugin import HeifImageFile
    except ModuleNotFoundError:
        raise ImageError(f"{name} is a HEIC photograph; install pi-heif to read it, or export it as JPEG.") from None
    return HeifImageFile


def read_bytes(path: Path, name: str, max_bytes: int = MAX_BYTES) -> bytes:
    """The content of an image file called `name`. Raises ImageError."""
    try:
        if path.is_dir():
            raise ImageError(f"{name} is a folder; give an image file.")
        if not path.is_file():
            raise ImageError(f"{name} was not found, or is not an ordinary file; check the path.")
        check_bytes(path.stat().st_size, name, max_bytes)
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"{name} cannot be opened ({error.strerror}); check the path and its permissions.") from error

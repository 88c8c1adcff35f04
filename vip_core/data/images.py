"""The one reader of image files, for the demo, the command lines and training: 8-bit RGB, upright, or an ImageError."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps, ImageSequence
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from vip_core.errors import ImageError

if TYPE_CHECKING:
    from pydicom import Dataset

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".dcm", ".dicom")
MAX_BYTES = 64 * 2**20
MAX_PIXELS = 64_000_000
MIN_SIDE = 8  # pixels
MID_TONE = 128  # of an image without any contrast: neither air nor bone
MANY_PAGES = 1000  # where counting stops: Pillow's own count is quadratic, minutes for a TIFF made to be counted

# The readers themselves, not Image.open: that holds every file against Pillow's process-wide limit first, with warnings
# and errors of its own. JpegImageFile also takes the first picture of a phone's JPEG that has a preview as its second.
_READERS: dict[bytes, type[Image.Image]] = {
    b"\x89PNG\r\n\x1a\n": PngImageFile,
    b"\xff\xd8\xff": JpegImageFile,
    b"RIFF": WebPImageFile,
    b"BM": BmpImageFile,
    **dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), TiffImageFile),
}
# Of a PNG's 16-bit colour Pillow keeps the high bytes; told the other byte order (it knows none for LA), the low ones.
_LOW_BYTES = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L", "LA;16B": "LA;16B"}
_BITS, _TIFF_PHOTOMETRIC, _PLANES, _SAMPLE_FORMAT = 258, 262, 284, 339  # TIFF tags
_KNOWN = {
    1: ["MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"],
    3: ["RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"],
}
_FILTERS = threading.Lock()  # warning filters are one list for all threads


def read_image(
    source: str | Path | Image.Image, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS
) -> Image.Image:
    """An image as 8-bit RGB, upright by its EXIF orientation, in its own proportions.

    source: a PNG, JPEG, WebP, TIFF, BMP or DICOM file, told by its bytes (a DICOM file without its mark by the ending),
    or a Pillow image, put into the same form. The limits hold before a file is read and before anything is decoded.

    Transparent pixels, and NaN, get the image's own edge tone: the median colour of the fully opaque pixels nearest
    the edge, seen along rows and columns. Black or white around a radiograph would read as air or as bone and metal.
    Grey of 16 or 32 bits, and 16-bit colour (of a TIFF its high bytes), is scaled: the smallest finite value shown
    becomes 0, the largest 255; without contrast all become MID_TONE.
    DICOM grey goes through the modality LUT or rescale, then the first VOI LUT, else the first window, else it is
    scaled by its range without the padding value; MONOCHROME1 is inverted.

    Raises ImageError, one sentence that names the file but not its folder, and quotes no text of a DICOM header.
    """
    if isinstance(source, Image.Image):
        _check_size(source.width, source.height, "the image", max_pixels)
        with _decoding("the image"):
            return _to_rgb(source, "the image")
    path = Path(source)
    name = path.name or "the path given"
    return decode_image(_read_bytes(path, name, max_bytes), name, max_pixels)


def decode_image(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The bytes of a file called `name` as `read_image` reads a file. Raises ImageError."""
    if data[128:132] == b"DICM":
        return _read_dicom(data, name, max_pixels)
    reader = next((reader for mark, reader in _READERS.items() if data.startswith(mark)), None)
    if reader is not None and (reader is not WebPImageFile or data[8:12] == b"WEBP"):
        return _read_pillow(reader, data, name, max_pixels)
    if Path(name).suffix.lower() in (".dcm", ".dicom"):
        return _read_dicom(data, name, max_pixels)
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
        size = path.stat().st_size
        if size == 0:
            raise ImageError(f"{name} is empty; copy or export it again.")
        if size > max_bytes:
            raise ImageError(f"{name} has {size:,} bytes, and at most {max_bytes:,} are read; export it smaller.")
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"{name} cannot be opened ({error.strerror}); check the path and its permissions.") from error


def _check_size(width: int, height: int, name: str, max_pixels: int) -> None:
    size = f"{width:,} x {height:,} pixels"
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"{name} has {size}, and at least {MIN_SIDE} a side are needed; choose a larger image.")
    if width * height > max_pixels:
        raise ImageError(f"{name} has {size}, and at most {max_pixels:,} in all are read; export it smaller.")


@contextmanager
def _decoding(name: str, found: str = "is damaged, cut short or unusual", export: str = "PNG") -> Iterator[None]:
    """Turns what a decoder raises into one sentence; its own words are left out, as they may quote a DICOM header."""
    try:
        yield
    except ImageError:
        raise
    except Exception:  # on damaged files Pillow and pydicom raise nearly every built-in error, and some of their own
        raise ImageError(f"{name} {found}; export it again as {export}.") from None


def _read_pillow(reader: type[Image.Image], data: bytes, name: str, max_pixels: int) -> Image.Image:
    with _decoding(name):
        image = reader(BytesIO(data))  # the header only
        _check_size(image.width, image.height, name, max_pixels)
        if getattr(image, "is_animated", False):
            pages = ImageSequence.Iterator(image) if reader is TiffImageFile else range(image.n_frames)
            count = sum(1 for _ in islice(pages, MANY_PAGES))
            count = f"{count} or more" if count == MANY_PAGES else count
            raise ImageError(f"{name} holds {count} pages or frames; save the one to read as a file of its own.")
        if reader is TiffImageFile and image.tag_v2.next:  # its directory is cut short; Pillow goes on without the rest
            raise EOFError
        reader(BytesIO(data)).verify()  # the checksums of a PNG; decoding alone lets a half-written one pass
        low_bytes = None
        if reader is PngImageFile and image.tile[0].args in _LOW_BYTES:
            low_bytes = reader(BytesIO(data))
            low_bytes.tile = [tile._replace(args=_LOW_BYTES[tile.args]) for tile in low_bytes.tile]
        return _to_rgb(image, name, low_bytes)


def _to_rgb(image: Image.Image, name: str, low_bytes: Image.Image | None = None) -> Image.Image:
    """A Pillow image of any mode as RGB. `low_bytes`: the lower half of 16-bit colour, where it is to be had."""
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
        return _on_edge_tone(upright.convert("RGB"), np.asarray(upright.getchannel("A")), name)

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
    tones = _scaled(values, alpha > 0, name)
    if tags.get(_TIFF_PHOTOMETRIC) == 0:  # MinIsWhite, which Pillow inverts for 8 bits only
        tones = 255 - tones
    return _on_edge_tone(Image.fromarray(tones.repeat(3 // tones.shape[-1], axis=-1)), alpha, name)


def _on_edge_tone(image: Image.Image, alpha: np.ndarray, name: str) -> Image.Image:
    """image: RGB; alpha: (H, W) uint8. Lays the image on the median colour of its outermost fully opaque pixels."""
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


def _scaled(values: np.ndarray, shown: np.ndarray, name: str) -> np.ndarray:
    """values (H, W, C) of any type as uint8: the lowest finite one where `shown` (H, W) is 0, the highest 255."""
    known = values[shown & np.isfinite(values).all(axis=-1)]
    if not known.size:
        raise ImageError(f"{name} has no pixel with a value to show; export it again as PNG.")
    low, high = float(known.min()), float(known.max())
    if low == high:
        return np.full(values.shape, MID_TONE, np.uint8)
    with np.errstate(all="ignore"):  # NaN may be of the kind that signals
        rows = (np.nan_to_num(row.astype(float), nan=low).clip(low, high) for row in values)  # the whole would be large
        return np.stack([np.rint((row - low) / (high - low) * 255).astype(np.uint8) for row in rows])


def _read_dicom(data: bytes, name: str, max_pixels: int) -> Image.Image:
    from pydicom import dcmread
    from pydicom.pixels import apply_color_lut, get_decoder
    from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian

    export = "uncompressed DICOM or PNG"
    if b"1.2.840.10008.1.2.1.99" in data:  # pydicom would inflate it without a limit
        raise ImageError(f"{name} is stored as Deflated Explicit VR Little Endian; export it as {export}.")
    with _FILTERS, warnings.catch_warnings(), _decoding(name, export=export):
        warnings.filterwarnings("ignore", module="pydicom|PIL")  # their remarks on sloppy files
        dataset = dcmread(BytesIO(data), force=True)
        if "PixelData" not in dataset:
            raise ImageError(f"{name} holds no DICOM pixel data; choose a file that holds an image.")
        frames = int(dataset.get("NumberOfFrames") or 1)
        if frames > 1:
            raise ImageError(f"{name} holds {frames} frames; export a single frame as DICOM or PNG.")
        _check_size(int(dataset.Columns), int(dataset.Rows), name, max_pixels)
        if dataset.PhotometricInterpretation not in _KNOWN.get(dataset.SamplesPerPixel, []):
            known = ", ".join(_KNOWN[1] + _KNOWN[3])
            raise ImageError(f"{name} has a photometric interpretation other than {known}; export it as PNG.")
        if dataset.BitsAllocated not in (8, 16):
            raise ImageError(f"{name} has {int(dataset.BitsAllocated)} bits a sample, not 8 or 16; export it as PNG.")
        plain = ExplicitVRLittleEndian if dataset.original_encoding[1] else ExplicitVRBigEndian
        syntax = dataset.file_meta.get("TransferSyntaxUID") or plain  # a file without its header: as pydicom found it
        label = UID(syntax).name if UID(syntax).name != syntax else "an unknown transfer syntax"
        with _decoding(name, f"is stored as {label}, for which there is no decoder here", export):
            decoder = get_decoder(syntax)
            if not decoder.is_available:
                raise NotImplementedError
        with _decoding(name, f"is damaged, or an unusual form of {label}", export):
            pixels, properties = decoder.as_array(dataset, index=0)  # (H, W) or (H, W, 3)
        if dataset.PhotometricInterpretation == "PALETTE COLOR":
            palette = apply_color_lut(pixels, dataset)[..., :3]
            return Image.fromarray((palette >> 8 * (palette.itemsize - 1)).astype(np.uint8))
        if pixels.ndim == 2:
            return Image.fromarray(_grey(pixels, dataset, name)).convert("RGB")
        if properties["photometric_interpretation"] != "RGB":
            raise ImageError(f"{name} has colours that cannot be turned into RGB here; export it as PNG.")
        if pixels.itemsize > 1:
            pixels = _scaled(pixels, np.full(pixels.shape[:2], True), name)
        return Image.fromarray(pixels)


def _grey(stored: np.ndarray, dataset: "Dataset", name: str) -> np.ndarray:
    """Stored values (H, W) as grey tones, uint8: worked out once for each value a pixel can have, then looked up."""
    from pydicom.pixels import apply_modality_lut

    stored = stored.astype(stored.dtype.newbyteorder("="), copy=False)
    codes = stored.view(f"u{stored.itemsize}")
    values = np.arange(256**stored.itemsize, dtype=codes.dtype).view(stored.dtype).astype(np.int32)  # (L,), by code
    present = np.zeros(len(values), dtype=bool)
    for row in codes:
        present[row] = True
    padding, limit = dataset.get("PixelPaddingValue"), dataset.get("PixelPaddingRangeLimit")
    if padding is not None:
        ends = [values[int(end) % len(values)] for end in (padding, padding if limit is None else limit)]
        image = present & ((values < min(ends)) | (values > max(ends)))
        present = image if image.any() else present
    if dataset.get("ModalityLUTSequence") or None not in (dataset.get("RescaleSlope"), dataset.get("RescaleIntercept")):
        values = apply_modality_lut(values, dataset)
    tones = _windowed(values, dataset)
    if tones is None:
        tones = _scaled(values[None, :, None], present[None], name).ravel()
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        tones = 255 - tones
    return np.stack([tones[row] for row in codes])  # by rows: indices take eight bytes each


def _windowed(values: np.ndarray, dataset: "Dataset") -> np.ndarray | None:
    """values (L,) as uint8 through the first VOI LUT, else the first window; None where there is neither.

    PS3.3 C.11.2.1.1 (LUT), C.11.2.1.2.1 (LINEAR), C.11.2.1.3.1 (SIGMOID), C.11.2.1.3.2 (LINEAR_EXACT); written out, as
    pydicom's functions do not tell the range of their answer, and fail for 8-bit tables longer than 256. A LUT is
    spread from its least to its greatest entry: the bits declared for it are often not those that its entries use.
    """
    center, width = (np.ravel(dataset.get(key))[0] for key in ("WindowCenter", "WindowWidth"))
    function = dataset.get("VOILUTFunction") or "LINEAR"
    if dataset.get("VOILUTSequence"):
        item = dataset.VOILUTSequence[0]
        words = "<u2" if dataset.original_encoding[1] else ">u2"
        table = np.frombuffer(item.LUTData, words) if isinstance(item.LUTData, bytes) else np.ravel(item.LUTData)
        table = (table - float(table.min())) / max(float(np.ptp(table)), 1.0)
        fractions = table[np.rint(values - float(item.LUTDescriptor[1])).clip(0, len(table) - 1).astype(int)]
    elif center is None or width is None or not (np.isfinite([center, width]).all() and width > 0):
        return None
    elif function == "SIGMOID":
        fractions = 1 / (1 + np.exp((-4 * (values - center) / width).clip(-700, 700)))
    else:
        center, width = (center - 0.5, max(width - 1, 0)) if function == "LINEAR" else (center, width)
        fractions = (values - center) / width + 0.5 if width else 1.0 * (values > center)
    return np.rint(fractions.clip(0, 1) * 255).astype(np.uint8)

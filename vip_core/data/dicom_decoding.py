"""The frame of a DICOM file as an array: pydicom's decoders, imagecodecs for what they lack, Pillow for JPEG colour."""

from io import BytesIO

import numpy as np
from PIL.JpegImagePlugin import JpegImageFile
from pydicom import Dataset
from pydicom import uid as syntaxes
from pydicom.encaps import get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from vip_core.data.pixels import decoding
from vip_core.errors import ImageError

EXPORT = "uncompressed DICOM or PNG"
WORDS = {  # what is stored as words of BitsAllocated bits, with the value somewhere inside
    syntaxes.ImplicitVRLittleEndian,
    syntaxes.ExplicitVRLittleEndian,
    syntaxes.ExplicitVRBigEndian,
    syntaxes.RLELossless,
}
JPEG = {syntaxes.JPEGBaseline8Bit, syntaxes.JPEGExtended12Bit}
JPEG_LOSSLESS = {syntaxes.JPEGLossless, syntaxes.JPEGLosslessSV1}
JPEG_LS = {syntaxes.JPEGLSLossless, syntaxes.JPEGLSNearLossless}
LOSSY = {*JPEG, syntaxes.JPEGLSNearLossless, syntaxes.JPEG2000}


def is_lossy(dataset: Dataset, syntax: UID) -> bool:
    """Whether the pixel data has been through lossy compression, now or before."""
    return syntax in LOSSY or str(dataset.get("LossyImageCompression") or "") == "01"


def decode_frame(dataset: Dataset, syntax: UID, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Decode the only frame of a dataset, whose header is complete.

    Returns:
        codes: (H, W) unsigned for one sample per pixel, or (H, W, 3) unsigned RGB.
        values: (L,), int64, the stored value of each code; for RGB the codes themselves.

    Raises:
        ImageError: no decoder, or the data is damaged.
    """
    label = syntax.name if syntax.name != syntax else "an unknown transfer syntax"
    with decoding(name, f"is damaged, or an unusual form of {label}", EXPORT) as size:
        size.append(f"{dataset.Columns:,} x {dataset.Rows:,} pixels")
        bits, shift = dataset.BitsStored, dataset.HighBit + 1 - dataset.BitsStored
        if syntax in WORDS and dataset.SamplesPerPixel == 1:
            signed = bool(dataset.PixelRepresentation)
            dataset.BitsStored, dataset.PixelRepresentation = dataset.BitsAllocated, 0  # pydicom masks by these
            codes = _by_pydicom(dataset, syntax, label, name)
            return _coded(codes, bits, shift if 0 < shift <= dataset.BitsAllocated - bits else 0, signed)
        frame = b"" if syntax in WORDS else get_frame(dataset.PixelData, 0, number_of_frames=1)
        if syntax in JPEG and dataset.SamplesPerPixel == 3 and dataset.BitsAllocated == 8:
            return _checked(_jpeg_colour(frame, dataset.PhotometricInterpretation), dataset, bits)
        deep_jpeg = syntax == syntaxes.JPEGExtended12Bit and dataset.BitsAllocated == 16
        pixels = _by_imagecodecs(frame, syntax) if deep_jpeg or syntax in JPEG_LOSSLESS | JPEG_LS else None
        if pixels is not None:
            return _checked(pixels, dataset, bits)
        pixels = _by_pydicom(dataset, syntax, label, name)
        codes = pixels.view(f"u{pixels.itemsize}")
        values = np.arange(256**codes.itemsize, dtype=codes.dtype).view(pixels.dtype)
        return codes, values.astype(np.int64)


def _jpeg_colour(frame: bytes, photometric: str) -> np.ndarray:
    """A frame of JPEG with three components as RGB, by libjpeg's rule: the markers of the stream determine its colours.

    Headers often say RGB of YCbCr. They are believed where the stream has neither a marker nor the components 1, 2, 3
    of JFIF, nor R, G, B: then it is RGB as some toolkits write it, and libjpeg would take it for YCbCr.
    """
    image = JpegImageFile(BytesIO(frame))
    components = [component[0] for component in image.layer]
    if photometric == "RGB" and "adobe_transform" not in image.info and components not in ([1, 2, 3], [*b"RGB"]):
        image.draft("YCbCr", image.size)  # the components as they are
    return np.asarray(image if image.mode == "YCbCr" else image.convert("RGB"))


def _by_pydicom(dataset: Dataset, syntax: UID, label: str, name: str) -> np.ndarray:
    """(H, W) or, as RGB, (H, W, 3), in the byte order of the machine."""
    package = "imagecodecs" if syntax in JPEG_LOSSLESS | JPEG_LS | JPEG else "a plugin of pydicom"
    with decoding(name, f"is stored as {label}, for which there is no decoder here; install {package}", EXPORT):
        decoder = get_decoder(syntax)
        if not decoder.is_available:
            raise NotImplementedError
    pixels, properties = decoder.as_array(dataset, index=0)
    if pixels.ndim == 3 and properties["photometric_interpretation"] != "RGB":
        raise ImageError(f"{name} has colours that cannot be turned into RGB here; export it as PNG.")
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)


def _by_imagecodecs(frame: bytes, syntax: UID) -> np.ndarray | None:
    """A frame of JPEG Lossless, JPEG-LS or 12-bit JPEG, or None where imagecodecs is not installed."""
    try:
        from imagecodecs import jpeg8_decode, jpegls_decode
    except ImportError:
        return None
    return jpegls_decode(frame) if syntax in JPEG_LS else jpeg8_decode(frame)


def _checked(pixels: np.ndarray, dataset: Dataset, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes and values of what a decoder gave without the header. Raises ValueError where its size is another."""
    samples = (3,) if dataset.SamplesPerPixel == 3 else ()
    if pixels.shape != (dataset.Rows, dataset.Columns, *samples):
        raise ValueError
    return _coded(pixels, bits, 0, bool(dataset.PixelRepresentation))


def _coded(codes: np.ndarray, bits: int, shift: int, signed: bool) -> tuple[np.ndarray, np.ndarray]:
    """Codes, and the value in `bits` bits of each code, starting at bit `shift`."""
    values = (np.arange(256**codes.itemsize) >> shift) & (2**bits - 1)
    return codes, np.where(signed & (values >= 2 ** (bits - 1)), values - 2**bits, values)

"""DICOM files as 8-bit RGB: one frame through its modality LUT, then its VOI LUT, window or range."""

import warnings
from io import BytesIO

import numpy as np
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian

from vip_core.data.pixels import check_size, decoding, scale_to_range
from vip_core.errors import ImageError

PHOTOMETRIC = {  # by samples per pixel
    1: ["MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"],
    3: ["RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"],
}

# Once for the process: filters set for each file would need a lock over all threads that read.
warnings.filterwarnings("ignore", module="pydicom")  # its remarks on nonconforming headers


def read_dicom(data: bytes, name: str, max_pixels: int) -> Image.Image:
    """The image of a DICOM file of one frame, as 8-bit RGB. Raises ImageError, which quotes no text of the header."""
    export = "uncompressed DICOM or PNG"
    if b"1.2.840.10008.1.2.1.99" in data:  # pydicom would inflate it without a limit
        raise ImageError(f"{name} is stored as Deflated Explicit VR Little Endian; export it as {export}.")
    with decoding(name, export=export):
        dataset = dcmread(BytesIO(data), force=True)
        if "PixelData" not in dataset:
            raise ImageError(f"{name} holds no DICOM pixel data; choose a file that holds an image.")
        frames = int(dataset.get("NumberOfFrames") or 1)
        if frames > 1:
            raise ImageError(f"{name} holds {frames} frames; export a single frame as DICOM or PNG.")
        check_size(int(dataset.Columns), int(dataset.Rows), name, max_pixels)
        if dataset.PhotometricInterpretation not in PHOTOMETRIC.get(dataset.SamplesPerPixel, []):
            known = ", ".join(PHOTOMETRIC[1] + PHOTOMETRIC[3])
            raise ImageError(f"{name} has a photometric interpretation other than {known}; export it as PNG.")
        if dataset.BitsAllocated not in (8, 16):
            raise ImageError(f"{name} has {int(dataset.BitsAllocated)} bits per sample, not 8 or 16; export it as PNG.")
        plain = ExplicitVRLittleEndian if dataset.original_encoding[1] else ExplicitVRBigEndian
        syntax = dataset.file_meta.get("TransferSyntaxUID") or plain  # a file without its header: as pydicom found it
        label = UID(syntax).name if UID(syntax).name != syntax else "an unknown transfer syntax"
        with decoding(name, f"is stored as {label}, for which there is no decoder here", export):
            decoder = get_decoder(syntax)
            if not decoder.is_available:
                raise NotImplementedError
        with decoding(name, f"is damaged, or an unusual form of {label}", export):
            pixels, properties = decoder.as_array(dataset, index=0)  # (H, W) or (H, W, 3)
        if dataset.PhotometricInterpretation == "PALETTE COLOR":
            palette = apply_color_lut(pixels, dataset)[..., :3]
            return Image.fromarray((palette >> 8 * (palette.itemsize - 1)).astype(np.uint8))
        if pixels.ndim == 2:
            return Image.fromarray(_grey(pixels, dataset, name)).convert("RGB")
        if properties["photometric_interpretation"] != "RGB":
            raise ImageError(f"{name} has colours that cannot be turned into RGB here; export it as PNG.")
        if pixels.itemsize > 1:
            pixels = scale_to_range(pixels, np.full(pixels.shape[:2], True), name)
        return Image.fromarray(pixels)


def _grey(stored: np.ndarray, dataset: Dataset, name: str) -> np.ndarray:
    """Stored values (H, W) as grey tones, uint8: worked out once for each value a pixel can have, then looked up."""
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
        tones = scale_to_range(values[None, :, None], present[None], name).ravel()
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        tones = 255 - tones
    return np.stack([tones[row] for row in codes])  # by rows: indices take eight bytes each


def _windowed(values: np.ndarray, dataset: Dataset) -> np.ndarray | None:
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

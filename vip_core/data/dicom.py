"""DICOM files as 8-bit RGB: one frame, decoded, then its grey tones, palette or colours."""

import warnings
from io import BytesIO

import numpy as np
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.filereader import read_dataset
from pydicom.pixels.processing import apply_color_lut
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian

from vip_core.data.dicom_decoding import EXPORT, decode_frame, is_lossy
from vip_core.data.dicom_header import complete, integer
from vip_core.data.dicom_tables import read_table
from vip_core.data.dicom_tones import grey_tones
from vip_core.data.pixels import check_size, decoding, scale_colour
from vip_core.errors import ImageError

PHOTOMETRIC = {  # by samples per pixel
    1: ["MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"],
    3: ["RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"],
}
LOSSY_PADDING = 0.01  # of the range of stored values: how far lossy compression may move the padding value

# Once for the process: filters set for each file would need a lock over all threads that read.
warnings.filterwarnings("ignore", module="pydicom")  # its remarks on nonconforming headers


def read_dicom(data: bytes, name: str, max_pixels: int, remarks: list[str]) -> Image.Image:
    """Read a DICOM file of one frame as 8-bit RGB.

    Args:
        data: the file, with or without preamble and file meta.
        name: of the file.
        max_pixels: limit on rows times columns.
        remarks: gets a sentence for each departure from what the header asks.

    Raises:
        ImageError: one sentence, which quotes no text of the header.
    """
    if data.startswith(b"DICM"):
        data = bytes(128) + data  # written without the preamble
    with decoding(name, export=EXPORT) as size:
        if _meta_syntax(data) == DeflatedExplicitVRLittleEndian:  # pydicom would inflate it without a limit
            raise ImageError(f"{name} is stored as {DeflatedExplicitVRLittleEndian.name}; export it as {EXPORT}.")
        dataset = dcmread(BytesIO(data), force=True)
        if "PixelData" not in dataset:
            raise ImageError(f"{name} holds no DICOM pixel data; choose a file that holds an image.")
        frames = integer(dataset, "NumberOfFrames", 1)
        if frames > 1:
            raise ImageError(f"{name} holds {frames} frames; export a single frame as DICOM or PNG.")
        size.append(check_size(int(dataset.Columns), int(dataset.Rows), name, max_pixels))
        complete(dataset)
        if dataset.PhotometricInterpretation not in PHOTOMETRIC.get(dataset.SamplesPerPixel, []):
            known = ", ".join(PHOTOMETRIC[1] + PHOTOMETRIC[3])
            raise ImageError(f"{name} has a photometric interpretation other than {known}; export it as PNG.")
        if dataset.BitsAllocated not in (8, 16):
            raise ImageError(f"{name} has {dataset.BitsAllocated} bits per sample, not 8 or 16; export it as PNG.")
        plain = ExplicitVRLittleEndian if dataset.original_encoding[1] else ExplicitVRBigEndian
        syntax = UID(dataset.file_meta.get("TransferSyntaxUID") or plain)  # without file meta: as pydicom found it
        return Image.fromarray(_rgb(dataset, syntax, name, remarks))


def _meta_syntax(data: bytes) -> str:
    """The transfer syntax of the file meta, read alone; empty where there is none."""
    if data[128:132] != b"DICM":
        return ""
    meta = read_dataset(BytesIO(data[132:]), False, True, stop_when=lambda tag, vr, length: tag.group != 2)
    return str(meta.get("TransferSyntaxUID") or "")


def _rgb(dataset: Dataset, syntax: UID, name: str, remarks: list[str]) -> np.ndarray:
    """The frame as (H, W, 3), uint8."""
    bits = dataset.BitsStored
    tolerance = LOSSY_PADDING * 2**bits if is_lossy(dataset, syntax) else 0
    codes, values = decode_frame(dataset, syntax, name)
    if codes.ndim == 3:
        return codes if codes.itemsize == 1 else scale_colour(codes, name, remarks, bits=bits)
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        return _palette(values, dataset, name)[codes]
    tones = grey_tones(codes, values, dataset, tolerance, name, remarks)
    return tones[..., None].repeat(3, axis=-1)


def _palette(values: np.ndarray, dataset: Dataset, name: str) -> np.ndarray:
    """The colours (L, 3), uint8, of stored values (L,)."""
    if "SegmentedRedPaletteColorLookupTableData" in dataset:
        colours = apply_color_lut(values, dataset)[..., :3]
        return (colours >> 8 * (colours.itemsize - 1)).astype(np.uint8)
    signed = bool(values.min() < 0)
    tables = [read_table(dataset, f"{colour}PaletteColorLookupTable", signed) for colour in ("Red", "Green", "Blue")]
    channels = [table(values) for table in tables if table is not None]
    if len(channels) < 3:
        raise ImageError(f"{name} has a palette that cannot be read; export it as PNG.")
    wide = any(table.entries.max() > 255 for table in tables if table is not None)  # else 8 bits, in bytes or words
    return (np.stack(channels, axis=-1) >> (8 if wide else 0)).astype(np.uint8)

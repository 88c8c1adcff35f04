"""Image files of every kind, written byte by byte, and how a test reads them back."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset

from vip_core.data.images import read_image
from vip_core.errors import ImageError

NOISE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
GREY = NOISE[..., 0]
RAMP = np.linspace(0, 255, 256).astype(np.uint8).reshape(16, 16)  # each tone once
DEEP_RAMP = RAMP.astype(np.uint16) * 16 + 100  # 12 bits: convert("RGB") would turn most of it white
PATIENT = "Roe^Jane"


def pixels_of(source, **limits):
    image = read_image(source, **limits)
    assert image.mode == "RGB"
    return np.asarray(image)


def tones_of(source):
    pixels = pixels_of(source)
    assert (pixels == pixels[..., :1]).all()
    return pixels[..., 0]


def refusal(source, *words, **limits):
    """The sentence of the ImageError, which must contain all the words."""
    with pytest.raises(ImageError) as caught:
        read_image(source, **limits)
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence and PATIENT not in sentence
    assert not hasattr(source, "parent") or (source.name in sentence and str(source.parent) not in sentence)
    for word in words:
        assert word in sentence
    return sentence


def encoded(image, kind, **options):
    buffer = BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, kind, **options)
    return buffer.getvalue()


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def png(array, colour_type, *chunks, size=None):
    """A 16-bit PNG of an array (H, W, C); Pillow writes only grey ones."""
    height, width = size or array.shape[:2]

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)), *chunks]
    parts += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def tiff(array, photometric, planes=1, pages=1, compression=1, later=(), extra=()):
    """A TIFF of an array (H, W, C) of any number type and byte order. later: tags of the pages after the first."""
    order = ">" if array.dtype.byteorder == ">" else "<"
    height, width, samples = array.shape
    form = {"u": 1, "i": 2, "f": 3}[array.dtype.kind]
    data = (array.transpose(2, 0, 1) if planes == 2 else array).tobytes()
    data = zlib.compress(data) if compression == 8 else data
    bits = struct.pack(f"{order}{samples}H", *[array.dtype.itemsize * 8] * samples)
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8 + len(bits) + len(data))
    out = bytearray(start + bits + data)
    few = int.from_bytes(bits.ljust(4, b"\0"), "little" if order == "<" else "big")  # up to 4 bytes fit into the tag
    tags = [(256, width), (257, height), (258, 8 if samples > 2 else few), (259, compression), (262, photometric)]
    tags += [(273, 8 + len(bits)), (277, samples), (278, height), (279, len(data)), (284, planes), (339, form)]
    for page in range(pages):
        chosen = sorted([*tags, *(later if page else extra)])
        out += struct.pack(f"{order}H", len(chosen))
        for tag, value in chosen:
            out += struct.pack(f"{order}HHII", tag, 3 if tag == 258 else 4, samples if tag == 258 else 1, value)
        out += struct.pack(f"{order}I", len(out) + 4 if page < pages - 1 else 0)
    return out


def dicom(path, stored, syntax=uid.ExplicitVRLittleEndian, data=None, **attributes):
    """Writes stored values (H, W) or (H, W, 3) as a DICOM file; attributes override the header, None leaves one out."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
    dataset.PatientName = dataset.PatientID = PATIENT
    dataset.Rows, dataset.Columns = stored.shape[:2]
    dataset.SamplesPerPixel = 3 if stored.ndim == 3 else 1
    dataset.PhotometricInterpretation = "RGB" if stored.ndim == 3 else "MONOCHROME2"
    if stored.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = stored.itemsize * 8
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    dataset.HighBit = (attributes.get("BitsStored") or dataset.BitsStored) - 1
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value) if value is not None else delattr(dataset, keyword)
    order = ">" if syntax == uid.ExplicitVRBigEndian else "<"
    dataset.PixelData = data or stored.astype(stored.dtype.newbyteorder(order)).tobytes()
    dataset["PixelData"].VR = "OB" if stored.itemsize == 1 else "OW"
    dataset.save_as(path, enforce_file_format=True)
    return path


def lut(table, first, bits):
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [len(table), first, bits], np.asarray(table, "<u2").tobytes()
    return [item]


def patch(path, old, new):
    """Replaces bytes in a file by as many others: values that pydicom refuses to write."""
    assert len(old) == len(new) and path.read_bytes().count(old) == 1
    path.write_bytes(path.read_bytes().replace(old, new))
    return path


D50 = (0.9642, 1.0, 0.8249)
SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
DISPLAY_P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))


def icc_profile(colorants):
    """A display profile of version 2: the colorants of red, green and blue in XYZ (D50), and the curve of sRGB."""

    def xyz(values):
        return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    levels = np.arange(1024) / 1023
    curve = np.rint(to_linear(levels) * 65535).astype(">u2").tobytes()
    tags = {b"desc": b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(78), b"wtpt": xyz(D50)}
    tags |= {b"cprt": b"text\0\0\0\0none\0"}
    tags |= {name + b"XYZ": xyz(values) for name, values in zip((b"r", b"g", b"b"), colorants, strict=True)}
    tags |= {name + b"TRC": b"curv\0\0\0\0" + struct.pack(">I", 1024) + curve for name in (b"r", b"g", b"b")}
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = bytes(8) + b"\x02\x40\0\0mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(28) + xyz(D50)[8:] + bytes(48)
    profile = head + table + body
    return struct.pack(">I", len(profile)) + profile[4:]


def to_linear(levels):
    """Levels from 0 to 1 of sRGB as amounts of light (IEC 61966-2-1)."""
    return np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)


def from_linear(light):
    """The way back."""
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light.clip(0.0031308) ** (1 / 2.4) - 0.055)

"""Small files that take gigabytes or minutes to decode, for the attacks and for the tests of the decoder."""

import struct
import zlib
from functools import cache
from io import BytesIO

from PIL import Image


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of 8 x 8 pixels with further chunks before its own pixels."""
    own = [(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)), *chunks, (b"IDAT", zlib.compress(bytes(72)))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in [*own, (b"IEND", b"")])


@cache
def packed() -> bytes:
    """A quarter of a gigabyte of zeros."""
    return zlib.compress(bytes(2**28), 9)


def scans(count: int) -> bytes:
    """A progressive JPEG of 9 flat megapixels, whose last scan, of some bytes, is there `count` times."""
    buffer = BytesIO()
    Image.new("L", (3000, 3000), 90).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * count + data[-2:]


def tiff_tags(count: int, size: int) -> bytes:
    """A TIFF of 8 x 8 pixels with `count` unknown tags that all point to the same `size` bytes."""
    tags = [(256, 3, 1, 8), (257, 3, 1, 8), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (277, 3, 1, 1)]
    start = 8 + 2 + 12 * (len(tags) + 2 + count) + 4
    tags += [(273, 4, 1, start), (279, 4, 1, 64), *((40_000 + n, 7, size, start + 64) for n in range(count))]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + bytes(64) + bytes(size)


def elements(count: int) -> bytes:
    """A DICOM file of 16 x 16 pixels with `count` empty private elements before its pixels."""
    numbers = ((0x0028, 0x0002, 1), (0x0028, 0x0010, 16), (0x0028, 0x0011, 16), (0x0028, 0x0100, 16))
    numbers += ((0x0028, 0x0101, 16), (0x0028, 0x0102, 15), (0x0028, 0x0103, 0))
    syntax = b"1.2.840.10008.1.2.1\0"
    meta = struct.pack("<HH2sH", 2, 0x10, b"UI", len(syntax)) + syntax
    grey = struct.pack("<HH2sH", 0x28, 4, b"CS", 12) + b"MONOCHROME2 "
    header = b"".join(struct.pack("<HH2sHH", group, element, b"US", 2, value) for group, element, value in numbers)
    many = b"".join(struct.pack("<HH2sH", 0x0029, n % 0xFFFF, b"LO", 0) for n in range(count))
    pixels = struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OW", 0, 512) + bytes(range(256)) * 2
    return bytes(128) + b"DICM" + meta + header + grey + many + pixels


def exif_bomb() -> bytes:
    """A JPEG whose EXIF directory points with every tag to all of its own bytes."""
    body = bytes(60_000)
    count = 400
    entries = b"".join(struct.pack("<HHII", 0x8000 + n, 7, len(body), 8 + 2 + 12 * count + 4) for n in range(count))
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, count) + entries + bytes(4) + body[: 65_000 - 12 * count - 30]
    buffer = BytesIO()
    Image.new("RGB", (16, 16)).save(buffer, "JPEG", exif=exif[:65_500])
    return buffer.getvalue()

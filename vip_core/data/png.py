"""What Pillow does not do with PNG files: skip large or damaged text, and read all bits of 16-bit grey with alpha."""

import struct
import zlib
from collections.abc import Iterator

MAX_UNPACKED = 2**20  # bytes of a text or a colour profile; Pillow refuses a file with more


def skip_unusable_chunks(data: bytes) -> bytes:
    """The file without text that is damaged or unpacks to over MAX_UNPACKED, and without such a colour profile.

    Pixels, and a profile of ordinary size, keep their checksums. Text has no bearing on the picture.
    """
    kept, dropped = [data[:8]], False
    for kind, start, end in _chunks(data):
        body = data[start + 8 : end - 4]
        damaged = zlib.crc32(data[start + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big")
        if (kind in (b"tEXt", b"zTXt", b"iTXt") and (damaged or _is_large(kind, body))) or (
            kind == b"iCCP" and _is_large(kind, body)
        ):
            dropped = True
        else:
            kept.append(data[start:end])
    return b"".join(kept) if dropped else data


def is_deep_grey_alpha(data: bytes) -> bool:
    """Whether the file is 16-bit grey with alpha, of which Pillow keeps the high bytes only."""
    return data[12:16] == b"IHDR" and data[24:26] == b"\x10\x04"


def as_four_bytes(data: bytes) -> bytes:
    """16-bit grey with alpha as a file of 8-bit RGBA: grey's high and low byte, then alpha's.

    Both forms have four bytes per pixel, and PNG filters and interlaces by bytes and pixels, so the rest is unchanged.
    """
    header = data[12:24] + b"\x08\x06" + data[26:29]
    return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(kind, start, end) of each chunk; the last may be cut short."""
    start = 8
    while start < len(data):
        end = start + 12 + int.from_bytes(data[start : start + 4], "big")
        yield data[start + 4 : start + 8], start, end
        start = end


def _is_large(kind: bytes, body: bytes) -> bool:
    if len(body) > MAX_UNPACKED:
        return True
    _, _, rest = body.partition(b"\0")  # the keyword
    if kind == b"iTXt":
        if rest[:1] != b"\1":
            return False
        rest = rest[1:].partition(b"\0")[2].partition(b"\0")[2]  # after language and translated keyword
        rest = b"\0" + rest
    if kind == b"tEXt":
        return False
    try:
        return len(zlib.decompressobj().decompress(rest[1:], MAX_UNPACKED + 1)) > MAX_UNPACKED
    except zlib.error:
        return kind != b"iCCP"  # text is dropped; Pillow itself ignores a damaged profile

"""The directories of a TIFF file, without its pixels: which pages are pictures, and what Pillow would misread."""

import struct
from collections.abc import Iterator

from vip_core.errors import ImageError

MAX_PAGES_COUNTED = 1000
SUBFILE, WIDTH, HEIGHT, BITS, SUB_DIRECTORIES, FORMAT = 254, 256, 257, 258, 330, 339
REDUCED, MASK = 1, 4  # bits of NewSubfileType
_CODES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}  # the integer types of TIFF 6.0 and BigTIFF


def check_pages(data: bytes, name: str) -> None:
    """Check that the first directory is the only picture. Thumbnails and masks on later pages do not count.

    Raises:
        ImageError: several pages, a preview with the picture elsewhere (raw photographs), or 64-bit floats.
        struct.error, ValueError: a directory lies outside the file.
    """
    pages = 0
    for number, tags in enumerate(_directories(data)):
        kind = tags.get(SUBFILE, [0])[0]
        if number == 0:
            larger = any(_pixels(sub) > _pixels(tags) for sub in _sub_directories(data, tags))
            if kind & REDUCED or larger:
                raise ImageError(
                    f"{name} holds a preview where its picture is expected, as raw photographs do; "
                    "export the picture as JPEG or PNG."
                )
            if tags.get(BITS, [1])[0] == 64 and tags.get(FORMAT, [1])[0] == 3:
                raise ImageError(f"{name} is a TIFF of 64-bit floats; export it with 32-bit floats or 16-bit integers.")
        pages += number == 0 or not kind & (REDUCED | MASK)
        if pages == MAX_PAGES_COUNTED:
            break
    if pages > 1:
        count = f"{pages} or more" if pages == MAX_PAGES_COUNTED else pages
        raise ImageError(f"{name} holds {count} pages or frames; save the one to read as a file of its own.")


def _pixels(tags: dict[int, list[int]]) -> int:
    return tags.get(WIDTH, [0])[0] * tags.get(HEIGHT, [0])[0]


def _form(data: bytes) -> tuple[str, bool]:
    """Byte order for `struct`, and whether the file is a BigTIFF."""
    order = "<" if data.startswith(b"II") else ">"
    return order, struct.unpack_from(f"{order}H", data, 2)[0] == 43


def _directories(data: bytes) -> Iterator[dict[int, list[int]]]:
    """The tags of each directory in turn: those above, with their values."""
    order, big = _form(data)
    offset = struct.unpack_from(f"{order}Q", data, 8)[0] if big else struct.unpack_from(f"{order}I", data, 4)[0]
    seen: set[int] = set()
    while offset and offset not in seen:
        seen.add(offset)
        tags, offset = _directory(data, offset, order, big)
        yield tags


def _sub_directories(data: bytes, tags: dict[int, list[int]]) -> list[dict[int, list[int]]]:
    order, big = _form(data)
    return [_directory(data, offset, order, big)[0] for offset in tags.get(SUB_DIRECTORIES, [])[:100]]


def _directory(data: bytes, offset: int, order: str, big: bool) -> tuple[dict[int, list[int]], int]:
    """The tags of the directory at an offset, and the offset of the next one, 0 after the last."""
    entries = struct.unpack_from(f"{order}{'Q' if big else 'H'}", data, offset)[0]
    start, size, room = offset + (8 if big else 2), 20 if big else 12, 8 if big else 4
    (following,) = struct.unpack_from(f"{order}{'Q' if big else 'I'}", data, start + entries * size)
    tags: dict[int, list[int]] = {}
    for position in range(start, start + entries * size, size):
        tag, kind, count = struct.unpack_from(f"{order}HH{'Q' if big else 'I'}", data, position)
        if tag not in (SUBFILE, WIDTH, HEIGHT, BITS, SUB_DIRECTORIES, FORMAT) or kind not in _CODES:
            continue
        place, count = position + size - room, min(count, 100)
        if count * struct.calcsize(_CODES[kind]) > room:
            (place,) = struct.unpack_from(f"{order}{'Q' if big else 'I'}", data, place)
        tags[tag] = list(struct.unpack_from(f"{order}{count}{_CODES[kind]}", data, place)) or [0]
    return tags, following

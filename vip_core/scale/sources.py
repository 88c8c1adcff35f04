"""The images of an archive: those of folders, globs, tables of paths and cloud paths, as one Arrow table."""

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import pyarrow as pa

from vip_core.data.folders import describe_left_out, search_folder
from vip_core.errors import UsageError
from vip_core.scale.arrow import pc
from vip_core.scale.storage import Storage
from vip_core.scale.tables import is_table, paths_of_table
from vip_core.utils.console import console

# size and modified are null where the file cannot be seen; such an image is tried again by every run.
LISTING = pa.schema(
    [("path", pa.string()), ("size", pa.int64()), ("modified", pa.timestamp("ns", "UTC"))],
)
CHUNK = 2**14  # rows that are Python objects at a time

Found = tuple[str, int | None, int | None]  # path, bytes, nanoseconds since 1970


def list_images(sources: Sequence[str], storage: Storage, column: str | None = None) -> pa.Table:
    """All images of the sources, once each, sorted by path: a table of LISTING.

    Args:
        sources: images, folders, globs, CSV or Parquet files with a column of paths, and addresses such as s3://….
        storage: opens the addresses among them.
        column: the column of the paths; None: "path" or "image".

    Raises:
        UsageError: a source has no images.
        DataError: a table cannot be read.
    """
    schema = pa.unify_schemas([LISTING, pa.schema([("given", pa.int32())])])
    batches = []
    for number, source in enumerate(sources):
        before = len(batches)
        for chunk in _chunks(_find(source, storage, column)):
            paths, sizes, modified = zip(*chunk, strict=True)
            texts = [path.encode("utf-8", "backslashreplace").decode() for path in paths]
            arrays = (texts, sizes, pa.array(modified, pa.int64()).cast(schema.field("modified").type))
            batches.append(pa.record_batch([*arrays, [number] * len(paths)], schema=schema))
        if len(batches) == before:
            raise UsageError(f"{source} contains no images (PNG, JPEG, WebP, TIFF, BMP, HEIC or DICOM).")
    table = pa.Table.from_batches(batches, schema).sort_by("path").select(LISTING.names).combine_chunks()
    path = table.column("path")
    repeated = pc.equal(path[1:], path[:-1])
    return table.filter(pa.chunked_array([pa.array([True]), *pc.invert(repeated).chunks]))


def _find(source: str, storage: Storage, column: str | None) -> Iterator[Found]:
    if storage.is_address(source):
        yield from _find_at_address(source, storage, column)
        return
    # Not Path's own tests, which raise for a name that is too long or a folder without permission.
    if os.path.isdir(source):  # noqa: PTH112
        contents = search_folder(source)
        if contents.left_out:
            console.print(describe_left_out(contents.left_out), markup=False, soft_wrap=True)
        yield from map(_local, map(str, contents.images))
    elif not os.path.exists(source) and glob.has_magic(source):  # noqa: PTH110
        names = glob.iglob(source, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
        yield from map(_local, filter(os.path.isfile, names))
    elif is_table(source):
        folder = Path(source).parent
        for path in paths_of_table(source, storage, column):
            if storage.is_address(path):
                yield _stored(path, storage)
            else:
                yield _local(str(folder / path))
    else:
        yield _local(source)  # a missing file becomes a row with its sentence


def _find_at_address(source: str, storage: Storage, column: str | None) -> Iterator[Found]:
    if glob.has_magic(source.split("?", 1)[0] if "=" in source else source):
        folder, pattern = _split_pattern(source)
        yield from storage.walk(folder, lambda path: fnmatchcase(path, pattern))
    elif is_table(source):
        folder = storage.add(source).rsplit("/", 1)[0]
        for path in paths_of_table(source, storage, column):
            full = path if storage.is_address(path) else f"{folder}/{path.removeprefix('./')}"
            yield _stored(full, storage)
    else:
        yield from storage.walk(source, _is_image_name)


def _split_pattern(source: str) -> tuple[str, str]:
    """An address of the folder before the first wildcard, and the pattern of the whole address without options."""
    address, _, options = source.partition("?") if "=" in source else (source, "", "")
    first = min(address.index(mark) for mark in "*?[" if mark in address)
    folder = address[:first].rsplit("/", 1)[0]
    return (f"{folder}?{options}" if options else folder), address


def _is_image_name(path: str) -> bool:
    from vip_core.data.folders import IMAGE_SUFFIXES

    name = path.rsplit("/", 1)[-1]
    return not name.startswith(".") and name.lower().endswith(IMAGE_SUFFIXES)


def _local(path: str) -> Found:
    try:
        status = os.stat(path)  # noqa: PTH116 - once per image of an archive
    except OSError:
        return path, None, None
    return path, status.st_size, status.st_mtime_ns


def _stored(path: str, storage: Storage) -> Found:
    return next(storage.walk(path, lambda name: True), (path, None, None))


def _chunks(found: Iterable[Found]) -> Iterator[list[Found]]:
    chunk: list[Found] = []
    for each in found:
        chunk.append(each)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk

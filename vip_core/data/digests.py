"""Digests: of a file's content, which identifies an image whatever its name, and of the images of splits."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

from vip_core.data.dataset import Row
from vip_core.errors import DataError


def file_digests(paths: Sequence[Path]) -> list[str]:
    """SHA-256 of each file, in hex. A file is read once per process while it stays as it is. Raises DataError."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(_file_digest, paths))


def split_digest(*splits: Sequence[Row]) -> str:
    """A digest of the images of splits, wherever they are: name, size and label of each file. Raises DataError."""
    try:
        marks = [[(row.path.name, row.path.stat().st_size, row.label) for row in rows] for rows in splits]
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read ({error.strerror}).") from error
    return hashlib.sha256(repr(marks).encode()).hexdigest()


def _file_digest(path: Path) -> str:
    try:
        status = path.stat()
        return _digest(str(path.absolute()), status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error


@lru_cache(maxsize=2**18)
def _digest(path: str, modified: int, size: int) -> str:
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while piece := file.read(2**20):
            digest.update(piece)
    return digest.hexdigest()

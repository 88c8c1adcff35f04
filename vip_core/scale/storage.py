"""Files at addresses such as s3://bucket/folder, through pyarrow's filesystems, beside files of this machine."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import fs

from vip_core.data.images import read_bytes
from vip_core.data.pixels import MAX_BYTES, check_bytes
from vip_core.errors import DataError, ImageError

ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


class Storage:
    """Opens files by path or address. It can be pickled, with the credentials that it was given.

    An address may have options for its filesystem, s3://bucket/folder?region=eu-west-1; paths in results have neither
    options nor credentials.
    """

    def __init__(self):
        self._filesystems: dict[str, Any] = {}  # by the part of an address before the filesystem's own path

    @staticmethod
    def is_address(text: str) -> bool:
        """Whether this is an address instead of a path of this machine."""
        return ADDRESS.match(text) is not None

    def add(self, address: str) -> str:
        """Connect to the filesystem of an address; returns the address without options and credentials.

        Raises DataError.
        """
        plain = re.sub(r"://[^/@]*@", "://", _without_options(address)).rstrip("/")
        if self._find(plain) is not None and address.rstrip("/") == plain:
            return plain
        try:
            filesystem, inner = fs.FileSystem.from_uri(address)
        except (pa.ArrowException, OSError, ValueError, ImportError) as error:
            raise DataError(f"{plain} cannot be opened ({_reason(error)}); check the address.") from error
        self._filesystems[plain.removesuffix(inner.rstrip("/"))] = filesystem
        return plain

    def walk(self, address: str, keep: Callable[[str], bool]) -> Iterator[tuple[str, int | None, int | None]]:
        """(address, bytes, nanoseconds since 1970) of a file, or of the files below a folder whose address `keep`s.

        Raises DataError.
        """
        plain = self.add(address)
        prefix, filesystem = self._filesystem(plain)
        try:
            (info,) = filesystem.get_file_info([plain[len(prefix) :]])
            if info.type == fs.FileType.NotFound:
                return
            found = [info] if info.type == fs.FileType.File else _below(filesystem, info.path)
            for each in found:
                if each.type == fs.FileType.File and keep(prefix + each.path):
                    yield prefix + each.path, each.size, each.mtime_ns
        except OSError as error:
            raise DataError(f"{plain} cannot be listed ({_reason(error)}); check address and access.") from error

    def open(self, path: str) -> Any:  # noqa: ANN401 - pyarrow's NativeFile
        """A file to read from. Raises OSError."""
        if not self.is_address(path):
            return pa.OSFile(path)
        plain = self.add(path)
        prefix, filesystem = self._filesystem(plain)
        return filesystem.open_input_file(plain[len(prefix) :])

    def read(self, path: str, max_bytes: int = MAX_BYTES) -> bytes:
        """The content of an image file. Raises ImageError."""
        name = path.rsplit("/", 1)[-1]
        if not self.is_address(path):
            return read_bytes(Path(path), name, max_bytes)
        try:
            with self.open(path) as file:
                check_bytes(file.size(), name, max_bytes)
                return file.read()
        except (DataError, OSError) as error:
            raise ImageError(f"{name} cannot be opened ({_reason(error)}); check the address and access.") from error

    def _filesystem(self, plain: str) -> tuple[str, Any]:
        prefix = self._find(plain)
        assert prefix is not None
        return prefix, self._filesystems[prefix]

    def _find(self, plain: str) -> str | None:
        return max((prefix for prefix in self._filesystems if plain.startswith(prefix)), key=len, default=None)


def _below(filesystem: Any, folder: str) -> Any:  # noqa: ANN401
    return filesystem.get_file_info(fs.FileSelector(folder, recursive=True))


def _without_options(address: str) -> str:
    return address.split("?", 1)[0] if "=" in address else address


def _reason(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(".")

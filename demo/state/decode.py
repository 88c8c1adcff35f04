"""Decoding of visitors' images in processes that may be killed: some small files take gigabytes or hours.

Two small workers read ordinary images. What they cannot read within their memory goes to the one large worker, so that
one large image is decoded at a time and ordinary ones do not wait for it.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from vip_core.data.viewing import DicomFacts
from vip_core.errors import ImageError

from .decode_process import DecodeProcess, OutOfTime
from .memory import decode_memory

SMALL_WORKERS, SMALL_MEMORY = 2, 420  # MB of addresses, 180 of them the interpreter's: 16 megapixels in 8 bits


class Workers:
    """Processes of equal memory; a job that arrives while all are busy waits."""

    def __init__(self, count: int, megabytes: int):
        self._all = [DecodeProcess(megabytes) for _ in range(count)]
        self._free = list(self._all)
        self._changed = threading.Condition()

    @contextmanager
    def one(self) -> Iterator[DecodeProcess]:
        """A free worker, reserved for the block."""
        with self._changed:
            while not self._free:
                self._changed.wait()
            worker = self._free.pop()
        try:
            yield worker
        finally:
            with self._changed:
                self._free.append(worker)
                self._changed.notify()

    def close(self) -> None:
        """End the processes."""
        for worker in self._all:
            worker.close()


class Decoder:
    """Reads images as `vip_core.data.images` does, within limits of memory and time."""

    def __init__(self, small: int = SMALL_MEMORY, large: int | None = None):
        self._small, self._large = Workers(SMALL_WORKERS, small), Workers(1, large or decode_memory())

    def read_file(self, path: Path) -> Image.Image:
        """As `vip_core.data.images.read_image`. Raises ImageError."""
        return self._decode({"path": str(path), "name": path.name}, b"")[0]

    def read_upload(self, path: Path) -> tuple[Image.Image, DicomFacts | None, dict[str, Any] | None]:
        """The image, what its DICOM header says of it, and its grey values for the viewer. Raises ImageError."""
        image, answer = self._decode({"path": str(path), "name": path.name, "facts": True}, b"")
        facts = answer.get("facts")
        return image, None if facts is None else DicomFacts(**facts), answer.get("raw")

    def read_bytes(self, data: bytes, name: str) -> Image.Image:
        """As `vip_core.data.images.decode_image`. Raises ImageError."""
        return self._decode({"name": name}, data)[0]

    def close(self) -> None:
        """End the workers."""
        self._small.close()
        self._large.close()

    def _decode(self, job: dict[str, object], data: bytes) -> tuple[Image.Image, dict[str, Any]]:
        try:
            with self._small.one() as worker:
                return worker.decode(job, data)
        except OutOfTime:
            raise
        except ImageError:  # decoders that lack memory do not always say so: some call the file damaged
            with self._large.one() as worker:
                try:
                    return worker.decode(job, data)
                finally:
                    worker.close()  # it would keep its memory for the next one


DECODER = Decoder()

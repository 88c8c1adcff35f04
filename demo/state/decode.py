"""Decoding of visitors' images in a process that may be killed: some small files take gigabytes or hours."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from PIL import Image

from vip_core.data.viewing import DicomFacts
from vip_core.errors import ImageError

WORKERS = 2  # images decoded at once
MEMORY = int(os.environ.get("VIP_DECODE_MEMORY", "1200"))  # MB of addresses per worker; 64 megapixels in 8 bits fit
CPU_SECONDS = 20  # per image; ordinary ones take under 2
WALL_SECONDS = 60.0
TOO_MUCH = "{name} needs too much memory or time to decode. Export it smaller, as an ordinary PNG or JPEG."


class DecodeWorker:
    """One worker process, started when it is first needed and again after it had to be killed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def decode(self, job: dict[str, object], data: bytes) -> tuple[Image.Image, dict[str, Any]]:
        """Have an image decoded: itself, and the rest of the answer. Raises ImageError."""
        with self._lock:
            process = self._running()
            assert process.stdin is not None and process.stdout is not None
            timer = threading.Timer(WALL_SECONDS, process.kill)
            timer.daemon = True
            timer.start()
            try:
                process.stdin.write(json.dumps({**job, "bytes": len(data)}).encode() + b"\n" + data)
                process.stdin.flush()
                answer = json.loads(process.stdout.readline())
                pixels = process.stdout.read(answer.get("bytes", 0))
                if len(pixels) != answer.get("bytes", 0):
                    raise EOFError
            except (OSError, ValueError, EOFError):  # it was killed, for time or memory
                process.kill()
                process.wait()
                self._process = None
                raise ImageError(TOO_MUCH.format(name=job["name"])) from None
            finally:
                timer.cancel()
        if "error" in answer:
            raise ImageError(answer["error"])
        return Image.frombytes("RGB", tuple(answer["size"]), pixels), answer

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"{__package__}.decode_worker", str(MEMORY), str(CPU_SECONDS)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # decoders print what a file holds
                env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PATH": os.environ.get("PATH", "")},
                start_new_session=True,  # Ctrl-C is for the server
            )
        return self._process

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class Decoder:
    """A few workers; whoever comes while all are busy waits."""

    def __init__(self, workers: int = WORKERS):
        self._free = [DecodeWorker() for _ in range(workers)]
        self._all = list(self._free)
        self._changed = threading.Condition()

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
        for worker in self._all:
            worker.close()

    def _decode(self, job: dict[str, object], data: bytes) -> tuple[Image.Image, dict[str, Any]]:
        with self._changed:
            while not self._free:
                self._changed.wait()
            worker = self._free.pop()
        try:
            return worker.decode(job, data)
        finally:
            with self._changed:
                self._free.append(worker)
                self._changed.notify()


DECODER = Decoder()

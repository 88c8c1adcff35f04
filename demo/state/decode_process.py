"""One process that decodes images: started when it is first needed, and again after it had to be killed."""

import json
import os
import signal
import subprocess
import sys
import threading
from typing import Any

from PIL import Image

from vip_core.errors import ImageError

CPU_SECONDS = 20  # per image; ordinary ones take under 2
WALL_SECONDS = 60.0


class OutOfTime(ImageError):
    """An image that took too long."""


class DecodeProcess:
    """Decodes one image at a time within `megabytes` of addresses, CPU_SECONDS and WALL_SECONDS."""

    def __init__(self, megabytes: int) -> None:
        self.megabytes = megabytes
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def decode(self, job: dict[str, object], data: bytes) -> tuple[Image.Image, dict[str, Any]]:
        """Decode an image; returns it and the rest of the answer. Raises ImageError."""
        with self._lock:
            process = self._running()
            timer = threading.Timer(WALL_SECONDS, process.kill)
            timer.daemon = True
            timer.start()
            try:
                return self._ask(process, job, data)
            except (OSError, ValueError, EOFError):  # it was killed, or got no memory to answer
                out_of_time = not timer.is_alive() or process.poll() == -signal.SIGXCPU
                process.kill()
                process.wait()
                self._process = None
                if out_of_time or process.returncode == -signal.SIGXCPU:
                    raise OutOfTime(
                        f"{job['name']} takes over {CPU_SECONDS} s to decode, which ordinary images do not. "
                        "Export it again, as an ordinary PNG or JPEG."
                    ) from None
                raise self._too_large(job) from None
            finally:
                timer.cancel()

    def _ask(
        self, process: "subprocess.Popen[bytes]", job: dict[str, object], data: bytes
    ) -> tuple[Image.Image, dict[str, Any]]:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps({**job, "bytes": len(data)}).encode() + b"\n" + data)
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        if "error" in answer:
            if answer["out_of_memory"]:  # not all of it may come back: the next image gets a process of its own
                self.close()
            raise ImageError(answer["error"])
        width, height = answer["size"]
        image = Image.new("RGB", (width, height))
        for top in range(0, height, answer["rows"]):  # in strips: the whole would be in memory twice
            rows = min(answer["rows"], height - top)
            strip = process.stdout.read(3 * width * rows)
            image.paste(Image.frombytes("RGB", (width, rows), strip), (0, top))
        image.info = {"remarks": answer["remarks"]}
        return image, answer

    def _too_large(self, job: dict[str, object]) -> ImageError:
        return ImageError(
            f"{job['name']} takes more memory to decode than the {self.megabytes:,} MB that this server allows. "
            "Export it smaller, in 8 bits."
        )

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"{__package__}.decode_worker", str(self.megabytes), str(CPU_SECONDS)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # decoders print what a file holds
                env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PATH": os.environ.get("PATH", "")},
                start_new_session=True,  # Ctrl-C is for the server
            )
        return self._process

    def close(self) -> None:
        """End the process. A further image starts another."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

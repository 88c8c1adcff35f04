"""Which sizes of image a server decodes within its memory: python benchmarks/decoding.py [MEGABYTES ...]

For each limit of a worker's memory (VIP_DECODE_MEMORY) and each kind of file, the largest of some sizes that is read.
"""

import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from demo.state.decode_process import DecodeProcess
from vip_core.errors import ImageError

MEGAPIXELS = (4, 9, 16, 25, 36, 49, 64)
KINDS: dict[str, Callable[[np.ndarray], tuple[Image.Image, str]]] = {
    "8 bits, grey JPEG": lambda values: (Image.fromarray(values.astype(np.uint8)), "JPEG"),
    "8 bits, colour PNG": lambda values: (Image.fromarray(values.astype(np.uint8)).convert("RGB"), "PNG"),
    "16 bits, grey PNG": lambda values: (Image.fromarray(values), "PNG"),
}


def main() -> None:
    """Print a table in Markdown."""
    limits = [int(each) for each in sys.argv[1:]] or [420, 648, 1200]
    print("| megapixels read, with a limit of | " + " | ".join(f"{limit:,} MB" for limit in limits) + " |")
    print("|---" * (len(limits) + 1) + "|")
    for name, make in KINDS.items():
        files = [encoded(*make(ramp(size))) for size in MEGAPIXELS]
        print(f"| {name} | " + " | ".join(str(largest(files, limit)) for limit in limits) + " |", flush=True)


def ramp(megapixels: int) -> np.ndarray:
    """A square of grey values, uint16."""
    side = int((megapixels * 1e6) ** 0.5)
    return (np.add.outer(np.arange(side), np.arange(side)) // 9).astype(np.uint16)


def encoded(image: Image.Image, kind: str) -> bytes:
    """A file as bytes."""
    buffer = BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def largest(files: list[bytes], limit: int) -> int:
    """Megapixels of the largest file that a worker with so much memory reads, 0 for none."""
    found = 0
    for megapixels, data in zip(MEGAPIXELS, files, strict=True):
        worker = DecodeProcess(limit)
        try:
            worker.decode({"name": "x"}, data)
            found = megapixels
        except ImageError as error:
            print(f"    {limit} MB, {megapixels} megapixels: {error}", file=sys.stderr)
            break
        finally:
            worker.close()
    return found


if __name__ == "__main__":
    main()

"""The process that decodes visitors' images within limits: `python -m demo.state.decode_worker MEGABYTES SECONDS`.

It reads jobs from standard input, a line of JSON each, followed by the bytes of the image where the job names no path;
it answers with a line of JSON, followed by the pixels of the image as RGB, in strips of some rows.
"""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from vip_core.data.images import decode_image, read_image
from vip_core.data.viewing import dicom_facts, grey_values
from vip_core.errors import ImageError, ImageMemoryError

try:
    import resource
except ImportError:  # Windows has no such limits; the server's limit of time still holds
    resource = None

STRIP = 2**20  # bytes of pixels that are written at once


def main() -> None:
    """Answer jobs until standard input ends."""
    megabytes, seconds = int(sys.argv[1]), int(sys.argv[2])
    jobs, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # nothing that a decoder prints gets among the answers
    if resource is not None:
        os.nice(5)  # an edit goes first
        resource.setrlimit(resource.RLIMIT_AS, (megabytes * 2**20, megabytes * 2**20))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while line := jobs.readline():
        if resource is not None:
            used = resource.getrusage(resource.RUSAGE_SELF)
            resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + seconds + 1, -1))
        answer(json.loads(line), jobs, answers)


def answer(job: dict[str, object], jobs: BinaryIO, answers: BinaryIO) -> None:
    """Decode one image."""
    name = str(job["name"])
    data = jobs.read(int(str(job["bytes"])))
    image: Image.Image | None = None
    try:
        image = read_image(Path(str(job["path"]))) if "path" in job else decode_image(data, name)
        rows = max(1, STRIP // (3 * image.width))
        head: dict[str, object] = {"size": image.size, "rows": rows, "remarks": image.info["remarks"]}
        if job.get("facts"):
            facts, values = dicom_facts(Path(str(job["path"]))), grey_values(Path(str(job["path"])))
            head |= {"facts": facts and asdict(facts), "raw": values and values.to_dict()}
    except ImageError as error:
        image, head = None, {"error": str(error), "out_of_memory": isinstance(error, ImageMemoryError)}
    except MemoryError:
        sentence = f"{name} takes more memory to decode than this server allows. Export it smaller."
        image, head = None, {"error": sentence, "out_of_memory": True}
    answers.write(json.dumps(head).encode() + b"\n")
    if image is not None:
        for top in range(0, image.height, rows):
            answers.write(image.crop((0, top, image.width, min(top + rows, image.height))).tobytes())
    answers.flush()


if __name__ == "__main__":
    main()

"""Uploads that an event waits for are kept, however long the queue: they are touched before the sweeper looks."""

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from gradio.queueing import Queue

EVERY = 10.0  # seconds; far less than what an upload may stay untouched


def touch_waiting(queue: Queue, uploads: Path) -> None:
    """Touch the uploads that waiting and running events name; nothing outside the folder."""
    uploads = uploads.resolve()
    for event in list(queue.event_ids_to_events.values()):
        for text in paths_in(event.data.data if event.data is not None else None):
            with suppress(OSError, ValueError):  # gone meanwhile, or no path at all
                path = Path(text).resolve()
                if path.is_relative_to(uploads) and path.is_file():
                    os.utime(path)


def paths_in(data: object) -> Iterator[str]:
    """Every text under a key "path" in JSON, to the depth that the page sends."""
    level: list[object] = [data]
    for _ in range(6):
        deeper: list[object] = []
        for each in level:
            if isinstance(each, dict):
                if isinstance(each.get("path"), str):
                    yield each["path"]
                deeper += each.values()
            elif isinstance(each, list):
                deeper += each
        level = deeper


def keep_waiting(queue: Queue, uploads: Path) -> None:
    """Touch them for as long as the process lives."""

    def work() -> None:
        while not threading.Event().wait(EVERY):
            touch_waiting(queue, uploads)

    threading.Thread(target=work, daemon=True, name="waiting").start()

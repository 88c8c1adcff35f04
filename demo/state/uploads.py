"""Uploads that Gradio forgets: those that broke off, and those of a server that was killed."""

import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

PREFIX = "vip-demo-"  # of a server's folder of uploads
LEFT_AFTER = 90  # seconds without a byte; Gradio itself deletes a whole upload sooner
EVERY = 15  # seconds


def keep_swept(parent: Path) -> None:
    """From now on, delete what was left in the upload folders below `parent`, this server's and earlier ones'."""

    def work() -> None:
        while True:
            sweep(parent.glob(f"{PREFIX}*"), LEFT_AFTER)
            time.sleep(EVERY)

    threading.Thread(target=work, daemon=True, name="sweeper").start()


def sweep(folders: Iterable[Path], seconds: float) -> None:
    """Delete the files in folders that have not changed for so many seconds."""
    limit = time.time() - seconds
    for folder in folders:
        with suppress(OSError):  # a folder within that went while it was looked through; the next time it is seen
            for path in folder.rglob("*"):
                with suppress(OSError):  # another's, or gone meanwhile
                    if path.is_file() and path.stat().st_mtime < limit:
                        path.unlink()

"""The folder of uploads: this server's own, locked while it runs, and swept of what Gradio forgets.

Only files below a folder with our lock file are ever deleted: a folder that merely has such a name may be anybody's.
"""

import os
import shutil
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import gettempdir, mkdtemp

try:
    import fcntl
except ImportError:  # Windows: nothing is taken for abandoned
    fcntl = None

PREFIX = "vip-demo-"  # of a server's folder of uploads
LOCK = ".vip-lock"  # in it; held by the server while it lives
MARK = b"uploads of a ViP server; deleted when it ends\n"
LEFT_AFTER = 60  # seconds without a byte, or an event that waits for it; Gradio deletes whole uploads alike
EVERY = 10  # seconds


@contextmanager
def upload_folder(parent: str | None = None) -> Iterator[Path]:
    """A new private folder, swept regularly and deleted at the end; those of dead servers are deleted at once."""
    root = Path(parent or gettempdir())
    root.mkdir(parents=True, exist_ok=True)
    delete_abandoned(root)
    folder = Path(mkdtemp(prefix=PREFIX, dir=root))  # mode 0700
    with (folder / LOCK).open("wb") as lock:
        if fcntl is not None:
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(MARK)
        lock.flush()
        stop = threading.Event()

        def work() -> None:
            while not stop.wait(EVERY):
                sweep(folder, LEFT_AFTER)

        threading.Thread(target=work, daemon=True, name="sweeper").start()
        try:
            yield folder
        finally:
            stop.set()
            shutil.rmtree(folder, ignore_errors=True)


def delete_abandoned(root: Path) -> None:
    """Delete the upload folders of servers of this user that were killed. Links, and folders without our lock, stay."""
    for folder in root.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if _is_ours(folder) and not _is_locked(folder):
                shutil.rmtree(folder, ignore_errors=True)  # it does not follow links


def _is_ours(folder: Path) -> bool:
    """Whether it is a real folder of this user, with a lock file of ours."""
    found, lock = folder.lstat(), (folder / LOCK).lstat()
    real = stat.S_ISDIR(found.st_mode) and stat.S_ISREG(lock.st_mode)
    return real and found.st_uid == lock.st_uid == os.getuid() and (folder / LOCK).read_bytes() == MARK


def _is_locked(folder: Path) -> bool:
    if fcntl is None:
        return True
    with (folder / LOCK).open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def sweep(folder: Path, seconds: float) -> None:
    """Delete the files in this server's folder that have not changed for so many seconds; links are not followed."""
    limit = time.time() - seconds
    for parent, _, names in os.walk(folder, followlinks=False):
        for name in names:
            path = Path(parent, name)
            with suppress(OSError):  # gone meanwhile
                if path != folder / LOCK and path.lstat().st_mtime < limit:
                    path.unlink()

"""One writer per folder: a lock that ends with its process, however that ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from vip_core.errors import StorageError

LOCK = ".lock"  # its file in the folder


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a folder, which is created if it is missing, for this process alone.

    Raises:
        StorageError: if another process holds it, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK)
        lock.acquire(timeout=0)
    except Timeout:
        raise StorageError(f"Another run is writing to {folder}; wait for it, or choose another --out.") from None
    except OSError as error:
        raise StorageError(f"{folder} cannot be written ({error.strerror}); choose another --out.") from error
    try:
        yield
    finally:
        lock.release()

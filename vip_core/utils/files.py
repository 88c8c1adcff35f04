"""Writing files so that a reader never sees half of one, and a full disk costs only the new version."""

import contextlib
import io
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from vip_core.errors import StorageError


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, which takes its place once the block has ended well.

    Raises:
        StorageError: if it cannot be written; the earlier content of `path` is then kept.
    """
    with _beside(path) as temporary:
        yield temporary
        _settle(temporary)
        temporary.replace(path)


def atomic_together(folder: Path, contents: dict[str, bytes]) -> None:
    """Write several files to a folder: all are on the disk before the first takes its place, and the last comes last.

    Only a kill between two renames can leave some new and some old.

    Raises StorageError.
    """
    with contextlib.ExitStack() as stack:
        written = []
        for name, content in contents.items():
            temporary = stack.enter_context(_beside(folder / name))
            temporary.write_bytes(content)
            _settle(temporary)
            written.append((temporary, folder / name))
        for temporary, path in written:
            temporary.replace(path)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A temporary path in the folder of `path`, gone afterwards. Raises StorageError for what goes wrong within."""
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.parent / f".{path.name[:200]}-{secrets.token_hex(8)}"
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))  # less what the umask takes away
        yield temporary
    except OSError as error:
        reason = error.strerror or str(error).strip().splitlines()[0]
        raise StorageError(
            f"{path} could not be written ({reason}); free some space or choose another folder, then run it again."
        ) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def _settle(temporary: Path) -> None:
    """Make sure that a file is on the disk, not only in the system's memory."""
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())


def json_bytes(value: Any) -> bytes:  # noqa: ANN401
    """JSON as UTF-8, readable: two spaces, text as it is."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def tensor_bytes(tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """Tensors as a safetensors file."""
    return save({key: value.detach().cpu().contiguous() for key, value in tensors.items()}, metadata)


def write_json(path: Path, value: Any) -> None:  # noqa: ANN401
    """Write JSON atomically. Raises StorageError."""
    atomic_together(path.parent, {path.name: json_bytes(value)})


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file atomically. Raises StorageError."""
    atomic_together(path.parent, {path.name: tensor_bytes(tensors, metadata)})


def write_torch(path: Path, value: Any) -> None:  # noqa: ANN401
    """Write a torch file atomically. Raises StorageError."""
    buffer = io.BytesIO()  # to a path, torch.save turns the system's error of a full disk into one of its own
    torch.save(value, buffer)
    atomic_together(path.parent, {path.name: buffer.getvalue()})

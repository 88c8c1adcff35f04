"""Image features on disk: shards of some hundred images each, found again by the digest of the image file."""

import hashlib
import os
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from vip_core.utils.files import write_tensors

SHARD_IMAGES = 512  # images per file: the most that an interrupted run loses
MAPPED = 2**30  # bytes from which the features of a run are a file that is mapped into memory
WHOLE = 0.25  # share of a shard's images from which it is read as a whole


@dataclass(frozen=True)
class FeatureCache:
    """The features (V, D) of images under one key. A shard that is damaged anywhere is deleted."""

    folder: Path

    def read(self, digests: Collection[str]) -> dict[str, Tensor]:
        """The features that are there, of these images. Other images' features are not read."""
        return dict(self.stream(digests))

    def stream(self, digests: Collection[str]) -> Iterator[tuple[str, Tensor]]:
        """The same, one image after the other, with one shard's features in memory at a time."""
        wanted = set(digests)
        for path in sorted(self.folder.glob("*.safetensors")):
            if not wanted:
                break
            try:
                status = path.stat()
                known = _digests(str(path), status.st_mtime_ns, status.st_size)
                rows = list(_read_rows(path, known, wanted)) if not wanted.isdisjoint(known) else []
            except (SafetensorError, ValueError):
                path.unlink(missing_ok=True)
                continue
            except OSError:  # not readable at the moment: no reason to delete it
                continue
            wanted -= {digest for digest, _ in rows}
            yield from rows

    def write(self, features: dict[str, Tensor]) -> None:
        """Add the features of images, by digest, as a new shard. Raises StorageError."""
        name = hashlib.sha256("".join(features).encode()).hexdigest()[:20]
        rows = torch.stack(list(features.values()))
        tensors = {
            "digests": torch.tensor([list(bytes.fromhex(digest)) for digest in features], dtype=torch.uint8),  # (n, 32)
            "checksums": torch.stack([_checksum(row) for row in rows]),
            "features": rows,
        }
        write_tensors(self.folder / f"{name}.safetensors", tensors)


@lru_cache(maxsize=2**12)
def _digests(path: str, modified: int, size: int) -> tuple[str, ...]:
    """The images of a shard, which each run asks for several times. Raises ValueError and SafetensorError."""
    with safe_open(path, "pt") as shard:
        if not {"digests", "checksums", "features"} <= set(shard.keys()):
            raise ValueError
        return tuple(bytes(row.tolist()).hex() for row in shard.get_tensor("digests"))


def _read_rows(path: Path, digests: Sequence[str], wanted: set[str]) -> Iterator[tuple[str, Tensor]]:
    """(digest, features) of the wanted images in a shard. Raises ValueError where a bit of them has changed."""
    rows = [row for row, digest in enumerate(digests) if digest in wanted]
    with safe_open(path, "pt") as shard:
        checksums, features = shard.get_tensor("checksums"), shard.get_slice("features")
        whole = features[:] if len(rows) > WHOLE * len(digests) else None
        for row in rows:
            values = (features[row : row + 1] if whole is None else whole[row : row + 1])[0].clone()
            if not torch.equal(_checksum(values), checksums[row]):
                raise ValueError
            yield digests[row], values


def _checksum(features: Tensor) -> Tensor:
    digest = hashlib.blake2b(features.contiguous().numpy().tobytes(), digest_size=8).digest()
    return torch.tensor(list(digest), dtype=torch.uint8)  # (8,)


def feature_table(rows: int, views: int, dim: int, folder: Path) -> Tensor:
    """An empty tensor (rows, views, dim), float32, for the features of a run.

    A large one is a file in `folder` without a name, mapped into memory: the system keeps of it what is in use and room
    for, and it is gone with the last reference or the process. Windows, which deletes no open file, has it in memory.
    """
    if rows * views * dim * 4 < MAPPED or os.name != "posix":
        return torch.empty(rows, views, dim)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".features-") as file:
        return torch.from_file(file.name, shared=True, size=rows * views * dim).view(rows, views, dim)

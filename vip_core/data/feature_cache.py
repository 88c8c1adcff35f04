"""Image features on disk: shards of some hundred images each, found again by the digest of the image file."""

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from vip_core.utils.files import write_tensors

SHARD_IMAGES = 512  # images per file: the most that an interrupted run loses
WHOLE = 0.25  # share of a shard's images from which it is read as a whole


@dataclass(frozen=True)
class FeatureCache:
    """The features (V, D) of images under one key. A shard that is damaged anywhere is deleted."""

    folder: Path

    def read(self, digests: Collection[str]) -> dict[str, Tensor]:
        """The features that are there, of these images. Other images' features are not read."""
        wanted, found = set(digests), {}
        for path in sorted(self.folder.glob("*.safetensors")):
            if not wanted:
                break
            try:
                found |= dict(_read_rows(path, wanted))
            except (SafetensorError, ValueError):
                path.unlink(missing_ok=True)
            except OSError:  # not readable at the moment: no reason to delete it
                continue
            wanted -= found.keys()
        return found

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


def _read_rows(path: Path, wanted: set[str]) -> Iterator[tuple[str, Tensor]]:
    """(digest, features) of the wanted images in a shard. Raises ValueError where a bit of them has changed."""
    with safe_open(path, "pt") as shard:
        if not {"digests", "checksums", "features"} <= set(shard.keys()):
            raise ValueError
        digests = [bytes(row.tolist()).hex() for row in shard.get_tensor("digests")]
        rows = [row for row, digest in enumerate(digests) if digest in wanted]
        if not rows:
            return
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

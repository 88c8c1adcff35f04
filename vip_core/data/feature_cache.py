"""Image features on disk: shards of some hundred images each, found again by the digest of the image file."""

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from vip_core.utils.files import write_tensors

SHARD_IMAGES = 512  # images per file: the most that an interrupted run loses


def write_shard(folder: Path, shard: dict[str, Tensor]) -> None:
    """Write features by digest as a new file of the folder. Raises StorageError."""
    name = hashlib.sha256("".join(shard).encode()).hexdigest()[:20]
    digests = torch.tensor([list(bytes.fromhex(digest)) for digest in shard], dtype=torch.uint8)  # (n, 32)
    write_tensors(folder / f"{name}.safetensors", {"digests": digests, "features": torch.stack(list(shard.values()))})


def read_shards(folder: Path) -> dict[str, Tensor]:
    """All features of the folder by digest. A damaged file is deleted, and its images are encoded again."""
    known: dict[str, Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            shard = load_file(path)
        except SafetensorError:
            path.unlink(missing_ok=True)
            continue
        except OSError:  # not readable at the moment: no reason to delete it
            continue
        known.update(zip((bytes(row.tolist()).hex() for row in shard["digests"]), shard["features"], strict=True))
    return known

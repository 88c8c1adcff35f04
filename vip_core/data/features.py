"""Image features: each image and view goes through the frozen tower once, and the result is kept on disk."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL.Image import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vip_core.data.images import read_image
from vip_core.data.splits import Row
from vip_core.errors import DataError, ImageError
from vip_core.models.backbone import Backbone
from vip_core.utils.console import progress
from vip_core.utils.device import fast_bf16
from vip_core.utils.files import write_tensors
from vip_core.utils.paths import cache_folder

SHARD = 512  # images a file of the cache; what a kill can cost at most


@dataclass(frozen=True)
class Split:
    """Image features of a split: (n, D) of the plain view, labels (n,)."""

    features: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Views(Dataset):
    """Images as pixels: the plain view where asked for, then random ones, the same ones each time.

    A view's random state comes from the seed of its image, so neither the order nor the number of workers matters.
    """

    paths: Sequence[Path]
    seeds: Sequence[str]
    plain: Callable[[Image], Tensor] | None
    augment: Callable[[Image], Tensor]
    views: int

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor | ImageError:
        try:
            image = read_image(self.paths[index])
        except ImageError as error:
            return error  # raised in a worker it would come back as a traceback in a string
        pixels = [self.plain(image)] if self.plain else []
        with torch.random.fork_rng(devices=[]):
            for view in range(self.views):
                torch.manual_seed(int(hashlib.sha256(f"{self.seeds[index]}/{view}".encode()).hexdigest()[:15], 16))
                pixels.append(self.augment(image))
        return torch.stack(pixels)  # (views, and one more if plain; 3, H, W)


@torch.inference_mode()
def encode_stream(
    backbone: Backbone,
    paths: Sequence[Path],
    views: int = 0,
    seeds: Sequence[str] | None = None,
    plain: bool = True,
    crop: float = 1.0,
    batch_size: int = 32,  # the image tower is fastest at this size on a CPU
) -> Iterator[Tensor | ImageError]:
    """Features (V, D) of each image in order, float32, on the CPU, or the error why it cannot be read.

    Args:
        backbone: on the device to run on.
        paths: n image files.
        views: random views, under the paper's training transform, after the plain one.
        seeds: n texts that the views' random state comes from; needed with views.
        plain: the plain view, first.
        crop: the smallest share of an image's area in a random view.
        batch_size: pixels in one pass of the tower, views counted.
    """
    preprocess = backbone.preprocess if plain else None
    dataset = Views(paths, seeds or [""] * len(paths), preprocess, backbone.train_transform(crop), views)
    workers = min(4, os.cpu_count() or 1) if len(paths) > 4 * batch_size else 0
    loader = DataLoader(
        dataset, batch_size=max(1, batch_size // (plain + views)), num_workers=workers, collate_fn=_as_they_are
    )
    autocast = fast_bf16(backbone.device)
    for items in loader:
        good = [item for item in items if isinstance(item, Tensor)]
        encoded: list[Tensor] = []
        if good:
            pixels = torch.cat(good).to(backbone.device)
            encoded = list(backbone.encode_images(pixels, autocast).cpu().split([len(item) for item in good]))
        remaining = iter(encoded)
        for item in items:
            yield item if isinstance(item, ImageError) else next(remaining)


def image_features(
    backbone: Backbone, paths: Sequence[Path], views: int = 0, crop: float = 1.0, what: str = "Images"
) -> Tensor:
    """Features (n, 1 + views, D) of n images, float32: the plain view first, then the random ones.

    They are kept in the user's cache under the backbone's fingerprint, its transform, the number of views and their
    crops, the arithmetic and the content of each file; an image that moved or stands in two data sets is encoded once.

    Args:
        backbone: on the device to run on.
        paths: n image files.
        views: random views an image, under the paper's training transform.
        crop: the smallest share of an image's area in a random view.
        what: what the progress bar calls them.

    Raises:
        DataError: if images cannot be read; it counts them and names the first.
        StorageError: if the cache cannot be written.
    """
    with ThreadPoolExecutor() as pool:
        digests = list(pool.map(_digest, paths))
    bf16 = fast_bf16(backbone.device)
    random = f"{views} crops from {crop}" if views else "plain"
    key = f"{backbone.fingerprint}|{backbone.transform_id}|{random}|{'bf16' if bf16 else 'fp32'}"
    folder = cache_folder() / "features" / hashlib.sha256(key.encode()).hexdigest()[:20]
    known = _read_shards(folder)
    missing = {digest: path for digest, path in zip(digests, paths, strict=True) if digest not in known}
    if missing:
        known |= _encode_missing(backbone, missing, views, crop, folder, what)
    return torch.stack([known[digest] for digest in digests])


def fresh_views(backbone: Backbone, paths: Sequence[Path], crop: float, seed: int, epoch: int) -> Tensor:
    """Features (n, 1, D) of one random view of each image, as new as the epoch and not kept. Raises DataError."""
    seeds = [f"{seed}/{epoch}/{index}" for index in range(len(paths))]
    features: list[Tensor] = []
    with progress() as bar:
        task = bar.add_task(f"Images of epoch {epoch} through the image tower", total=len(paths))
        for item in encode_stream(backbone, paths, 1, seeds, plain=False, crop=crop):
            if isinstance(item, ImageError):
                raise DataError(str(item))
            features.append(item)
            bar.advance(task)
    return torch.stack(features)


def _encode_missing(
    backbone: Backbone, missing: dict[str, Path], views: int, crop: float, folder: Path, what: str
) -> dict[str, Tensor]:
    digests, paths = list(missing), list(missing.values())
    known: dict[str, Tensor] = {}
    shard: dict[str, Tensor] = {}
    errors: list[ImageError] = []
    with progress() as bar:
        task = bar.add_task(f"{what} through the image tower", total=len(paths))
        stream = encode_stream(backbone, paths, views, seeds=digests, crop=crop)
        for digest, features in zip(digests, stream, strict=True):
            bar.advance(task)
            if isinstance(features, ImageError):
                errors.append(features)
                continue
            shard[digest] = features.clone()
            if len(shard) == SHARD:
                _write_shard(folder, shard)
                known |= shard
                shard = {}
    if shard:
        _write_shard(folder, shard)
    if errors:
        raise DataError(f"{len(errors)} of {len(paths)} images cannot be read, the first because: {errors[0]}")
    return known | shard


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error


def _as_they_are(items: list[Tensor | ImageError]) -> list[Tensor | ImageError]:
    return items


def _write_shard(folder: Path, shard: dict[str, Tensor]) -> None:
    name = hashlib.sha256("".join(shard).encode()).hexdigest()[:20]
    digests = torch.tensor([list(bytes.fromhex(digest)) for digest in shard], dtype=torch.uint8)  # (n, 32)
    write_tensors(folder / f"{name}.safetensors", {"digests": digests, "features": torch.stack(list(shard.values()))})


def _read_shards(folder: Path) -> dict[str, Tensor]:
    known: dict[str, Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            shard = load_file(path)
        except SafetensorError:
            path.unlink(missing_ok=True)  # damaged: its images are encoded again
            continue
        except OSError:  # unreadable just now, which is no reason to lose it
            continue
        known.update(zip((bytes(row.tolist()).hex() for row in shard["digests"]), shard["features"], strict=True))
    return known


def plain_split(backbone: Backbone, rows: Sequence[Row], what: str) -> Split:
    """Features of the plain view and labels of the rows. Raises DataError."""
    features = image_features(backbone, [row.path for row in rows], what=what)[:, 0]
    return Split(features, torch.tensor([row.label for row in rows]))

"""Image features: each view of each image passes the frozen tower once, and the result is cached on disk."""

import hashlib
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from PIL.Image import Image
from torch import Tensor
from torch.utils.data import DataLoader

from vip_core.data.dataset import Row
from vip_core.data.digests import file_digests
from vip_core.data.feature_cache import SHARD_IMAGES, FeatureCache, feature_table
from vip_core.data.versions import reader_version
from vip_core.data.views import RemarkedViews, Views
from vip_core.errors import DataError, ImageError
from vip_core.models.backbone import Backbone
from vip_core.utils.console import progress
from vip_core.utils.device import fast_bf16
from vip_core.utils.distributed import gather_rows, main_first, own_part
from vip_core.utils.paths import cache_folder

BATCH_VIEWS = 32  # per pass of the tower
LOG = logging.getLogger(__name__)  # by default its warnings are printed on standard error


class UnreadableImages(DataError):
    """Images that cannot be read: `errors` holds the reason of each path."""

    def __init__(self, errors: Mapping[Path, ImageError], of: int, named: int = 3):
        reasons = " ".join(f"{number}. {error}" for number, error in enumerate(list(errors.values())[:named], 1))
        more = f" And {len(errors) - named} more." if len(errors) > named else ""
        super().__init__(
            f"{len(errors)} of {of} images cannot be read; repair or remove them, or in train and evaluate, leave them "
            f"out with --skip-unreadable. {reasons}{more}"
        )
        self.errors = dict(errors)


@dataclass(frozen=True)
class FeatureSplit:
    """Image features (n, D) of a split, from the evaluation view, and labels (n,)."""

    features: Tensor
    labels: Tensor


@torch.inference_mode()
def encode_stream(
    backbone: Backbone,
    paths: Sequence[Path],
    views: int = 0,
    seeds: Sequence[str] | None = None,
    evaluation_view: bool = True,
    crop: float = 1.0,
    batch_size: int = BATCH_VIEWS,
    float32: bool = False,
    remarks: dict[Path, list[str]] | None = None,
) -> Iterator[Tensor | ImageError]:
    """Yield the features (V, D) of each image in order, float32, on the CPU, or the error why it cannot be read.

    Args:
        backbone: on the device to run on.
        paths: n image files.
        views: random views per image, under the paper's training transform, after the evaluation view.
        seeds: n texts that the random state of the views comes from; needed with views.
        evaluation_view: whether the view without augmentation comes first.
        crop: the smallest share of an image's area in a random view.
        batch_size: views per pass of the tower.
        float32: exact arithmetic, for figures that do not depend on the processor; else bfloat16 where that is fast.
        remarks: gets what `read_image` remarks on an image, before the image is yielded. They are logged as well.
    """
    preprocess = backbone.preprocess if evaluation_view else None
    dataset = Views(paths, seeds or [""] * len(paths), preprocess, backbone.train_transform(crop), views)
    loader = DataLoader(
        RemarkedViews(dataset),
        batch_size=max(1, batch_size // (evaluation_view + views)),
        num_workers=worker_count(len(paths), batch_size),
        collate_fn=_uncollated,
    )
    autocast = fast_bf16(backbone.device) and not float32
    place = iter(paths)
    for batch in loader:
        items: list[Tensor | ImageError] = []
        for item in batch:
            path = next(place)
            if not isinstance(item, ImageError):
                item, found = item
                for remark in found:
                    LOG.warning(remark)
                if found and remarks is not None:
                    remarks[path] = found
            items.append(item)
        good = [item for item in items if isinstance(item, Tensor)]
        encoded: list[Tensor] = []
        if good:
            pixels = torch.cat(good).to(backbone.device)
            encoded = list(backbone.encode_images(pixels, autocast).cpu().split([len(item) for item in good]))
        remaining = iter(encoded)
        for item in items:
            yield item if isinstance(item, ImageError) else next(remaining)


# What encodes images that are not cached: this process, or a cluster in its place.
_ENCODER: ContextVar[Callable[..., Iterator[Tensor | ImageError]]] = ContextVar("encoder", default=encode_stream)


def encode_with(encoder: Callable[..., Iterator[Tensor | ImageError]]) -> None:
    """Within this context, encode features with another function that has the signature of `encode_stream`."""
    _ENCODER.set(encoder)


def worker_count(images: int, batch_size: int) -> int:
    """Number of processes that read images: none for a few images, where starting them takes longer."""
    return min(4, os.cpu_count() or 1) if images > 4 * batch_size else 0


def image_features(
    backbone: Backbone,
    paths: Sequence[Path],
    views: int = 0,
    crop: float = 1.0,
    what: str = "Images",
    float32: bool = False,
) -> Tensor:
    """Features (n, 1 + views, D) of n images, float32: the evaluation view first, then the random views.

    They are cached under the content of each file and all that the features depend on: the backbone's fingerprint, its
    transforms, the number and crops of the views, the arithmetic, the code of the image reader and the versions of the
    libraries. An image that moved, or is in two data sets, is encoded once.

    Args:
        backbone: on the device to run on.
        paths: n image files.
        views: random views per image, under the paper's training transform.
        crop: the smallest share of an image's area in a random view.
        what: the name of the images on the progress bar.
        float32: exact arithmetic; see `encode_stream`.

    Raises:
        UnreadableImages: a DataError with the paths and reasons; the message names the first few.
        StorageError: the cache cannot be written.
    """
    digests = file_digests(paths)
    bf16 = fast_bf16(backbone.device) and not float32
    random = f"{views} crops from {crop} by {_described(backbone.train_transform(crop))}" if views else "plain"
    transform = f"{backbone.transform_id} {_described(backbone.preprocess)}"
    key = "|".join((backbone.fingerprint, transform, random, "bf16" if bf16 else "fp32", reader_version()))
    cache = FeatureCache(cache_folder() / "features" / hashlib.sha256(key.encode()).hexdigest()[:20])
    rows: dict[str, list[int]] = {}  # an image may be listed twice
    for row, digest in enumerate(digests):
        rows.setdefault(digest, []).append(row)
    found = feature_table(len(paths), 1 + views, backbone.embed_dim, cache.folder)
    with main_first():
        missing = dict(zip(digests, paths, strict=True))
        for digest, features in cache.stream(digests):
            found[rows[digest]] = features
            del missing[digest]
        if missing:
            for digest, features in _encode_missing(backbone, missing, views, crop, cache, what, float32):
                found[rows[digest]] = features
    return found


def fresh_views(backbone: Backbone, paths: Sequence[Path], crop: float, seed: int, epoch: int) -> Tensor:
    """Features (n, 1, D) of one random view per image, drawn anew for each epoch and not cached. Raises DataError.

    The processes of torchrun divide the images among them, in whole batches.
    """
    part = own_part(len(paths), multiple=BATCH_VIEWS)
    own = paths[part]
    seeds = [f"{seed}/{epoch}/{index}" for index in range(len(paths))[part]]
    features = torch.empty(len(own), 1, backbone.embed_dim)
    with progress() as bar:
        task = bar.add_task(f"Images of epoch {epoch} through the image tower", total=len(own))
        for row, item in enumerate(_ENCODER.get()(backbone, own, 1, seeds, evaluation_view=False, crop=crop)):
            if isinstance(item, ImageError):
                raise DataError(str(item))
            features[row] = item
            bar.advance(task)
    return gather_rows(features.to(backbone.device), part, len(paths)).cpu()


def _encode_missing(
    backbone: Backbone, missing: dict[str, Path], views: int, crop: float, cache: FeatureCache, what: str, float32: bool
) -> Iterator[tuple[str, Tensor]]:
    """(digest, features) of each image, written to the cache shard by shard. Raises UnreadableImages at the end."""
    digests, paths = list(missing), list(missing.values())
    shard: dict[str, Tensor] = {}
    errors: dict[Path, ImageError] = {}
    with progress() as bar:
        task = bar.add_task(f"{what} through the image tower", total=len(paths))
        stream = _ENCODER.get()(backbone, paths, views, seeds=digests, crop=crop, float32=float32)
        for digest, path, features in zip(digests, paths, stream, strict=True):
            bar.advance(task)
            if isinstance(features, ImageError):
                errors[path] = features
                continue
            shard[digest] = features.clone()
            if len(shard) == SHARD_IMAGES:
                cache.write(shard)
                yield from shard.items()
                shard = {}
    if shard:
        cache.write(shard)
        yield from shard.items()
    if errors:
        raise UnreadableImages(errors, len(paths))


def _described(transform: object) -> str:
    """A transform in words, without the addresses of its functions in memory."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(transform))


Item = tuple[Tensor, list[str]] | ImageError


def _uncollated(items: list[Item]) -> list[Item]:
    return items


def encode_split(backbone: Backbone, rows: Sequence[Row], what: str) -> FeatureSplit:
    """Float32 features of the evaluation view, and labels of the rows. Raises DataError and StorageError."""
    features = image_features(backbone, [row.path for row in rows], what=what, float32=True)[:, 0]
    return FeatureSplit(features, torch.tensor([row.label for row in rows]))


@torch.inference_mode()
def encode_images(backbone: Backbone, images: Iterable[Image], batch_size: int = 8) -> Tensor:
    """Float32 features (n, D), on the CPU, of images in memory, in the evaluation view. Nothing is cached."""
    pixels = (backbone.preprocess(image) for image in images)
    features = []
    while batch := list(islice(pixels, batch_size)):
        features.append(backbone.encode_images(torch.stack(batch).to(backbone.device)).cpu())
    return torch.cat(features)


def readable_rows(
    backbone: Backbone,
    rows: Sequence[Row],
    views: int = 0,
    crop: float = 1.0,
    what: str = "Images",
    float32: bool = False,
) -> tuple[list[Row], dict[Path, ImageError]]:
    """The rows whose images can be read, and why each of the others cannot. Encodes them into the cache on the way.

    Arguments and errors as those of `image_features`.
    """
    try:
        image_features(backbone, [row.path for row in rows], views, crop, what, float32)
    except UnreadableImages as unreadable:
        errors = {row.path: unreadable.errors[row.path] for row in rows if row.path in unreadable.errors}
        return [row for row in rows if row.path not in errors], errors
    return list(rows), {}

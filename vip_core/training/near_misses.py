"""The learned half of the domain check, fitted on images that are easily mistaken for the task's own."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.nn import functional as F

from vip_core.data.alterations import LOOKS_LIKE, altered
from vip_core.data.dataset import Row, evenly_spaced
from vip_core.data.features import encode_images, image_features
from vip_core.data.images import read_image
from vip_core.data.options import ALTERATIONS, NearMissOptions
from vip_core.data.tables import listed_image, read_csv, read_header, split_name
from vip_core.errors import DataError, UsageError
from vip_core.models.backbone import Backbone
from vip_core.models.near_misses import NearMisses
from vip_core.utils.console import progress

ALTERED = 300  # training images that are altered to learn from, and validation images to count on, at most
STRENGTH = 10.0  # sklearn's C times the number of images, on standardised features
MEASURED_IN = 5  # without a column `split`, one image in five is counted and not learnt


@dataclass(frozen=True)
class NearMissImages:
    """Files of near misses by kind.

    Attributes:
        taught: to learn from.
        counted: to count how many of them are flagged.
        altered: alterations of the task's own images; training images are taught, validation images counted.
    """

    taught: Mapping[str, Sequence[Path]]
    counted: Mapping[str, Sequence[Path]]
    altered: Sequence[str]


@dataclass(frozen=True)
class NearMissFeatures:
    """Image features (n, D) by kind, as in `NearMissImages`."""

    taught: Mapping[str, Tensor]
    counted: Mapping[str, Tensor]


def find_near_misses(options: NearMissOptions) -> NearMissImages | None:
    """The near misses that are asked for, or None. Raises DataError naming the line of the table, or UsageError."""
    if unknown := next((name for name in options.altered if name not in ALTERATIONS), None):
        raise UsageError(f"--altered has no {unknown!r}; choose from {', '.join(ALTERATIONS)}.")
    altered = tuple(dict.fromkeys(options.altered))
    taught, counted = ({}, {}) if options.near_misses is None else _read_table(options.near_misses)
    return NearMissImages(taught, counted, altered) if taught or altered else None


def _read_table(source: Path) -> tuple[dict[str, list[Path]], dict[str, list[Path]]]:
    """Images to teach and to count, by kind. Validation images of other tasks are neither."""
    divided = "split" in read_header(source)
    seen: dict[Path, int] = {}
    by_split: dict[str, dict[str, list[Path]]] = {split: {} for split in ("train", "val", "test")}
    for line, record in read_csv(source, ("image", "kind", *(["split"] if divided else []))):
        image = listed_image(source.parent / record["image"], source, line, seen)
        if not record["kind"]:
            raise DataError(f"Line {line} of {source} has no kind; state what the image shows, such as a photograph.")
        split = split_name(record["split"], source, line) if divided else _drawn(record["image"])
        by_split[split].setdefault(record["kind"], []).append(image)
    if not by_split["train"]:
        raise DataError(f"{source} has no images to learn from; its column split should have train for some.")
    return by_split["train"], by_split["test"]


def _drawn(name: str) -> str:
    return "test" if hashlib.sha256(name.encode()).digest()[0] % MEASURED_IN == 0 else "train"


def encode_near_misses(
    backbone: Backbone, images: NearMissImages, train: Sequence[Row], val: Sequence[Row], seed: int
) -> NearMissFeatures:
    """Encode the near misses, and what the alterations make of a task's own training and validation images.

    Raises DataError or ImageError if one cannot be read, and StorageError if the cache cannot be written.
    """
    taught, counted = (
        {
            kind: image_features(backbone, paths, what=f"Near misses, {kind}", float32=True)[:, 0]
            for kind, paths in kinds.items()
        }
        for kinds in (images.taught, images.counted)
    )
    for name in images.altered:
        kind = LOOKS_LIKE[name]
        taught[kind] = _altered_features(backbone, train, name, seed)
        counted[kind] = _altered_features(backbone, val, name, seed)
    return NearMissFeatures(taught, counted)


def _altered_features(backbone: Backbone, rows: Sequence[Row], name: str, seed: int) -> Tensor:
    """Features (n, D) of at most ALTERED rows, evenly spaced, under an alteration."""
    rng = np.random.default_rng([seed, *name.encode()])
    rows = evenly_spaced(rows, ALTERED)
    title = f"Images altered ({name}) through the image tower"
    with progress() as bar:
        return encode_images(
            backbone, (altered(read_image(row.path), name, rng) for row in bar.track(rows, description=title))
        )


def fit_near_misses(own: Tensor, kinds: Mapping[str, Tensor]) -> NearMisses:
    """A logistic regression of a task's own images (n, D) against each kind of near miss (m, D).

    The own images weigh as much as all near misses together, and the kinds weigh the same. Features are normalised and
    standardised; the standardisation is folded into weight and bias. The limit is left to `ReferenceBank.build`.
    """
    parts = [F.normalize(part, dim=-1).double() for part in (own, *kinds.values())]
    features = torch.cat(parts).numpy()
    labels = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    shares = np.array([0.5, *[0.5 / len(kinds)] * len(kinds)])
    weights = (shares / np.bincount(labels))[labels] * len(labels)
    mean, std = features.mean(0), features.std(0) + 1e-6
    model = LogisticRegression(C=STRENGTH / len(labels), max_iter=1000)
    model.fit((features - mean) / std, labels, sample_weight=weights)
    weight, bias = model.coef_, model.intercept_
    if len(kinds) == 1:  # scikit-learn then has a single row, that of the kind
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    weight = weight / std
    bias = bias - weight @ mean
    return NearMisses(torch.from_numpy(weight).float(), torch.from_numpy(bias).float(), tuple(kinds))

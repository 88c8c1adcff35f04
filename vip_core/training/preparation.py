"""Preparation of a run before any long work: images, symptoms, backbone and model."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from vip_core.data.dataset import Dataset, Row, evenly_spaced
from vip_core.data.digests import split_digest
from vip_core.data.features import readable_rows
from vip_core.data.images import read_image
from vip_core.data.near_duplicates import Pair, describe_pairs, near_duplicates
from vip_core.data.options import DataOptions, NearMissOptions
from vip_core.data.reference_share import divide_rows
from vip_core.data.sources import load_dataset
from vip_core.data.splits import few_shot
from vip_core.errors import DataError, ImageError, UsageError
from vip_core.evaluation.domain import ood_folders
from vip_core.models.backbone import Backbone
from vip_core.models.contrast import LocalContrast, local_contrast
from vip_core.models.vip import ViP
from vip_core.symptoms import SymptomSet
from vip_core.training.config import TrainConfig
from vip_core.training.near_misses import NearMissImages, find_near_misses
from vip_core.utils.console import console
from vip_core.utils.device import best_device, fast_bf16

MIN_PER_CLASS = 5  # reference images; see also MIN_FOR_PERCENTILES
CONTRAST_IMAGES = 300  # whose local contrast is measured
LITTLE_CONTRAST = 1  # percentile among them, below which an image is taken for one that was not equalised
MAX_TOKEN_RATIO = 0.2  # of a class token's norm to that of its symptoms; CLIP starts at 0.05, vip-mini at 0.01


@dataclass
class Run:
    """What a run works on.

    Attributes:
        vip: the model, initialised under the seed, on the device to train on.
        data: the data set in its splits.
        train: the training images, of which `shots` may have left few.
        val: the validation images.
        ood_images: images that the domain check should flag, by kind.
        positive: index of the class to find, or None.
        images: a digest of the training and validation images.
        near_duplicates: pairs of images of two splits that look the same; None if not looked for.
        reference: images for the reference bank alone; empty where it is drawn from the training images.
        near_misses: images for the domain check to learn; None where distance decides alone.
    """

    config: TrainConfig
    out: Path
    vip: ViP
    data: Dataset
    train: Sequence[Row]
    val: Sequence[Row]
    ood_images: dict[str, list[Path]]
    positive: int | None
    images: str
    near_duplicates: list[Pair] | None = None
    reference: Sequence[Row] = ()
    near_misses: NearMissImages | None = None


def prepare(
    config: TrainConfig,
    out: Path,
    ood_images: Sequence[Path] = (),
    options: DataOptions | None = None,
    near_misses: NearMissOptions | None = None,
) -> Run:
    """Read the lists of images and symptoms and load the backbone, so that mistakes show before any long work.

    Raises:
        ViPError: if something is missing, or does not fit together.
    """
    ood, missed = ood_folders(ood_images), find_near_misses(near_misses or NearMissOptions())
    symptoms = SymptomSet.load(config.symptoms)
    positive = _positive(config, symptoms.classes)
    options = options or DataOptions()
    data = load_dataset(config.data, Path(config.root), symptoms.classes, options)
    for line in data.describe():
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    train_rows, val_rows = data.split("train"), data.split("val")
    reference_rows: Sequence[Row] = ()
    if config.hold_out_reference:
        train_rows, reference_rows = _without_reference(train_rows, symptoms.classes)
    if config.shots is not None:
        train_rows = few_shot(train_rows, config.shots, config.seed, symptoms.classes)
    backbone = Backbone.load(config.backbone, config.pretrained).to(best_device())
    if config.equalised:
        backbone = backbone.with_contrast(_contrast_of(train_rows))
    torch.manual_seed(config.seed)
    words = config.context_words or None
    vip = ViP(backbone, symptoms, config.context_length, config.class_context, words, config.rank)
    vip.fast_training = fast_bf16(backbone.device)
    ratio = vip.token_ratio()  # an over-long symptom is refused here, before the images are read
    if ratio > MAX_TOKEN_RATIO:
        console.print(
            f"Note: the class tokens start at {ratio:.0%} of the norm of this backbone's text "
            "features, so they may decide without the symptoms; check the symptom reliance in the card.",
            style="yellow",
            highlight=False,
        )
    if options.skip_unreadable:
        train_rows = _readable(backbone, train_rows, "Training images", config.views, config.crop)
        val_rows = _readable(backbone, val_rows, "Validation images", float32=True)
        reference_rows = _readable(backbone, reference_rows, "Reference images", float32=True)
        data = replace(data, test=tuple(_readable(backbone, data.test, "Test images", float32=True)))
    pairs = None
    if options.near_duplicates:
        pairs = near_duplicates({"train": train_rows, "val": val_rows, "test": data.test})
        for line in describe_pairs(pairs):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    digest = split_digest(train_rows, val_rows, *([reference_rows] if reference_rows else []))
    return Run(config, out, vip, data, train_rows, val_rows, ood, positive, digest, pairs, reference_rows, missed)


def _contrast_of(rows: Sequence[Row]) -> LocalContrast:
    """The equalisation of images with less local contrast than nearly all of the rows, which are equalised already."""
    values = []
    for row in evenly_spaced(rows, CONTRAST_IMAGES):
        with suppress(ImageError):  # which the reading of all images reports
            values.append(local_contrast(read_image(row.path)))
    if not values:
        raise DataError("No training image can be read, so --equalised cannot measure their local contrast.")
    return LocalContrast(below=float(np.percentile(values, LITTLE_CONTRAST)))


def _without_reference(rows: Sequence[Row], classes: Sequence[str]) -> tuple[Sequence[Row], Sequence[Row]]:
    """Rows as (to train on, for the reference bank). Raises DataError where a class is too rare for that."""
    kept, held = divide_rows(rows)
    for label, name in enumerate(classes):
        left, taken = (sum(row.label == label for row in part) for part in (kept, held))
        if left == 0 or taken < MIN_PER_CLASS:
            raise DataError(
                f"--hold-out-reference takes {taken} reference images of {name!r} and leaves {left}; at least "
                f"{MIN_PER_CLASS} are needed; leave it out, and the reference bank is drawn from the training images."
            )
    return kept, held


def _readable(backbone: Backbone, rows: Sequence[Row], what: str, *views: float, float32: bool = False) -> list[Row]:
    """The rows whose images can be read; the others are named on standard error."""
    number, crop = (int(views[0]), views[1]) if views else (0, 1.0)
    rows, errors = readable_rows(backbone, rows, number, crop, what, float32)
    for error in errors.values():
        console.print(f"Left out: {error}", markup=False, highlight=False, soft_wrap=True)
    return rows


def _positive(config: TrainConfig, classes: Sequence[str]) -> int | None:
    """The index of the class to find. Raises UsageError if it is none of two classes."""
    if config.positive is None:
        return None
    if config.positive not in classes or len(classes) != 2:
        raise UsageError(f"--positive {config.positive!r} must be one of two classes; these are {list(classes)}.")
    return list(classes).index(config.positive)

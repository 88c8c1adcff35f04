"""What the runs of an experiment work on: images in their splits, and features that are encoded once."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from vip_core.data.dataset import Dataset, Row
from vip_core.data.digests import split_digest
from vip_core.data.features import FeatureSplit, encode_split, image_features
from vip_core.data.sources import load_dataset
from vip_core.data.splits import few_shot
from vip_core.errors import DataError
from vip_core.experiments.config import ExperimentConfig
from vip_core.experiments.split_file import read_split_file
from vip_core.models.backbone import Backbone
from vip_core.symptoms import SymptomSet
from vip_core.utils.device import best_device

VALIDATION_SHOTS = 4  # per class at most, in few-shot runs


@dataclass(frozen=True)
class TrainingImages:
    """Training and validation images of a run: rows, features (n, 1 + V, D) and (v, D), and labels."""

    train: Sequence[Row]
    views: Tensor
    labels: Tensor
    val_rows: Sequence[Row]
    val: FeatureSplit

    @property
    def digest(self) -> str:
        """Of the images, which a resumed run must share. Raises DataError."""
        return split_digest(self.train, self.val_rows)


class Material:
    """The data set, the backbone, the symptoms, and the features of all images.

    Args:
        config: of the experiment.

    Raises:
        ViPError: symptoms, data or backbone that cannot be read, or too few images to validate or test with.
    """

    def __init__(self, config: ExperimentConfig):
        self.config = config
        train = config.train
        self.symptoms = SymptomSet.load(train.symptoms)
        root = Path(train.root)
        if config.split_file is None:
            self.data: Dataset = load_dataset(train.data, root, self.symptoms.classes)
        else:
            self.data = read_split_file(config.split_file, root, train.data, self.symptoms.classes)
        for split, least in (("val", 1), ("test", 2)):  # an AUROC needs both classes, DeLong's test two of each
            counts = Counter(row.label for row in self.data.split(split))
            for label, name in enumerate(self.symptoms.classes):
                if counts[label] < least:
                    raise DataError(
                        f"{root} has {counts[label]} images of {name!r} in {split}; experiments need at least {least}."
                    )
        self.backbone = Backbone.load(train.backbone, train.pretrained).to(best_device())

    @cached_property
    def full(self) -> TrainingImages:
        """All training and validation images."""
        train, val = self.data.split("train"), self.data.split("val")
        views = image_features(
            self.backbone,
            [row.path for row in train],
            self.config.train.views,
            self.config.train.crop,
            "Training images",
        )
        labels = torch.tensor([row.label for row in train])
        return TrainingImages(train, views, labels, val, encode_split(self.backbone, val, "Validation images"))

    @cached_property
    def test(self) -> FeatureSplit:
        """The test images, which choose nothing."""
        return encode_split(self.backbone, self.data.split("test"), "Test images")

    @cached_property
    def digest(self) -> str:
        """Of the images of all splits, which the runs of a folder share. Raises DataError."""
        return split_digest(*(self.data.split(name) for name in ("train", "val", "test")))

    def images(self, shots: int | None, seed: int) -> TrainingImages:
        """All training images, or `shots` per class of them and at most 4 per class to validate on, under the seed.

        All of a class that has fewer.
        """
        if shots is None:
            return self.full
        full = self.full
        train = few_shot(full.train, shots, seed, self.symptoms.classes, or_all=True)
        val = few_shot(full.val_rows, min(shots, VALIDATION_SHOTS), seed, self.symptoms.classes, or_all=True)
        rows, val_rows = (
            [place[row.path] for row in chosen]
            for place, chosen in (
                ({row.path: i for i, row in enumerate(full.train)}, train),
                ({row.path: i for i, row in enumerate(full.val_rows)}, val),
            )
        )
        kept = FeatureSplit(full.val.features[val_rows], full.val.labels[val_rows])
        return TrainingImages(train, full.views[rows], full.labels[rows], val, kept)

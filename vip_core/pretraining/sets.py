"""The seven sets of images that vip-mini is made from, and what is known of each image."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vip_core.data.reference_share import held_for_reference, reference_group
from vip_core.data.sources import load_dataset
from vip_core.data.sources.isic2017 import isic2017_table
from vip_core.data.tables import listed_image, read_csv, split_name
from vip_core.errors import DataError
from vip_core.pretraining.findings import (
    adult_findings,
    brain_findings,
    breast_findings,
    cell_findings,
    child_findings,
    knee_findings,
    skin_findings,
)
from vip_core.pretraining.kinds import BLOOD, DERMOSCOPY, KNEE, MRI, ULTRASOUND, XRAY
from vip_core.utils.console import console

_Found = tuple[Path, str, Mapping[str, str]]  # an image, its split, and what the labels say


@dataclass(frozen=True)
class LabelledImage:
    """An image and what is known of it.

    Attributes:
        path: of the file.
        modality: its kind of image.
        findings: 1 present, 0 absent; what is not there is unknown.
        source: the set of images it is from.
        group: images of one patient, or near duplicates, have the same.
    """

    path: Path
    modality: str
    findings: Mapping[str, int]
    source: str = ""
    group: str = ""


@dataclass(frozen=True)
class ImageSet:
    """A set of images, in the folder `name` of the data.

    Attributes:
        name: of the folder.
        kind: of all its images.
        findings: what labels say of an image.
        per_epoch: images that an epoch of the image tower takes, drawn anew; a small set is taken more than once.
        columns: that labels.csv must have.
    """

    name: str
    kind: str
    findings: Callable[[Mapping[str, str]], dict[str, int]]
    per_epoch: int
    columns: tuple[str, ...] = field(default=("image", "split", "label"))


SETS = (
    ImageSet("pneumonia", XRAY, child_findings, 2400),
    ImageSet("chest_adult", XRAY, adult_findings, 1200, ("image", "split", "findings", "patient")),
    ImageSet("isic2017", DERMOSCOPY, skin_findings, 1400, ("image", "split", "diagnosis")),
    ImageSet("knee", KNEE, knee_findings, 1600),
    ImageSet("blood_cells", BLOOD, cell_findings, 1000),
    ImageSet("breast_ultrasound", ULTRASOUND, breast_findings, 700),
    ImageSet("brain_mri", MRI, brain_findings, 900),
)
PER_EPOCH = {images.name: images.per_epoch for images in SETS}


def labelled_images(root: Path, split: str, sets: Iterable[ImageSet] = SETS) -> list[LabelledImage]:
    """The images of a split, "train", "val" or "test", with what their labels decide.

    The validation images of the pneumonia data are those of `vip_core.data.sources`, no patient of whom is in train.
    Of train, the tenth is left out that reference banks are drawn from (`vip_core.data.reference_share`).

    Args:
        root: a folder that holds the sets' folders.
        split: as above.
        sets: to read.

    Raises:
        DataError: that names every set which is missing or cannot be read.
    """
    images, faults = [], []
    for each in sets:
        try:
            images += _labelled(each, root, split)
        except DataError as error:
            faults.append(f"{each.name}: {error}")
    if faults:
        raise DataError(f"Not all image sets are in {root}. {' '.join(faults)}")
    if split != "train":
        return images
    return [image for image in images if not held_for_reference(image.group)]


def sets_in(root: Path) -> list[ImageSet]:
    """The sets whose folders are there, to measure on; those that are not are named.

    Raises:
        DataError: if there is none.
    """
    there = [each for each in SETS if (root / each.name).is_dir()]
    missing = [each.name for each in SETS if each not in there]
    if not there:
        raise DataError(f"{root} has none of the folders {', '.join(missing)}; give --root the folder of the data.")
    if missing:
        console.print(f"Not measured, since {root} does not have them: {', '.join(missing)}.", markup=False)
    return there


def _labelled(images: ImageSet, root: Path, split: str) -> list[LabelledImage]:
    read = {"pneumonia": _children, "isic2017": _lesions}.get(images.name, _listed)
    found = [(path, details) for path, where, details in read(images, root / images.name, split) if where == split]
    if not found:
        raise DataError(f"{root / images.name} has no {split} images.")
    return [
        LabelledImage(path, images.kind, images.findings(details), images.name, _group(path, details))
        for path, details in found
    ]


def _group(path: Path, details: Mapping[str, str]) -> str:
    return reference_group(details.get("patient") or path.stem, details)


def _children(_: ImageSet, folder: Path, split: str) -> Sequence[_Found]:
    rows = load_dataset("pneumonia", folder, ("normal lung", "pneumonia")).split(split)
    return [(row.path, split, row.details) for row in rows]


def _lesions(_: ImageSet, folder: Path, __: str) -> Sequence[_Found]:
    return [(image.path, image.split, image.details) for image in isic2017_table(folder)]


def _listed(images: ImageSet, folder: Path, _: str) -> Sequence[_Found]:
    source, seen = folder / "labels.csv", {}
    if not source.is_file():
        raise DataError(f"{source} is missing.")
    return [
        (listed_image(folder / record["image"], source, line, seen), split_name(record["split"], source, line), record)
        for line, record in read_csv(source, images.columns)
    ]


def matching(images: Sequence[LabelledImage], known: Mapping[str, int]) -> NDArray:
    """(N,) True for the images of which all this is known."""
    return np.array([all(image.findings.get(name) == state for name, state in known.items()) for image in images])

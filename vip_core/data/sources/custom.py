"""A user's own images, by class folders or by a CSV file. No image is opened here."""

import filecmp
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from vip_core.data.dataset import Dataset, Row
from vip_core.data.splits import make_dataset, split_three_ways
from vip_core.data.tables import (
    ENDINGS,
    SPLITS,
    class_key,
    folders_in,
    images_in,
    listed_image,
    match_classes,
    read_csv,
    split_name,
)
from vip_core.errors import DataError


def folder(root: Path, classes: Sequence[str]) -> Dataset:
    """Your own images, one folder per class, named after the class; optionally under train, val, test.

    No splits: 70 / 10 / 20 % by patient, where a patient is a file's name without its ending. With splits: those, val
    being called valid or validation too; a name then tells a patient within its split only, as many sets number each
    split from 1. Without val, 10 % of train is held out.

    Raises:
        DataError: other class folders than the symptom set's, an empty one, no train, or the same file under the same
            name in two splits.
    """
    given: dict[str, Path] = {}
    for path in folders_in(root):
        if (split := SPLITS.get(path.name.casefold())) is not None:
            if split in given:
                raise DataError(f"{root} has both {given[split].name} and {path.name}; keep one of them.")
            given[split] = path
    if not given:
        rows = _class_folders(root, classes)
        return make_dataset("folder", classes, root, split_three_ways(rows, classes))
    if "train" not in given:
        raise DataError(f"{root} has {', '.join(p.name for p in given.values())} but no train; add train/CLASS/IMAGE.")
    splits = {split: _class_folders(path, classes, f"{split}/") for split, path in given.items()}
    _refuse_copies(splits)
    return make_dataset("folder", classes, root, splits)


def _class_folders(parent: Path, classes: Sequence[str], prefix: str = "") -> list[Row]:
    folders = folders_in(parent)
    if not folders:
        raise DataError(f"{parent} has no class folders; expected one each for {list(classes)}, with its images in it.")
    label_of = match_classes([path.name for path in folders], classes, parent)
    return [
        Row(image, label_of[class_key(path.name)], prefix + image.stem)
        for path in folders
        for image in images_in(path, ENDINGS)
    ]


def _refuse_copies(splits: Mapping[str, Sequence[Row]]) -> None:
    named: dict[tuple[str, int], list[tuple[str, Path]]] = defaultdict(list)
    for split, rows in splits.items():
        for row in rows:
            same = named[row.path.stem, row.path.stat().st_size]
            for other, path in same:
                if other != split and filecmp.cmp(path, row.path, shallow=False):
                    raise DataError(f"{row.path} is the same image as {path}; keep each image in one split.")
            same.append((split, row.path))


def labels_csv(root: Path, classes: Sequence[str]) -> Dataset:
    """Your own images by a CSV file, or a folder that holds labels.csv: image,label[,split][,patient].

    Paths are relative to the file's folder, or absolute. `split` is train, val (or valid, validation) or test. Where no
    patient is given, an image is its own, told by its path without the ending. Other columns are kept in details.
    Without a `split` column: 70 / 10 / 20 % by patient. Without val in it: 10 % of train is held out.

    Raises:
        DataError: with the line number, a missing image, an unknown class or split, an image listed twice; with the
            name, a patient in two splits.
    """
    source = root / "labels.csv" if root.is_dir() else root
    if not source.is_file():
        raise DataError(
            f"{root} holds no labels.csv; expected that file, with the columns image, label[, split][, patient]."
        )
    label_of = match_classes(classes, classes, source)
    records, seen = read_csv(source, ("image", "label")), {}
    splits: dict[str, list[Row]] = {"": [], "train": [], "val": [], "test": []}
    for line, record in records:
        cell, label = record.pop("image"), record.pop("label")
        path = listed_image(source.parent / cell, source, line, seen)
        if class_key(label) not in label_of:
            raise DataError(f"Line {line} of {source} has the class {label!r}; the symptom set has {list(classes)}.")
        split = split_name(record.pop("split"), source, line) if "split" in record else ""
        patient = record.pop("patient", "") or Path(cell).with_suffix("").as_posix()
        splits[split].append(Row(path, label_of[class_key(label)], patient, record))
    undivided = splits.pop("")
    return make_dataset("csv", classes, source, split_three_ways(undivided, classes) if undivided else splits)

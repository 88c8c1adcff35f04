"""The split files of the CoOp family: JSON with train, val and test lists of [relative path, label, class name]."""

import json
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from vip_core.data.dataset import Dataset, Row
from vip_core.data.digests import file_digests
from vip_core.data.sources.pneumonia import patient_of
from vip_core.data.splits import make_dataset
from vip_core.data.tables import class_key, match_classes
from vip_core.errors import DataError

SPLITS = ("train", "val", "test")


def read_split_file(path: Path, root: Path, data: str, classes: Sequence[str]) -> Dataset:
    """Read a split file. Labels follow the class names, not the numbers in the file, whose order may differ.

    Patients are known for the pneumonia data, from the names of its files; elsewhere each image counts as its own.
    The file decides the split, so patients and copies of an image on both sides are not refused, but reported by
    `patients_on_both_sides` and `copies_on_both_sides`. The same file in two lists is refused.

    Args:
        path: the JSON file.
        root: the folder that its paths are relative to.
        data: the name of the data set.
        classes: class names of the symptom set, in order.

    Raises:
        DataError: if it cannot be read, has another form, an empty list, other classes, or an image that is missing or
            listed twice.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        listed = {split: [(str(name), str(title)) for name, _, title in content[split]] for split in SPLITS}
    except OSError as error:
        raise DataError(f"The split file {path} cannot be read ({error.strerror}).") from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise DataError(
            f"The split file {path} does not have the expected form: a JSON object with train, val and test, each a "
            "list of [relative path, label, class name]."
        ) from error
    titles = list(dict.fromkeys(class_key(title) for rows in listed.values() for _, title in rows))
    label_of = match_classes(titles, classes, path)
    splits: dict[str, list[Row]] = {}
    places: dict[Path, str] = {}
    for split, rows in listed.items():
        splits[split] = []
        if not rows:
            raise DataError(f"{path} has no images in {split}; each of {', '.join(SPLITS)} needs some.")
        for name, title in rows:
            image = root / name
            if not image.is_file():
                raise DataError(f"{path} lists {name}, which is not in {root}; check --root.")
            file = image.resolve()
            if file in places:
                raise DataError(f"{path} lists {name} twice, in {places[file]} and in {split}; list each image once.")
            places[file] = split
            details = {}
            patient = f"{split}/{name}"
            if data == "pneumonia":
                found, number, subtype = patient_of(image)
                patient, details = f"{split}/{found}", {"subtype": subtype, "number": number}
            splits[split].append(Row(image, label_of[class_key(title)], patient, details))
    return make_dataset(data, classes, root, splits)


def patients_on_both_sides(data: Dataset) -> int:
    """The number of patients with images in two splits of a split file, by the names of the files."""
    return _on_both_sides([[row.patient.partition("/")[2] for row in rows] for rows in _splits(data)])


def copies_on_both_sides(data: Dataset) -> int:
    """The number of images of which another split has a copy under another name. Raises DataError."""
    return _on_both_sides([file_digests([row.path for row in rows]) for rows in _splits(data)])


def _splits(data: Dataset) -> tuple[Sequence[Row], ...]:
    return data.train, data.val, data.test


def _on_both_sides(marks: Sequence[Sequence[str]]) -> int:
    """How many marks occur in more than one of the splits."""
    return sum(splits > 1 for splits in Counter(chain.from_iterable(map(set, marks))).values())

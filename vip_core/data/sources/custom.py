"""A user's own images, by class folders or by a CSV file. No image is opened here, but each is read for its digest."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vip_core.data.columns import find_columns
from vip_core.data.copies import join_copies, with_digests
from vip_core.data.dataset import Dataset, Row
from vip_core.data.folders import IMAGE_SUFFIXES, describe_left_out, search_folder
from vip_core.data.options import DataOptions, Use
from vip_core.data.relabelling import Relabelling
from vip_core.data.splits import make_dataset, split_three_ways
from vip_core.data.tables import (
    SPLITS,
    class_key,
    folders_in,
    listed_image,
    match_classes,
    read_csv,
    read_header,
    split_name,
)
from vip_core.errors import DataError

NUMBERED = re.compile(r"^(.*\d{3}.*)[_-][^_-]*$")  # 00000061_012: the part before the last _ or - may be a patient
MANY = 10  # patients per class from which that part is taken for one


def folder(root: Path, classes: Sequence[str], options: DataOptions, use: Use) -> Dataset:
    """Your own images, one folder per class, named as the class; optionally under train, val, test.

    A folder in a class folder is a patient: CLASS/PATIENT/IMAGE. Without such folders the patient is read from the file
    name (`patient_pattern`), or is the file name without its ending. Splits that are given are used; val may be called
    valid, validation or dev, train and test also training and testing. A name is then a patient within its split only,
    as many sets number each split from 1. Without splits: 70 / 10 / 20 % by patient. Without val, 10 % of train is held
    out. The split depends on the content of the files, not on their paths.

    Raises:
        DataError: other class folders than the symptom set's, an empty one, no train, or the same file in two splits.
    """
    given: dict[str, Path] = {}
    for path in folders_in(root):
        if (split := SPLITS.get(path.name.casefold())) is not None:
            if split in given:
                raise DataError(f"{root} has both {given[split].name} and {path.name}; keep one of them.")
            given[split] = path
    if not given:
        labels = Relabelling(options, classes)
        rows, notes = _class_folders(root, classes, options, labels)
        notes += labels.notes()
        undivided = {"test": rows} if use == "all" else split_three_ways(join_copies(rows), classes)
        return make_dataset("folder", classes, root, undivided, use, notes)
    if "train" not in given and use == "train":
        raise DataError(f"{root} has {', '.join(p.name for p in given.values())} but no train; add train/CLASS/IMAGE.")
    splits: dict[str, list[Row]] = {}
    notes: list[str] = []
    labels = Relabelling(options, classes)
    for split, path in given.items():
        splits[split], found = _class_folders(path, classes, options, labels, f"{split}/")
        notes += [note for note in found if note not in notes]
    notes += labels.notes()
    return make_dataset("folder", classes, root, splits, use, notes)


def _class_folders(
    parent: Path, classes: Sequence[str], options: DataOptions, labels: Relabelling, prefix: str = ""
) -> tuple[list[Row], list[str]]:
    folders = folders_in(parent)
    if not folders:
        raise DataError(f"{parent} has no class folders; expected one each for {list(classes)}, with its images in it.")
    contents_of = {path: search_folder(path) for path in folders}
    class_of = {path: labels.class_of(path.name, len(contents.images)) for path, contents in contents_of.items()}
    own = [path.name for path, name in class_of.items() if name == path.name]
    merged = {name for path, name in class_of.items() if name is not None and name != path.name}
    found = [*own, *sorted(name for name in merged if class_key(name) not in map(class_key, own))]
    label_of = match_classes(found, classes, parent)
    rows: list[Row] = []
    left_out: list[Path] = []
    nested = False  # folders of patients within the classes
    for path, name in class_of.items():
        if name is None:
            continue
        contents = contents_of[path]
        if not contents.images:
            endings = ", ".join(IMAGE_SUFFIXES)
            raise DataError(f"The folder {path} has no images; expected DICOM files, or files ending in {endings}.")
        left_out += contents.left_out
        for image in contents.images:
            inner = image.relative_to(path).parts[:-1]
            patient = "/".join(inner) or without_ending(image.name)
            nested = nested or bool(inner)
            rows.append(Row(image, label_of[class_key(name)], prefix + patient))
    rows, notes = with_digests(rows), []
    if not nested:
        rows, notes = _patients_of_names(rows, classes, options, prefix)
    return rows, [*notes, *([describe_left_out(left_out)] if left_out else [])]


def without_ending(name: str) -> str:
    """A file name without the ending of an image; other dots are part of the name, as in a DICOM UID."""
    return name[: -len(Path(name).suffix)] if Path(name).suffix.lower() in IMAGE_SUFFIXES else name


def _patients_of_names(
    rows: list[Row], classes: Sequence[str], options: DataOptions, prefix: str = ""
) -> tuple[list[Row], list[str]]:
    """Rows whose patient is a part of the file name, and a note that says so.

    Raises DataError where the pattern is no regular expression, or does not fit a name.
    """
    if options.patient_pattern == "":
        return rows, []
    try:
        pattern = NUMBERED if options.patient_pattern is None else re.compile(options.patient_pattern)
    except re.error as error:
        raise DataError(
            f"--patient-pattern {options.patient_pattern!r} is not a regular expression ({error})."
        ) from None
    found = [pattern.search(without_ending(row.path.name)) for row in rows]
    parts = [None if match is None else match.group(match.re.groups and 1) for match in found]
    if options.patient_pattern is not None:
        if None in parts:
            name = rows[parts.index(None)].path.name
            raise DataError(f"--patient-pattern {options.patient_pattern!r} does not fit {name}; change it.")
    else:
        patients = [
            {part for part, row in zip(parts, rows, strict=True) if row.label == c} for c in range(len(classes))
        ]
        shared = len({part for part in parts if part}) < sum(part is not None for part in parts)
        if None in parts or not shared or min(map(len, patients)) < MANY:
            return rows, []
    rows = [replace(row, patient=f"{prefix}{part}") for row, part in zip(rows, parts, strict=True)]
    example = f"{parts[0]} in {rows[0].path.name}"
    return rows, [
        f"Patients are read from file names ({example}); --patient-pattern '' treats each image "
        "as a patient of its own."
    ]


def labels_csv(root: Path, classes: Sequence[str], options: DataOptions, use: Use) -> Dataset:
    """Your own images by a CSV file, or a folder that holds labels.csv: image,label[,split][,patient].

    Paths are relative to the file's folder, or absolute. `split` is train (training), val (valid, validation, dev) or
    test (testing). Column names match without case, spaces and underscores; see `find_columns`. Where no patient is
    given, it is read from the file name (`patient_pattern`), or is the path without its ending. Other columns are kept
    in details. Without a `split` column: 70 / 10 / 20 % by patient. Without val in it: 10 % of train is held out.

    Raises:
        DataError: with the line number, a missing image, an unknown class or split, an image listed twice; with the
            name, a patient in two splits.
    """
    source = root / "labels.csv" if root.is_dir() else root
    if not source.is_file():
        raise DataError(
            f"{root} contains no labels.csv; expected that file, with the columns image, label[, split][, patient]."
        )
    label_of = match_classes(classes, classes, source)
    labels = Relabelling(options, classes)
    columns, notes = find_columns(read_header(source), options, classes, source)
    seen: dict[Path, int] = {}
    rows: list[Row] = []
    splits: list[str] = []
    for line, record in read_csv(source, list(columns.values())):
        cell, label = record.pop(columns["image"]), record.pop(columns["label"])
        path = listed_image(source.parent / cell, source, line, seen)
        if (name := labels.class_of(label)) is None:
            continue
        if class_key(name) not in label_of:
            hint = " Write the name of the class, not its number." if label.isdigit() else ""
            raise DataError(
                f"Line {line} of {source} has the class {label!r}; the symptom set has {list(classes)}.{hint} "
                "Use --merge or --leave-out for other labels."
            )
        splits.append(split_name(record.pop(columns["split"]), source, line) if "split" in columns else "")
        patient = record.pop(columns["patient"], "") if "patient" in columns else ""
        own = str(Path(cell).parent / without_ending(Path(cell).name)).removeprefix("./")
        rows.append(Row(path, label_of[class_key(name)], patient or own, record))
    notes += labels.notes()
    rows = with_digests(rows)
    if "patient" not in columns:
        rows, found = _patients_of_names(rows, classes, options)
        notes += found
    if "split" in columns:
        divided = {split: [] for split in ("train", "val", "test")}
        for row, split in zip(rows, splits, strict=True):
            divided[split].append(row)
    elif use == "all" or not rows:
        divided = {"test": rows}
    else:
        divided = split_three_ways(join_copies(rows), classes)
    return make_dataset("csv", classes, source, divided, use, notes)

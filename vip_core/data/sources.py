"""Data layouts -> tables of (path, label, patient) and their splits. No image is opened here."""

import filecmp
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vip_core.data.splits import Dataset, Row, few_shot, hold_out, make_dataset, split_three_ways
from vip_core.data.tables import (
    ENDINGS,
    SPLITS,
    folders_in,
    images_in,
    listed_image,
    match_classes,
    plain,
    read_csv,
    split_name,
)
from vip_core.errors import DataError

__all__ = ["DATASETS", "Dataset", "ListedImage", "Row", "few_shot", "isic2017_table", "load_dataset"]


@dataclass(frozen=True)
class ListedImage:
    """A line of the isic2017 table, whatever its diagnosis."""

    path: Path
    split: str
    details: Mapping[str, str]


def load_dataset(name: str, root: Path, classes: Sequence[str]) -> Dataset:
    """Read a data set; its docstring in DATASETS says which files it looks for.

    Args:
        name: a key of DATASETS.
        root: the data set's folder; for csv the file is fine too.
        classes: class names of the symptom set, in its order, which becomes the order of the labels. They are matched
            with the data's by name; case does not count, and `_` is a space.

    Raises:
        DataError: an unknown name, no such root, another layout, other classes.
    """
    if name not in DATASETS:
        raise DataError(f"There is no data set {name!r}; choose one of {', '.join(DATASETS)}.")
    root = Path(root).expanduser()
    try:
        if not root.exists():
            raise DataError(f"{root} does not exist; give --root the place of the {name} data.")
        if not root.is_dir() and name != "csv":
            raise DataError(f"{root} is a file; give --root the folder of the {name} data.")
        return DATASETS[name](root, classes)
    except OSError as error:
        raise DataError(f"{error.filename or root} cannot be read ({error.strerror}); check the --root.") from error


def pneumonia(root: Path, classes: Sequence[str]) -> Dataset:
    """Kermany et al.'s paediatric chest X-rays: classes "normal lung" and "pneumonia", 5,856 images.

    Layout: `chest_xray`, or the folder that holds it: {train,val,test}/{NORMAL,PNEUMONIA}/*.jpeg. File names are
    `personN_bacteria_M`, `personN_virus_M`, `IM-NNNN-…`, `NORMAL2-IM-NNNN-…`, or the original release's
    `{NORMAL,BACTERIA,VIRUS}-N-M`. details: `subtype` (normal, bacteria, virus) and `number`, the patient number without
    the subtype.

    Test is the official one: 234 normal, 242 bacterial, 148 viral. The public val of 16 is too small to select on and
    joins train to a pool of 5,232 (1,349 normal; 2,538 bacterial, 1,345 viral). A tenth of it is held out by patient:
    train 1,214 / 3,491, val 135 / 392 (normal / pneumonia). The paper has 1,215 / 3,495 and 134 / 388, its val being
    the tail of the sorted files, so all its val pneumonias are viral; ours differ because patients stay together.

    Patients: of 1,674 numbers N, 979 stand with both `bacteria` and `virus`, too many to be single children; the
    subtypes seem to be numbered apart, as IM and NORMAL2-IM are, though nothing proves it. Across the official split,
    number with subtype never crosses (428 in test). N alone does: 170 of the 202 numbers of test's pneumonias (320
    images) stand in the pool too, with the other subtype; so do 94 of 202 of the normals', with the other prefix. No
    image of test has a byte-identical twin in the pool. So `patient` is number with subtype, which holds for all three
    splits; between train and val, where the choice is ours, N alone does not cross either.

    Citation: Kermany, Goldbaum, Cai et al., "Identifying Medical Diagnoses and Treatable Diseases by Image-Based Deep
    Learning", Cell 172(5), 2018. Source: Mendeley Data, doi 10.17632/rscbjbr9sj, CC BY 4.0.
    """
    candidates = (root, root / "chest_xray", root / "chest_xray" / "chest_xray")
    base = next((folder for folder in candidates if (folder / "train" / "NORMAL").is_dir()), None)
    if base is None:
        raise DataError(
            f"{root} is not the pneumonia layout: neither it nor a folder chest_xray in it has train/NORMAL, "
            "train/PNEUMONIA, test/NORMAL and test/PNEUMONIA."
        )
    label_of = match_classes(("normal lung", "pneumonia"), classes, base)
    rows: dict[str, list[Row]] = {"train": [], "val": [], "test": []}
    for split in ("train", "val", "test"):
        if split == "val" and not (base / "val").is_dir():
            continue  # the original release has none
        for folder, name in (("NORMAL", "normal lung"), ("PNEUMONIA", "pneumonia")):
            for path in images_in(base / split / folder, {".jpeg", ".jpg", ".png"}):
                patient, number, subtype = _kermany_name(path)
                details = {"subtype": subtype, "number": number}
                rows[split].append(Row(path, label_of[name], patient, details))
    pool = rows["train"] + rows["val"]
    train, val = hold_out(
        pool, 0.1, classes, group=lambda row: row.details["number"], stratum=lambda row: row.details["subtype"]
    )
    return make_dataset("pneumonia", classes, base, {"train": train, "val": val, "test": rows["test"]})


_KERMANY = re.compile(
    r"(?P<number>person\d+)_(?P<subtype>bacteria|virus)_|(?P<normal>(?:NORMAL2-)?IM-\d+)-"
    r"|(?P<original>NORMAL|BACTERIA|VIRUS)-(?P<digits>\d+)-"
)


def _kermany_name(path: Path) -> tuple[str, str, str]:
    """(patient, number, subtype) of a file name."""
    found = _KERMANY.match(path.name)
    if found and (found["normal"] or found["number"]):
        number, subtype = found["normal"] or found["number"], found["subtype"] or "normal"
    elif found:
        number, subtype = found["digits"], found["original"].lower()
    if not found or (subtype == "normal") != (path.parent.name == "NORMAL"):
        raise DataError(
            f"The name of {path} does not tell its patient; it should be personN_bacteria_M or personN_virus_M in "
            "PNEUMONIA, IM-NNNN-M or NORMAL2-IM-NNNN-M in NORMAL; read your own images with --data folder."
        )
    return number if found["normal"] else f"{number}_{subtype}", number, subtype


def isic2017(root: Path, classes: Sequence[str]) -> Dataset:
    """ISIC 2017 challenge, dermoscopy: classes "melanoma" and "nevus".

    Layouts: see `isic2017_table`. The challenge has 2,000 / 150 / 600 images: 374 / 30 / 117 melanoma, 1,372 / 78 / 393
    nevus (neither melanoma nor seborrheic keratosis). The labels.csv this project measures on holds the challenge's
    training and validation images, 2,150, in a split of its own, 1,507 / 215 / 428: melanoma 284 / 40 / 80, nevus
    965 / 138 / 276. Seborrheic keratosis and unknown diagnoses are left out here. The challenge gives no patient, so
    each image counts as its own; one patient's images may cross the split unseen. Flags: 1 present, 0 absent, empty
    unknown.

    Citation: Codella, Gutman, Celebi et al., "Skin Lesion Analysis Toward Melanoma Detection: A Challenge at the 2017
    ISBI", 2018; the five attribute columns are from ISIC 2018 task 2. Source: https://challenge.isic-archive.com/data.
    """
    label_of = match_classes(("melanoma", "nevus"), classes, root)
    splits: dict[str, list[Row]] = {"train": [], "val": [], "test": []}
    for image in isic2017_table(root):
        if (diagnosis := plain(image.details["diagnosis"])) in label_of:
            splits[image.split].append(Row(image.path, label_of[diagnosis], image.path.stem, image.details))
    return make_dataset("isic2017", classes, root, splits)


_ISIC_PARTS = {"train": "Training", "val": "Validation", "test": "Test_v2"}


def isic2017_table(root: Path) -> list[ListedImage]:
    """All images of either layout, those without a class too; details hold `diagnosis` (empty: unknown).

    labels.csv: image, split, diagnosis; other columns are kept in details.
    The challenge's own files: ISIC-2017_Training_Data/ and ISIC-2017_Training_Part3_GroundTruth.csv, with Validation
    and Test_v2 alike. Both flags 0 is a nevus.

    Raises:
        DataError: neither layout, a missing file or column, an unknown split, an image listed twice.
    """
    source, seen = root / "labels.csv", {}
    if source.is_file():
        table = []
        for line, record in read_csv(source, ("image", "split", "diagnosis")):
            path = listed_image(root / record.pop("image"), source, line, seen)
            table.append(ListedImage(path, split_name(record.pop("split"), source, line), record))
        return table
    if not (root / "ISIC-2017_Training_Part3_GroundTruth.csv").is_file():
        raise DataError(
            f"{root} is not the isic2017 layout: it has neither labels.csv (columns image, split, diagnosis) nor the "
            "challenge's ISIC-2017_Training_Part3_GroundTruth.csv beside ISIC-2017_Training_Data/."
        )
    table = []
    for split, part in _ISIC_PARTS.items():
        folder, source = root / f"ISIC-2017_{part}_Data", root / f"ISIC-2017_{part}_Part3_GroundTruth.csv"
        if not source.exists() and not folder.exists():
            continue
        for line, record in read_csv(source, ("image_id", "melanoma", "seborrheic_keratosis")):
            path = listed_image(folder / f"{record.pop('image_id')}.jpg", source, line, seen)
            table.append(ListedImage(path, split, {**record, "diagnosis": _isic_diagnosis(record, source, line)}))
    return table


def _isic_diagnosis(record: Mapping[str, str], source: Path, line: int) -> str:
    try:
        flags = [float(record[name]) for name in ("melanoma", "seborrheic_keratosis")]
        return {(0, 0): "nevus", (1, 0): "melanoma", (0, 1): "seborrheic_keratosis"}[tuple(flags)]
    except (ValueError, KeyError):
        raise DataError(
            f"Line {line} of {source} has the flags {record['melanoma']!r} and {record['seborrheic_keratosis']!r}; "
            "each is 0.0 or 1.0, and at most one of them 1.0."
        ) from None


def derm7pt(root: Path, classes: Sequence[str]) -> Dataset:
    """Seven-point checklist data, dermoscopy: classes "melanoma" and "nevus", 827 of 1,011 cases.

    Layout: `release_v0`, or the folder that holds it: images/, meta/meta.csv, meta/{train,valid,test}_indexes.csv
    (column `indexes`: row numbers of meta.csv from 0). Melanoma is every diagnosis that contains "melanoma" (metastasis
    is one, melanosis is not), nevus every one that contains "nevus"; the image is the dermoscopic one (`derm`). The
    official split gives the paper's counts: melanoma 90 / 61 / 101, nevus 256 / 100 / 219. A case (`case_num`) is taken
    as a patient. details keep the other columns, the seven criteria among them.

    Citation: Kawahara, Daneshvar, Argenziano, Hamarneh, "Seven-Point Checklist and Skin Lesion Classification using
    Multitask Multimodal Neural Nets", IEEE JBHI 23(2), 2019. Source: https://derm.cs.sfu.ca; not to be passed on.
    """
    base = next((folder for folder in (root, root / "release_v0") if (folder / "meta" / "meta.csv").is_file()), None)
    if base is None:
        raise DataError(
            f"{root} is not the derm7pt layout: neither it nor a folder release_v0 in it has images/ and meta/meta.csv."
        )
    label_of = match_classes(("melanoma", "nevus"), classes, base)
    meta = base / "meta" / "meta.csv"
    records = read_csv(meta, ("diagnosis", "derm"))
    splits: dict[str, list[Row]] = {}
    for split, stem in (("train", "train"), ("val", "valid"), ("test", "test")):
        source, splits[split] = base / "meta" / f"{stem}_indexes.csv", []
        for line, cells in read_csv(source, ("indexes",)):
            if not cells["indexes"].isdecimal() or int(cells["indexes"]) >= len(records):
                raise DataError(
                    f"Line {line} of {source} has the index {cells['indexes']!r}; "
                    f"it should be a row number of meta.csv, 0 to {len(records) - 1}."
                )
            index = int(cells["indexes"])
            meta_line, record = records[index]
            name = next((part for part in ("melanoma", "nevus") if part in record["diagnosis"].casefold()), None)
            if name is None:
                continue
            path = listed_image(base / "images" / record["derm"], meta, meta_line, {})
            details = {column: cell for column, cell in record.items() if column not in ("case_num", "derm")}
            splits[split].append(Row(path, label_of[name], record.get("case_num") or f"row {index}", details))
    return make_dataset("derm7pt", classes, base, splits)


def folder(root: Path, classes: Sequence[str]) -> Dataset:
    """Your own images, one folder a class, named as the class; optionally under train, val, test.

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
        Row(image, label_of[plain(path.name)], prefix + image.stem)
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
        if plain(label) not in label_of:
            raise DataError(f"Line {line} of {source} has the class {label!r}; the symptom set has {list(classes)}.")
        split = split_name(record.pop("split"), source, line) if "split" in record else ""
        patient = record.pop("patient", "") or Path(cell).with_suffix("").as_posix()
        splits[split].append(Row(path, label_of[plain(label)], patient, record))
    undivided = splits.pop("")
    return make_dataset("csv", classes, source, split_three_ways(undivided, classes) if undivided else splits)


DATASETS: dict[str, Callable[[Path, Sequence[str]], Dataset]] = {
    "pneumonia": pneumonia,
    "isic2017": isic2017,
    "derm7pt": derm7pt,
    "folder": folder,
    "csv": labels_csv,
}

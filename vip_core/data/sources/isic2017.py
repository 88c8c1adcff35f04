"""The ISIC 2017 challenge's dermoscopy images. No image is opened here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vip_core.data.dataset import Dataset, Row
from vip_core.data.options import DataOptions, Use
from vip_core.data.splits import make_dataset
from vip_core.data.tables import class_key, listed_image, match_classes, read_csv, split_name
from vip_core.errors import DataError

_CLASSES = ("melanoma", "nevus")
_PARTS = {"train": "Training", "val": "Validation", "test": "Test_v2"}


@dataclass(frozen=True)
class ListedImage:
    """A line of the isic2017 table, whatever its diagnosis."""

    path: Path
    split: str
    details: Mapping[str, str]


def isic2017(root: Path, classes: Sequence[str], options: DataOptions, use: Use) -> Dataset:
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
    if sorted(map(class_key, classes)) != sorted(_CLASSES):
        raise DataError(
            f"isic2017 reads only images of {list(_CLASSES)}; the symptom set has {list(classes)}; give a "
            "symptom file with these two classes, or list your images in a table of your own for --data csv."
        )
    label_of = match_classes(_CLASSES, classes, root)
    splits: dict[str, list[Row]] = {"train": [], "val": [], "test": []}
    for image in isic2017_table(root):
        if (diagnosis := class_key(image.details["diagnosis"])) in label_of:
            splits[image.split].append(Row(image.path, label_of[diagnosis], image.path.stem, image.details))
    return make_dataset("isic2017", classes, root, splits, use)


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
            f"{root} does not have the isic2017 layout: it has neither labels.csv (columns image, split, diagnosis) "
            "nor the challenge's ISIC-2017_Training_Part3_GroundTruth.csv beside ISIC-2017_Training_Data/."
        )
    table = []
    for split, part in _PARTS.items():
        folder, source = root / f"ISIC-2017_{part}_Data", root / f"ISIC-2017_{part}_Part3_GroundTruth.csv"
        if not source.exists() and not folder.exists():
            continue
        for line, record in read_csv(source, ("image_id", "melanoma", "seborrheic_keratosis")):
            path = listed_image(folder / f"{record.pop('image_id')}.jpg", source, line, seen)
            table.append(ListedImage(path, split, {**record, "diagnosis": _diagnosis(record, source, line)}))
    return table


def _diagnosis(record: Mapping[str, str], source: Path, line: int) -> str:
    try:
        flags = (float(record["melanoma"]), float(record["seborrheic_keratosis"]))
        return {(0.0, 0.0): "nevus", (1.0, 0.0): "melanoma", (0.0, 1.0): "seborrheic_keratosis"}[flags]
    except (ValueError, KeyError):
        raise DataError(
            f"Line {line} of {source} has the flags {record['melanoma']!r} and {record['seborrheic_keratosis']!r}; "
            "each is 0.0 or 1.0, and at most one of them 1.0."
        ) from None

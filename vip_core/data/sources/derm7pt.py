"""The seven-point checklist's dermoscopy images. No image is opened here."""

from collections.abc import Sequence
from pathlib import Path

from vip_core.data.dataset import Dataset, Row
from vip_core.data.options import DataOptions, Use
from vip_core.data.splits import make_dataset
from vip_core.data.tables import listed_image, match_classes, read_csv
from vip_core.errors import DataError


def derm7pt(root: Path, classes: Sequence[str], options: DataOptions, use: Use) -> Dataset:
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
            f"{root} does not have the derm7pt layout: neither it nor a folder release_v0 in it has images/ and "
            "meta/meta.csv."
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
    return make_dataset("derm7pt", classes, base, splits, use)

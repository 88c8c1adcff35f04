"""Kermany et al.'s paediatric chest X-rays. No image is opened here."""

import re
from collections.abc import Sequence
from pathlib import Path

from vip_core.data.dataset import Dataset, Row
from vip_core.data.options import DataOptions, Use
from vip_core.data.splits import hold_out, make_dataset
from vip_core.data.tables import images_in, match_classes
from vip_core.errors import DataError

_NAME = re.compile(
    r"(?P<number>person\d+)_(?P<subtype>bacteria|virus)_|(?P<normal>(?:NORMAL2-)?IM-\d+)-"
    r"|(?P<original>NORMAL|BACTERIA|VIRUS)-(?P<digits>\d+)-"
)


def pneumonia(root: Path, classes: Sequence[str], options: DataOptions, use: Use) -> Dataset:
    """Kermany et al.'s paediatric chest X-rays: classes "normal lung" and "pneumonia", 5,856 images.

    Layout: `chest_xray`, or the folder that holds it: {train,val,test}/{NORMAL,PNEUMONIA}/*.jpeg. File names are
    `personN_bacteria_M`, `personN_virus_M`, `IM-NNNN-…`, `NORMAL2-IM-NNNN-…`, or the original release's
    `{NORMAL,BACTERIA,VIRUS}-N-M`. details: `subtype` (normal, bacteria, virus) and `number`, the patient number without
    the subtype.

    Test is the official one: 234 normal, 242 bacterial, 148 viral. The public val of 16 is too small to select on and
    joins train to a pool of 5,232 (1,349 normal; 2,538 bacterial, 1,345 viral). A tenth of it is held out by patient:
    train 1,214 / 3,491, val 135 / 392 (normal / pneumonia). The paper has 1,215 / 3,495 and 134 / 388, its val being
    the tail of the sorted files, so all its val pneumonias are viral; ours differ because patients stay together.

    Patients: of 1,674 numbers N, 979 occur with both `bacteria` and `virus`, too many to be single children; the
    subtypes seem to be numbered apart, as IM and NORMAL2-IM are, though nothing proves it. Across the official split,
    number with subtype never crosses (428 in test). N alone does: 170 of the 202 numbers of test's pneumonias (320
    images) are in the pool too, with the other subtype; so do 94 of 202 of the normals', with the other prefix. No
    image of test has a byte-identical twin in the pool. So `patient` is number with subtype, which works for all three
    splits; between train and val, where the choice is ours, N alone does not cross either.

    Citation: Kermany, Goldbaum, Cai et al., "Identifying Medical Diagnoses and Treatable Diseases by Image-Based Deep
    Learning", Cell 172(5), 2018. Source: Mendeley Data, doi 10.17632/rscbjbr9sj, CC BY 4.0.
    """
    candidates = (root, root / "chest_xray", root / "chest_xray" / "chest_xray")
    base = next((folder for folder in candidates if (folder / "train" / "NORMAL").is_dir()), None)
    if base is None:
        raise DataError(
            f"{root} does not have the pneumonia layout: neither it nor a folder chest_xray in it has train/NORMAL, "
            "train/PNEUMONIA, test/NORMAL and test/PNEUMONIA."
        )
    label_of = match_classes(("normal lung", "pneumonia"), classes, base)
    rows: dict[str, list[Row]] = {"train": [], "val": [], "test": []}
    for split in ("train", "val", "test"):
        if split == "val" and not (base / "val").is_dir():
            continue  # the original release has none
        for folder, name in (("NORMAL", "normal lung"), ("PNEUMONIA", "pneumonia")):
            for path in images_in(base / split / folder, {".jpeg", ".jpg", ".png"}):
                patient, number, subtype = patient_of(path)
                details = {"subtype": subtype, "number": number}
                rows[split].append(Row(path, label_of[name], patient, details))
    pool = rows["train"] + rows["val"]
    train, val = hold_out(
        pool, 0.1, classes, group=lambda row: row.details["number"], stratum=lambda row: row.details["subtype"]
    )
    return make_dataset("pneumonia", classes, base, {"train": train, "val": val, "test": rows["test"]}, use)


def patient_of(path: Path) -> tuple[str, str, str]:
    """(patient, number, subtype) of a file name."""
    found = _NAME.match(path.name)
    number = subtype = ""
    if found and (found["normal"] or found["number"]):
        number, subtype = found["normal"] or found["number"], found["subtype"] or "normal"
    elif found:
        number, subtype = found["digits"], found["original"].lower()
    if not found or (subtype == "normal") != (path.parent.name == "NORMAL"):
        raise DataError(
            f"The name of {path} does not identify its patient; expected personN_bacteria_M or personN_virus_M in "
            "PNEUMONIA, IM-NNNN-M or NORMAL2-IM-NNNN-M in NORMAL; read your own images with --data folder."
        )
    return number if found["normal"] else f"{number}_{subtype}", number, subtype

"""Each layout gives the right labels in the symptom set's order, patients stay together, and mistakes get a sentence.

The last tests read the real data: the folder that VIP_DATA names, or ../shared/data; without it they are skipped.
"""

import os
import random
from collections import Counter
from pathlib import Path

import pytest

from vip_core.data.sources import DATASETS, load_dataset
from vip_core.data.sources.isic2017 import isic2017_table
from vip_core.data.splits import refuse_shared_patients
from vip_core.errors import DataError

LUNG = ("normal lung", "pneumonia")
SKIN = ("melanoma", "nevus")


def put(*paths: Path) -> None:
    """Files that differ: no loader opens an image, but each is known by its content."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_dir():
            path.write_text("/".join(path.parts[-2:]))


def write(path: Path, *lines: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return path


def by_name(rows, classes) -> dict[str, str]:
    return {row.path.name: classes[row.label] for row in rows}


def refused(name: str, root: Path, classes=LUNG) -> str:
    """The error's sentence."""
    with pytest.raises(DataError) as caught:
        load_dataset(name, root, classes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# pneumonia


def kermany_paths() -> list[str]:
    """A small chest_xray: 30 numbers with both subtypes, 20 normals of either form; other patients in test."""
    paths = ["val/NORMAL/NORMAL2-IM-1427-0001.jpeg", "val/PNEUMONIA/person1946_bacteria_4874.jpeg"]
    for n in range(30):
        paths += [f"train/PNEUMONIA/person{n}_bacteria_{m}.jpeg" for m in range(3)]
        paths += [f"train/PNEUMONIA/person{n}_virus_{n}.jpeg", f"train/PNEUMONIA/person{n}_virus_{n}_1.jpeg"]
    for n in range(20):
        paths += [f"train/NORMAL/IM-{n:04}-0001.jpeg", f"train/NORMAL/NORMAL2-IM-{n:04}-0001.jpeg"]
        paths += [f"train/NORMAL/IM-{n:04}-0001-0002.jpeg"]
    return [*paths, "test/NORMAL/IM-0900-0001.jpeg", "test/PNEUMONIA/person90_virus_1.jpg"]


def make_kermany(root: Path, order: random.Random | None = None) -> Path:
    paths = kermany_paths()
    if order:
        order.shuffle(paths)
    put(*(root / "chest_xray" / path for path in paths))
    return root


def test_pneumonia_keeps_the_test_split_and_holds_out_a_tenth_of_the_rest_by_patient(tmp_path):
    data = load_dataset("pneumonia", make_kermany(tmp_path), LUNG)
    assert [row.path.name for row in data.test] == ["IM-0900-0001.jpeg", "person90_virus_1.jpg"]
    pool = Counter(row.details["subtype"] for row in data.train + data.val)
    assert pool == {"normal": 61, "bacteria": 91, "virus": 60}
    held = Counter(row.details["subtype"] for row in data.val)
    assert all(abs(held[subtype] - pool[subtype] / 10) <= 2 for subtype in pool)
    refuse_shared_patients({"train": data.train, "val": data.val, "test": data.test})
    numbers = [{row.path.name.split("_")[0] for row in rows} for rows in (data.train, data.val)]
    assert numbers[0].isdisjoint(numbers[1]), "personN crosses, whatever the subtype"


def test_pneumonia_reads_patient_and_subtype_from_the_file_name(tmp_path):
    data = load_dataset("pneumonia", make_kermany(tmp_path), LUNG)
    told = {row.path.name: (row.patient, row.details["subtype"]) for row in data.train + data.val}
    assert told["person7_virus_7_1.jpeg"] == ("person7_virus", "virus")
    assert told["person7_bacteria_2.jpeg"] == ("person7_bacteria", "bacteria")
    assert told["IM-0003-0001.jpeg"] == told["IM-0003-0001-0002.jpeg"] == ("IM-0003", "normal")
    assert told["NORMAL2-IM-0003-0001.jpeg"] == ("NORMAL2-IM-0003", "normal")


def test_pneumonia_reads_the_original_release_without_val(tmp_path):
    for n in range(4):
        put(tmp_path / f"train/NORMAL/NORMAL-{n}-0001.jpeg")
        put(tmp_path / f"train/PNEUMONIA/BACTERIA-{n}-0001.jpeg", tmp_path / f"train/PNEUMONIA/VIRUS-{n}-0001.jpeg")
    put(tmp_path / "test/NORMAL/NORMAL-9-0001.jpeg", tmp_path / "test/PNEUMONIA/VIRUS-8-0001.jpeg")
    data = load_dataset("pneumonia", tmp_path, LUNG)
    assert len(data.train + data.val) == 12
    assert {row.details["subtype"] for row in data.train} == {"normal", "bacteria", "virus"}


def test_pneumonia_split_does_not_depend_on_the_order_of_making(tmp_path):
    splits = []
    for seed in range(3):
        root = make_kermany(tmp_path / str(seed), random.Random(seed))
        data = load_dataset("pneumonia", root, LUNG)
        splits.append([[row.path.relative_to(root) for row in rows] for rows in (data.train, data.val, data.test)])
    assert splits[0] == splits[1] == splits[2]


def test_pneumonia_root_is_chest_xray_or_its_parent_and_mac_files_are_not_images(tmp_path):
    plain = load_dataset("pneumonia", make_kermany(tmp_path), LUNG)
    normal = tmp_path / "chest_xray/train/NORMAL"
    put(normal / ".DS_Store", normal / "._IM-0001-0001.jpeg", tmp_path / "__MACOSX/chest_xray/train/NORMAL/._a.jpeg")
    put(tmp_path / "chest_xray/__MACOSX/train/NORMAL/._a.jpeg", normal / "Thumbs.db")
    assert load_dataset("pneumonia", tmp_path / "chest_xray", LUNG) == plain


def test_load_dataset_orders_classes_as_the_symptom_set_and_matches_names_loosely(tmp_path):
    data = load_dataset("pneumonia", make_kermany(tmp_path), ["Pneumonia", "Normal_Lung"])
    assert data.classes == ("Pneumonia", "Normal_Lung")
    assert {row.path.parent.name: row.label for row in data.train} == {"PNEUMONIA": 0, "NORMAL": 1}


def test_pneumonia_mistakes_get_one_sentence(tmp_path):
    root = make_kermany(tmp_path)
    sentence = refused("pneumonia", root, ("healthy", "pneumonia"))
    assert "['normal lung', 'pneumonia']" in sentence and "['healthy', 'pneumonia']" in sentence
    empty = tmp_path / "empty"
    empty.mkdir()
    sentence = refused("pneumonia", empty)
    assert str(empty) in sentence and "train/NORMAL, train/PNEUMONIA, test/NORMAL and test/PNEUMONIA" in sentence
    stray = root / "chest_xray/train/NORMAL/person1_virus_1.jpeg"
    put(stray)
    assert str(stray) in refused("pneumonia", root)
    stray.rename(stray.with_name("scan1.jpeg"))
    assert "scan1.jpeg does not identify its patient" in refused("pneumonia", root)
    (stray.with_name("scan1.jpeg")).unlink()
    copy = root / "chest_xray/test/PNEUMONIA/person3_virus_3.jpeg"
    put(copy)
    assert "The patient 'person3_virus' is in" in refused("pneumonia", root)
    copy.unlink()
    (root / "chest_xray/test/NORMAL/IM-0900-0001.jpeg").unlink()
    assert "chest_xray/test/NORMAL has no images" in refused("pneumonia", root)
    (root / "chest_xray/test/NORMAL").rmdir()
    assert "chest_xray/test/NORMAL is missing" in refused("pneumonia", root)


# isic2017


def make_isic_table(root: Path) -> Path:
    lines = ["image,split,melanoma,diagnosis,pigment_network,streaks,age,sex"]
    kinds = [("1", "melanoma"), ("0", "nevus"), ("0", "seborrheic_keratosis"), ("0", "")]
    for split in ("test", "val", "train"):
        for flag, diagnosis in kinds:
            name = f"images/ISIC_{len(lines):07}.jpg"
            lines.append(f"{name},{split},{flag},{diagnosis},1,,55,female")
            put(root / name)
    write(root / "labels.csv", *lines)
    return root


def make_isic_challenge(root: Path, parts=("Training", "Validation", "Test_v2")) -> Path:
    for p, part in enumerate(parts):
        lines = ["image_id,melanoma,seborrheic_keratosis"]
        for i, flags in enumerate(["0.0,0.0", "1.0,0.0", "0.0,1.0"] * 3):
            name = f"ISIC_{100 * p + i:07}"
            lines.append(f"{name},{flags}")
            put(root / f"ISIC-2017_{part}_Data/{name}.jpg", root / f"ISIC-2017_{part}_Data/{name}_superpixels.png")
        write(root / f"ISIC-2017_{part}_Part3_GroundTruth.csv", *lines)
    return root


def test_isic_table_uses_its_split_and_leaves_out_other_diagnoses(tmp_path):
    data = load_dataset("isic2017", make_isic_table(tmp_path), ("nevus", "melanoma"))
    assert by_name(data.train, data.classes) == {"ISIC_0000009.jpg": "melanoma", "ISIC_0000010.jpg": "nevus"}
    assert by_name(data.test, data.classes) == {"ISIC_0000001.jpg": "melanoma", "ISIC_0000002.jpg": "nevus"}
    row = data.train[0]
    assert row.patient == "ISIC_0000009"
    assert (row.details["pigment_network"], row.details["streaks"], row.details["age"]) == ("1", "", "55")
    table = isic2017_table(tmp_path)
    assert Counter(image.split for image in table) == {"train": 4, "val": 4, "test": 4}
    assert {image.details["diagnosis"] for image in table} == {"melanoma", "nevus", "seborrheic_keratosis", ""}


def test_isic_challenge_files_read_both_flags_0_as_nevus(tmp_path):
    data = load_dataset("isic2017", make_isic_challenge(tmp_path), SKIN)
    for split in ("train", "val", "test"):
        assert Counter(data.classes[row.label] for row in data.split(split)) == {"nevus": 3, "melanoma": 3}
    assert by_name(data.test, SKIN)["ISIC_0000200.jpg"] == "nevus"
    assert by_name(data.test, SKIN)["ISIC_0000201.jpg"] == "melanoma"
    table = isic2017_table(tmp_path)
    assert len(table) == 27 and not any("superpixels" in image.path.name for image in table)
    assert Counter(image.details["diagnosis"] for image in table)["seborrheic_keratosis"] == 9


def test_isic_challenge_without_its_validation_part_holds_out_some(tmp_path):
    data = load_dataset("isic2017", make_isic_challenge(tmp_path, ("Training", "Test_v2")), SKIN)
    assert (len(data.train), len(data.val), len(data.test)) == (4, 2, 6)


def test_isic_mistakes_get_one_sentence(tmp_path):
    sentence = refused("isic2017", tmp_path, SKIN)
    assert "labels.csv" in sentence and "ISIC-2017_Training_Part3_GroundTruth.csv" in sentence
    challenge = make_isic_challenge(tmp_path / "challenge")
    (challenge / "ISIC-2017_Validation_Part3_GroundTruth.csv").unlink()
    assert "ISIC-2017_Validation_Part3_GroundTruth.csv cannot be read" in refused("isic2017", challenge, SKIN)
    both = challenge / "ISIC-2017_Training_Part3_GroundTruth.csv"
    write(both, "image_id,melanoma,seborrheic_keratosis", "ISIC_0000000,1.0,1.0")
    assert "Line 2" in refused("isic2017", challenge, SKIN)
    table = make_isic_table(tmp_path / "table")
    assert "['melanoma', 'nevus']" in refused("isic2017", table, LUNG)
    three = ("melanoma", "nevus", "seborrheic keratosis")  # whose images the table does hold
    assert "reads only images of ['melanoma', 'nevus']" in (sentence := refused("isic2017", table, three))
    assert "--data csv" in sentence and "has the classes" not in sentence
    write(table / "labels.csv", "image,split,diagnosis", "images/ISIC_0000001.jpg,holdout,nevus")
    assert "Line 2" in (sentence := refused("isic2017", table, SKIN)) and "'holdout'" in sentence


# derm7pt

DIAGNOSES = {
    "melanoma (in situ)": "melanoma",
    "melanoma metastasis": "melanoma",
    "Melanoma (less than 0.76 mm)": "melanoma",
    "melanosis": None,
    "clark nevus": "nevus",
    "reed or spitz nevus": "nevus",
    "blue nevus": "nevus",
    "basal cell carcinoma": None,
}


def make_derm7pt(root: Path, header: str = "case_num,diagnosis,pigment_network,clinic,derm,notes") -> Path:
    """Every diagnosis once a split, the splits interleaved; a note with a comma in quotes."""
    lines, indexes = [header], {"train": ["indexes"], "valid": ["indexes"], "test": ["indexes"]}
    for case in range(3 * len(DIAGNOSES)):
        diagnosis = list(DIAGNOSES)[case // 3]
        lines.append(f'{case + 500},{diagnosis},typical,A/c{case}.jpg,A/d{case}.jpg,"a, b"')
        put(root / f"images/A/d{case}.jpg")
        list(indexes.values())[case % 3].append(str(case))
    write(root / "meta/meta.csv", *lines)
    for split, rows in indexes.items():
        write(root / f"meta/{split}_indexes.csv", *rows)
    return root


def test_derm7pt_counts_metastasis_as_melanoma_and_not_melanosis(tmp_path):
    make_derm7pt(tmp_path / "release_v0")
    data = load_dataset("derm7pt", tmp_path, ("nevus", "melanoma"))
    assert data == load_dataset("derm7pt", tmp_path / "release_v0", ("nevus", "melanoma"))
    for rows in (data.train, data.val, data.test):
        found = {row.details["diagnosis"]: data.classes[row.label] for row in rows}
        assert found == {diagnosis: name for diagnosis, name in DIAGNOSES.items() if name}
    row = data.val[0]
    assert (row.path.name, row.patient, row.details["pigment_network"]) == ("d1.jpg", "501", "typical")
    assert row.details["notes"] == "a, b"


def test_derm7pt_without_case_numbers_counts_rows(tmp_path):
    data = load_dataset("derm7pt", make_derm7pt(tmp_path, "number,diagnosis,network,clinic,derm,notes"), SKIN)
    assert data.test[0].patient == "row 2"


def test_derm7pt_mistakes_get_one_sentence(tmp_path):
    assert "meta/meta.csv" in refused("derm7pt", tmp_path, SKIN)
    root = make_derm7pt(tmp_path / "release_v0")
    assert "['normal lung', 'pneumonia']" in refused("derm7pt", root, LUNG)
    valid = root / "meta/valid_indexes.csv"
    for index in ("24", "-1", "1.5", "x"):
        write(valid, "indexes", index)
        assert "Line 2" in (sentence := refused("derm7pt", root, SKIN)) and "0 to 23" in sentence
    write(valid, "indexes", "0")
    assert "The patient '500' is in train" in refused("derm7pt", root, SKIN)
    write(valid, "index", "1")
    assert "valid_indexes.csv lacks the columns ['indexes']" in refused("derm7pt", root, SKIN)
    write(valid, "indexes", "1")
    (root / "images/A/d1.jpg").unlink()
    assert "Line 3" in (sentence := refused("derm7pt", root, SKIN)) and "d1.jpg" in sentence
    valid.unlink()
    assert "valid_indexes.csv cannot be read" in refused("derm7pt", root, SKIN)


# any layout


def test_load_dataset_refuses_an_unknown_name_and_a_missing_root(tmp_path):
    assert "choose one of pneumonia, isic2017, derm7pt, folder, csv" in refused("mnist", tmp_path)
    for name in DATASETS:
        assert f"{tmp_path / 'gone'} does not exist" in refused(name, tmp_path / "gone")
    file = tmp_path / "file.txt"
    file.touch()
    for name in DATASETS.keys() - {"csv"}:
        assert f"{file} is a file" in refused(name, file)


# real data

REAL = Path(os.environ.get("VIP_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")


def real(folder: str) -> Path:
    if not (REAL / folder).is_dir():
        pytest.skip(f"needs the real data in {folder} under VIP_DATA or ../shared/data")
    return REAL / folder


def test_real_pneumonia_counts_and_patients():
    data = load_dataset("pneumonia", real("pneumonia"), LUNG)
    assert (len(data.train) + len(data.val), len(data.test)) == (5232, 624)
    assert Counter(row.details["subtype"] for row in data.test) == {"normal": 234, "bacteria": 242, "virus": 148}
    assert Counter(row.label for row in data.train) == {0: 1214, 1: 3491}  # as the docstring says
    assert Counter(row.label for row in data.val) == {0: 135, 1: 392}
    assert Counter(row.details["subtype"] for row in data.val) == {"normal": 135, "bacteria": 254, "virus": 138}
    refuse_shared_patients({"train": data.train, "val": data.val, "test": data.test})
    number = {split: {row.details["number"] for row in data.split(split)} for split in ("train", "val", "test")}
    assert number["train"].isdisjoint(number["val"])
    shared = {n for n in number["test"] & (number["train"] | number["val"]) if n.startswith("person")}
    assert len(shared) == 170  # N alone crosses the official split, as the docstring says
    assert sum(row.details["number"] in shared for row in data.test) == 320


def test_real_isic2017_counts():
    data = load_dataset("isic2017", real("isic2017"), SKIN)
    assert Counter(data.classes[row.label] for row in data.test) == {"melanoma": 80, "nevus": 276}
    assert Counter(data.classes[row.label] for row in data.train) == {"melanoma": 284, "nevus": 965}
    assert Counter(data.classes[row.label] for row in data.val) == {"melanoma": 40, "nevus": 138}
    assert Counter(image.split for image in isic2017_table(REAL / "isic2017")) == {
        "train": 1507,
        "val": 215,
        "test": 428,
    }

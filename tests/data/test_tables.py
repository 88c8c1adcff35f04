"""A user's images, by class folders or a CSV file: labels by name, patients together, mistakes named by place."""

import random
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from vip_core.data.dataset import Row
from vip_core.data.options import DataOptions
from vip_core.data.sources import load_dataset
from vip_core.data.split_file import refuse_seen, write_splits
from vip_core.data.splits import refuse_shared_patients
from vip_core.errors import DataError

LUNG = ("normal lung", "pneumonia")


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


# folder


def make_folder(root: Path, images: int = 20, prefix: str = "") -> Path:
    """`b` before `a` in the making; each image in two formats, which are one patient."""
    for name in ("b_class", "A class"):
        (root / name).mkdir(parents=True)
        for i in range(images):
            size = (2 + sum(map(ord, prefix)) % 97, 2 + ord(name[0]) % 31)  # no two alike
            picture = Image.new("L", size, i * 9)
            picture.save(root / name / f"{prefix}{name[0]}{i}.png")
            picture.save(root / name / f"{prefix}{name[0]}{i}.JPG", format="JPEG")
    return root


def test_folder_without_splits_is_split_70_10_20_by_file_stem(tmp_path):
    data = load_dataset("folder", make_folder(tmp_path), ("b class", "a class"))
    assert (len(data.train), len(data.val), len(data.test)) == (56, 8, 16)
    stems = [{row.path.stem for row in rows} for rows in (data.train, data.val, data.test)]
    assert not stems[0] & stems[1] | stems[0] & stems[2] | stems[1] & stems[2]
    assert all(data.classes[row.label][0] == row.path.stem[0].lower() for row in data.train + data.val + data.test)
    assert Counter(row.label for row in data.test) == {0: 8, 1: 8}


@pytest.mark.parametrize("validation", ["val", "valid", "Validation"])
def test_folder_with_splits_uses_them(tmp_path, validation):
    for split in ("train", validation, "test"):
        make_folder(tmp_path / split, 3, prefix=split)
    put(tmp_path / "__MACOSX/x.png", tmp_path / "train/.cache/x.png", tmp_path / "train/b_class/._x.png")
    data = load_dataset("folder", tmp_path, ("a class", "b class"))
    for split, folder in (("train", "train"), ("val", validation), ("test", "test")):
        assert len(data.split(split)) == 12
        assert {row.path.relative_to(tmp_path).parts[0] for row in data.split(split)} == {folder}


def test_folder_without_val_holds_a_tenth_of_train_out_and_test_may_be_missing(tmp_path):
    make_folder(tmp_path / "train")
    data = load_dataset("folder", tmp_path, ("a class", "b class"))
    assert (len(data.train), len(data.val), data.test) == (72, 8, ())
    refuse_shared_patients({"train": data.train, "val": data.val})


def test_folder_names_may_repeat_across_given_splits_but_images_may_not(tmp_path):
    for split, shade in (("train", 10), ("test", 200)):
        for name in ("a class", "b class"):
            (tmp_path / split / name).mkdir(parents=True)
            for i in range(4):
                Image.new("L", (2, 2), shade + i + 20 * (name[0] == "b")).save(
                    tmp_path / split / name / f"{name[0]}{i}.png"
                )
    assert len(load_dataset("folder", tmp_path, ("a class", "b class")).test) == 8
    source = tmp_path / "train/a class/a1.png"
    (tmp_path / "test/a class/a1.png").write_bytes(source.read_bytes())
    sentence = refused("folder", tmp_path, ("a class", "b class"))
    assert "a1.png is the same image as" in sentence and str(source) in sentence


def test_folder_split_does_not_depend_on_the_order_of_making(tmp_path):
    names = [f"{name}/{name[0]}{i}.png" for name in ("a class", "b class") for i in range(30)]
    splits = []
    for seed in range(3):
        root = tmp_path / str(seed)
        put(*(root / name for name in random.Random(seed).sample(names, len(names))))
        data = load_dataset("folder", root, ("a class", "b class"))
        splits.append([[row.path.relative_to(root) for row in rows] for rows in (data.train, data.val, data.test)])
    assert splits[0] == splits[1] == splits[2]


def test_folder_mistakes_get_one_sentence(tmp_path):
    classes = ("a class", "b class")
    assert f"{tmp_path} has no class folders" in refused("folder", tmp_path, classes)
    root = make_folder(tmp_path / "plain")
    sentence = refused("folder", root, ("a class", "c class"))
    assert "['A class', 'b_class']" in sentence and "['a class', 'c class']" in sentence
    (root / "b class").mkdir()
    assert "['A class', 'b class', 'b_class']" in refused("folder", root, classes)
    (root / "b class").rmdir()
    for path in (root / "b_class").iterdir():
        path.unlink()
    assert f"{root / 'b_class'} has no images" in refused("folder", root, classes)
    put(tmp_path / "no_train/test/a class/x.png")
    assert "no_train has test but no train" in refused("folder", tmp_path / "no_train", classes)
    make_folder(tmp_path / "twice/train"), make_folder(tmp_path / "twice/val"), make_folder(tmp_path / "twice/valid")
    assert "has both val and valid" in refused("folder", tmp_path / "twice", classes)
    put(tmp_path / "few/a class/x.png", tmp_path / "few/b class/y.png")
    assert "The class 'a class' has images of only 1 patient" in refused("folder", tmp_path / "few", classes)


# csv


def make_csv(root: Path, *rows: str, header: str = "image,label", encoding: str = "utf-8") -> Path:
    put(*(root / row.split(",")[0] for row in rows))
    return write(root / "labels.csv", header, *rows, encoding=encoding)


def test_csv_takes_the_file_or_its_folder_and_paths_of_either_kind(tmp_path):
    far = tmp_path / "elsewhere" / "x.png"
    put(far)
    rows = ["sub/a.png,Normal lung,train,p1,55", "b.png,PNEUMONIA,valid,p2,", f"{far},normal_lung,test,p3,40"]
    rows += ["c.png,pneumonia,Train,p1,30"]
    source = make_csv(tmp_path / "own", *rows, header="image, label,split,patient,age", encoding="utf-8-sig")
    data = load_dataset("csv", source, ("pneumonia", "normal lung"))
    assert data == load_dataset("csv", source.parent, ("pneumonia", "normal lung"))
    assert by_name(data.train, data.classes) == {"a.png": "normal lung", "c.png": "pneumonia"}
    assert [row.patient for row in data.train] == ["p1", "p1"]
    assert data.test[0].path == far and data.train[0].details == {"age": "55"} and data.val[0].details == {"age": ""}


def test_csv_without_split_is_split_by_patient(tmp_path):
    rows = [f"{i}.png,{LUNG[i // 2 % 2]},p{i // 2}" for i in range(200)]
    random.Random(0).shuffle(rows)
    data = load_dataset("csv", make_csv(tmp_path, *rows, header="image,label,patient"), LUNG)
    assert (len(data.train), len(data.val), len(data.test)) == (140, 20, 40)
    refuse_shared_patients({"train": data.train, "val": data.val, "test": data.test})
    again = load_dataset("csv", make_csv(tmp_path, *sorted(rows), header="image,label,patient"), LUNG)
    assert [{row.path for row in rows} for rows in (data.train, data.val, data.test)] == [
        {row.path for row in rows} for rows in (again.train, again.val, again.test)
    ]


def test_csv_without_patient_takes_the_path_without_ending(tmp_path):
    rows = [f"{folder}/1{ending},{LUNG[folder % 2]}" for folder in range(20) for ending in (".png", ".jpg")]
    data = load_dataset("csv", make_csv(tmp_path, *rows), LUNG)
    assert {row.patient for row in data.train + data.val + data.test} == {f"{folder}/1" for folder in range(20)}
    refuse_shared_patients({"train": data.train, "val": data.val, "test": data.test})


def test_csv_without_val_holds_some_of_train_out(tmp_path):
    rows = [f"{i}.png,{LUNG[i % 2]},{'test' if i < 10 else 'train'}" for i in range(50)]
    data = load_dataset("csv", make_csv(tmp_path, *rows, header="image,label,split"), LUNG)
    assert (len(data.train), len(data.val), len(data.test)) == (36, 4, 10)


@pytest.mark.parametrize(
    ("header", "rows", "said"),
    [
        ("image,class", ["a.png,pneumonia"], ["lacks the columns ['label']", "['image', 'class']"]),
        ("image;label", ["a.png;pneumonia"], ["['image;label']", "separate columns with commas"]),
        ("image,label", ["a.png,pneumonia", "", "b.png,flu"], ["Line 4", "'flu'", "['normal lung', 'pneumonia']"]),
        ("image,label", ["a.png,pneumonia", "b.png"], ["Line 3", "''", "['normal lung', 'pneumonia']"]),
        ("image,label", ["a.png,pneumonia,left"], ["Line 2", "3 cells", "quotes"]),
        ("image,label", ["a.png,pneumonia", "./a.png,normal lung"], ["Line 3", "a.png again, after line 2"]),
        ("image,label,split", ["a.png,pneumonia,later"], ["Line 2", "'later'", "train, val or test"]),
        ("image,label,split", ["a.png,pneumonia,train", "b.png,pneumonia,"], ["Line 3", "''"]),
        ("image,label,split", ["a.png,pneumonia,test"], ["no images of ['normal lung', 'pneumonia'] in train"]),
        (
            "image,label,split",
            ["a.png,pneumonia,train", "b.png,normal lung,val"],
            ["no images of ['normal lung'] in train"],
        ),
        (
            "image,label,split,patient",
            ["a.png,pneumonia,train,Ada", "b.png,normal lung,train,Bo", "c.png,pneumonia,test,Ada"],
            ["The patient 'Ada' is in train", "and in test"],
        ),
        ("image,label,split", ["a.png,pneumonia,train", "a.jpg,pneumonia,test"], ["The patient 'a' is in train"]),
        ("image,label", [], ["no images of ['normal lung', 'pneumonia']"]),
    ],
)
def test_csv_mistakes_get_one_sentence(tmp_path, header, rows, said):
    sentence = refused("csv", make_csv(tmp_path, *rows, header=header))
    assert all(part in sentence for part in said), sentence


def test_csv_that_names_no_file_or_is_not_text_gets_one_sentence(tmp_path):
    assert f"{tmp_path} contains no labels.csv" in refused("csv", tmp_path)
    source = write(tmp_path / "labels.csv", "image,label", "gone.png,pneumonia")
    assert "Line 2" in (sentence := refused("csv", source)) and "gone.png, which does not exist" in sentence
    write(source, "image,label", ",pneumonia")
    assert "Line 2" in refused("csv", source)
    source.write_bytes("image,label\nb\xe9b\xe9.png,pneumonia\n".encode("latin-1"))
    assert f"{source} is not UTF-8" in refused("csv", source)
    write(source, "image,label", "x" * 200_000 + ",pneumonia")
    assert f"Line 2 of {source} is not CSV" in refused("csv", source)
    write(source, "image,label", "x" * 5000 + ",pneumonia")
    assert "cannot be read" in refused("csv", source)
    source.write_bytes(b"")
    assert "lacks the columns ['image', 'label']" in refused("csv", source)


# what a researcher brings


def table(root: Path, header: str, count: int = 40, patients: int = 20) -> Path:
    """A table whose columns are image, label, a patient of several images, and a split by patient."""
    names = {0: "train", 1: "val", 2: "test"}
    rows = [f"{i}.png,{LUNG[i % 2]},p{i % patients},{names[i % patients % 3]}" for i in range(count)]
    return make_csv(root, *rows, header=header)


@pytest.mark.parametrize("split", ["Split", "SPLIT", "set", "Sub Set", "partition"])
@pytest.mark.parametrize("patient", ["patient_id", "Patient ID", "subject", "PatientID"])
def test_csv_columns_match_without_case_spaces_and_underscores(tmp_path, split, patient):
    data = load_dataset("csv", table(tmp_path, f"Image,LABEL,{patient},{split}"), LUNG)
    assert {row.patient for row in data.train} == {f"p{i}" for i in range(0, 20, 3)} and data.notes == ()
    assert {row.patient for row in data.test} == {f"p{i}" for i in range(2, 20, 3)}


def test_csv_names_a_column_that_looks_like_ours_and_is_not_used(tmp_path):
    data = load_dataset("csv", table(tmp_path, "image,label,case_id,fold"), LUNG)
    assert data.notes == (
        "labels.csv: the columns ['fold'] are not used; --split-column takes one as the split.",
        "labels.csv: the columns ['case_id'] are not used; --patient-column takes one as the patient.",
    )
    options = DataOptions(split_column="fold", patient_column="case_id")
    data = load_dataset("csv", tmp_path, LUNG, options)
    assert data.notes == () and {row.patient for row in data.val} == {f"p{i}" for i in range(1, 20, 3)}


def test_csv_refuses_two_columns_that_match(tmp_path):
    for header in ("image,label,Patient ID,patient_id", "image,label,subset,set"):
        assert "choose one with" in refused("csv", table(tmp_path, header))
    assert "['label', 'label']" in refused("csv", table(tmp_path, "image,label,label,split"))
    table(tmp_path, "image,label,patient,split")
    with pytest.raises(DataError, match="has no column 'who' for --patient-column"):
        load_dataset("csv", tmp_path, LUNG, DataOptions(patient_column="who"))


def test_csv_explains_one_hot_tables_and_class_numbers(tmp_path):
    source = make_csv(tmp_path, "a.png,1,0", header="image,normal lung,Pneumonia")
    assert "combine them into one column label" in refused("csv", source)
    assert "not its number" in refused("csv", make_csv(tmp_path, "a.png,1"))


def test_csv_finds_files_and_classes_whatever_the_form_of_their_accents(tmp_path):
    for i in range(10):
        put(tmp_path / unicodedata.normalize("NFD", f"é{i}.png"), tmp_path / f"o{i}.png")
    lines = [f"é{i}.png,{unicodedata.normalize('NFD', 'lésion')}" for i in range(10)]
    write(tmp_path / "labels.csv", "image,label", *lines, *(f"o{i}.png,other" for i in range(10)))
    assert len(load_dataset("csv", tmp_path, ("lésion", "other")).split("all")) == 20


def test_csv_of_uids_without_endings_takes_each_for_a_patient(tmp_path):
    rows = [f"1.2.840.113619.2.55.{1000 + i},{LUNG[i % 2]}" for i in range(40)]
    data = load_dataset("csv", make_csv(tmp_path, *rows), LUNG)
    assert len({row.patient for row in data.split("all")}) == 40


def films(root: Path, patients: int = 12, images: int = 3, form: str = "{patient:08}_{image:03}.png") -> Path:
    for label, name in enumerate(LUNG):
        for patient in range(patients):
            put(*(root / name / form.format(patient=2 * patient + label, image=image) for image in range(images)))
    return root


def test_folder_reads_patients_from_numbered_file_names_and_says_so(tmp_path):
    data = load_dataset("folder", films(tmp_path), LUNG)
    refuse_shared_patients({"train": data.train, "val": data.val, "test": data.test})
    assert len({row.patient for row in data.split("all")}) == 24
    assert "Patients are read from file names (00000000 in 00000000_000.png)" in data.notes[0]
    alone = load_dataset("folder", tmp_path, LUNG, DataOptions(patient_pattern=""))
    assert len({row.patient for row in alone.split("all")}) == 72 and alone.notes == ()
    with pytest.raises(DataError, match="does not fit"):
        load_dataset("folder", tmp_path, LUNG, DataOptions(patient_pattern="^x"))
    with pytest.raises(DataError, match="not a regular expression"):
        load_dataset("folder", tmp_path, LUNG, DataOptions(patient_pattern="("))


def test_folder_of_patients_within_classes(tmp_path):
    data = load_dataset("folder", films(tmp_path, form="P{patient}/{image}.png"), LUNG)
    assert {row.patient for row in data.split("all")} == {f"P{number}" for number in range(24)}
    refuse_shared_patients({"train": data.train, "val": data.val, "test": data.test})


def test_folder_takes_training_testing_and_dev(tmp_path):
    for split in ("Training", "Testing", "dev"):
        films(tmp_path / split, form=f"{split}{{patient}}-{{image}}.jfif")
    data = load_dataset("folder", tmp_path, LUNG)
    assert [len(rows) for rows in (data.train, data.val, data.test)] == [72, 72, 72]


def test_folder_names_what_it_leaves_out(tmp_path):
    films(tmp_path)
    put(tmp_path / LUNG[0] / "notes.txt", tmp_path / LUNG[1] / "deep/er/scan.xyz", tmp_path / LUNG[1] / ".DS_Store")
    data = load_dataset("folder", tmp_path, LUNG)
    assert data.notes[-1] == "2 files are left out because they are not images: notes.txt, scan.xyz."
    assert data.describe()[0].startswith("train: ") and data.describe()[-1] == data.notes[-1]


def test_load_dataset_for_evaluation_needs_no_train(tmp_path):
    films(tmp_path / "test")
    assert "has test but no train" in refused("folder", tmp_path)
    assert len(load_dataset("folder", tmp_path, LUNG, use="evaluate").test) == 72
    few = films(tmp_path / "few", patients=1, images=1, form="a{patient}.png")
    assert "only 1 patient" in refused("folder", few)
    for root in (few, make_csv(tmp_path / "csv", "a.png,pneumonia", "b.png,pneumonia")):
        data = load_dataset("csv" if root.suffix else "folder", root, LUNG, use="all")
        assert len(data.split("all")) == len(data.test) == 2


def test_load_dataset_refuses_an_image_in_two_classes_or_splits_and_counts_copies(tmp_path):
    films(tmp_path / "train"), films(tmp_path / "test", form="t{patient}-{image}.png")
    first = sorted((tmp_path / "train" / LUNG[0]).iterdir())[0]
    copy = tmp_path / "train" / LUNG[0] / "copy.png"
    copy.write_bytes(first.read_bytes())
    assert load_dataset("folder", tmp_path, LUNG).notes[-1].endswith("1 image is a copy of another in it.")
    copy.rename(tmp_path / "test" / LUNG[0] / "copy.png")
    assert "keep each image in one split" in refused("folder", tmp_path)
    (tmp_path / "test" / LUNG[0] / "copy.png").rename(tmp_path / "train" / LUNG[1] / "copy.png")
    assert "keep it in one class" in refused("folder", tmp_path)


def test_folder_split_hangs_on_content_and_keeps_copies_together(tmp_path):
    parts = []
    for name in ("one", "another"):
        root = films(tmp_path / name, patients=30, images=1, form=name + "-{patient}-of-{image}.png")
        for path in root.rglob("*.png"):
            path.write_text(path.parent.name + path.stem.split("-")[1])
        data = load_dataset("folder", root, LUNG, DataOptions(patient_pattern=""))
        parts.append([{row.digest for row in rows} for rows in (data.train, data.val, data.test)])
    assert parts[0] == parts[1]


def test_refuse_seen_by_content_wherever_the_images_are(tmp_path):
    data = load_dataset("folder", films(tmp_path / "data"), LUNG)
    write_splits(tmp_path, {"train": data.train, "test": data.test}, LUNG)
    refuse_seen(data.test, tmp_path)
    moved = tmp_path / "moved.png"
    moved.write_bytes(data.train[0].path.read_bytes())
    with pytest.raises(DataError, match=r"1 of \d+ images were trained on.*moved\.png.*--allow-seen"):
        refuse_seen([*data.test, Row(moved, 0, "x")], tmp_path)
    refuse_seen(data.train, tmp_path / "data")  # a checkpoint without splits.csv

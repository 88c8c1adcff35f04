"""A user's images, by class folders or a CSV file: labels by name, patients together, mistakes named by place."""

import random
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from vip_core.data.sources import load_dataset
from vip_core.data.splits import refuse_shared_patients
from vip_core.errors import DataError

LUNG = ("normal lung", "pneumonia")


def put(*paths: Path) -> None:
    """Empty files: no loader opens an image."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


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
            Image.new("L", (2, 2), i).save(root / name / f"{prefix}{name[0]}{i}.png")
            Image.new("L", (2, 2), i).save(root / name / f"{prefix}{name[0]}{i}.JPG", format="JPEG")
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
                Image.new("L", (2, 2), shade + i).save(tmp_path / split / name / f"{name[0]}{i}.png")
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
    assert "The class 'a class' has images of 1 patient only" in refused("folder", tmp_path / "few", classes)


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
        ("image,label,split", ["a.png,pneumonia,dev"], ["Line 2", "'dev'", "train, val or test"]),
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
    assert f"{tmp_path} holds no labels.csv" in refused("csv", tmp_path)
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

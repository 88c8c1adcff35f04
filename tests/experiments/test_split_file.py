"""The authors' split files: labels by class name, patients by file name, and what is wrong with a file."""

import json

import pytest

from tests.conftest import DATA
from vip_core.data.sources import load_dataset
from vip_core.errors import DataError
from vip_core.experiments.split_file import copies_on_both_sides, patients_on_both_sides, read_split_file

CLASSES = ("normal lung", "pneumonia")


def write(folder, names) -> dict[str, list]:
    content = {}
    for split, listed in names.items():
        content[split] = []
        for name, label, title in listed:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
            content[split].append([name, label, title])
    (folder / "split.json").write_text(json.dumps(content))
    return content


@pytest.fixture
def both_namings(tmp_path):
    """The Kaggle names and those of the original release; child 7 and child 3 are in two splits."""
    write(
        tmp_path,
        {
            "train": [
                ["NORMAL/IM-0001-0001.jpeg", 1, "normal lung"],
                ["PNEUMONIA/person7_virus_1.jpeg", 0, "pneumonia"],
                ["NORMAL/NORMAL-3-0001.jpeg", 1, "normal_lung"],
                ["PNEUMONIA/BACTERIA-5-0001.jpeg", 0, "pneumonia"],
            ],
            "val": [["PNEUMONIA/person7_virus_2.jpeg", 0, "pneumonia"], ["NORMAL/NORMAL-4-1.jpeg", 1, "normal lung"]],
            "test": [["NORMAL/NORMAL-3-0002.jpeg", 1, "normal lung"], ["PNEUMONIA/VIRUS-5-1.jpeg", 0, "pneumonia"]],
        },
    )
    return tmp_path


def test_split_file_labels_follow_names_and_not_the_numbers_in_it(both_namings):
    data = read_split_file(both_namings / "split.json", both_namings, "pneumonia", CLASSES)
    assert [row.label for row in data.train] == [0, 1, 0, 1] and data.classes == CLASSES
    assert [row.details["subtype"] for row in data.train] == ["normal", "virus", "normal", "bacteria"]


def test_split_file_counts_patients_on_both_sides_in_both_namings(both_namings):
    data = read_split_file(both_namings / "split.json", both_namings, "pneumonia", CLASSES)
    assert patients_on_both_sides(data) == 2


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "the expected form"),
        ('{"train": []}', "the expected form"),
        ('{"train": [["a.png"]], "val": [], "test": []}', "the expected form"),
        ("[" * 100_000, "the expected form"),
        ('{"train": [["a.png", 0, "x"]], "val": [], "test": []}', "give a symptom file with the same class names"),
    ],
)
def test_split_file_of_another_form_is_refused(tmp_path, content, sentence):
    (tmp_path / "split.json").write_text(content)
    with pytest.raises(DataError, match=sentence):
        read_split_file(tmp_path / "split.json", tmp_path, "folder", CLASSES)


def test_split_file_names_an_image_that_is_missing(both_namings):
    (both_namings / "NORMAL" / "NORMAL-4-1.jpeg").unlink()
    with pytest.raises(DataError, match=r"lists NORMAL/NORMAL-4-1\.jpeg, which is not in"):
        read_split_file(both_namings / "split.json", both_namings, "pneumonia", CLASSES)


def test_split_file_with_an_empty_list_is_refused(both_namings):
    content = json.loads((both_namings / "split.json").read_text())
    (both_namings / "split.json").write_text(json.dumps({**content, "val": []}))
    with pytest.raises(DataError, match="has no images in val; each of train, val, test needs some"):
        read_split_file(both_namings / "split.json", both_namings, "pneumonia", CLASSES)


@pytest.mark.parametrize("name", ["NORMAL/NORMAL-4-1.jpeg", "PNEUMONIA/../NORMAL/NORMAL-4-1.jpeg"])
@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_split_file_that_lists_a_file_twice_is_refused(both_namings, name, split):
    content = json.loads((both_namings / "split.json").read_text())
    content[split].append([name, 0, "normal lung"])
    (both_namings / "split.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"NORMAL-4-1.jpeg twice, in \w+ and in \w+; list each image once"):
        read_split_file(both_namings / "split.json", both_namings, "pneumonia", CLASSES)


def test_copies_on_both_sides_counts_images_by_content(both_namings):
    data = read_split_file(both_namings / "split.json", both_namings, "pneumonia", CLASSES)
    for index, row in enumerate([*data.train, *data.val, *data.test]):
        row.path.write_bytes(b"image %d" % index)
    assert copies_on_both_sides(data) == 0
    data.test[0].path.write_bytes(data.train[2].path.read_bytes())
    data.train[1].path.write_bytes(data.train[0].path.read_bytes())  # in one split
    assert copies_on_both_sides(data) == 1


@pytest.mark.skipif(not DATA.is_dir(), reason="no real data; set VIP_DATA to its folder")
def test_split_file_written_from_the_projects_own_split_is_that_split(tmp_path):
    root = DATA / "pneumonia"
    own = load_dataset("pneumonia", root, CLASSES)
    content = {
        split: [[str(row.path.relative_to(root)), row.label, CLASSES[row.label]] for row in getattr(own, split)]
        for split in ("train", "val", "test")
    }
    (tmp_path / "split.json").write_text(json.dumps(content))
    read = read_split_file(tmp_path / "split.json", root, "pneumonia", CLASSES)
    assert [(row.path, row.label) for row in read.test] == [(row.path, row.label) for row in own.test]
    assert patients_on_both_sides(read) == 0

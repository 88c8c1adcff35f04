"""Labels that make up a class, and labels that are left out: by a table and by folders."""

from collections import Counter

import pytest

from tests.data.test_sources import put, write
from vip_core.data.options import DataOptions
from vip_core.data.sources import load_dataset
from vip_core.errors import DataError, UsageError

KNEE = ("no osteoarthritis", "osteoarthritis")
MERGE = ["no osteoarthritis=KL 0,KL 1", "osteoarthritis=kl_2, KL 3"]


def graded(root, *grades):
    """A labels.csv of ten images per grade."""
    rows = [(f"{grade}/{number}.png", grade) for grade in grades for number in range(10)]
    put(*(root / image for image, _ in rows))
    return write(root / "labels.csv", "image,label", *(f"{image},{grade}" for image, grade in rows))


def counts(data):
    return Counter(data.classes[row.label] for row in data.split("all"))


def test_csv_merges_labels_into_classes_and_leaves_out_others(tmp_path):
    path = graded(tmp_path, "KL 0", "KL 1", "KL 2", "KL 3", "not graded")
    data = load_dataset("csv", path, KNEE, DataOptions(merge=MERGE, leave_out=["Not Graded"]))
    assert counts(data) == {"no osteoarthritis": 20, "osteoarthritis": 20}
    assert not any("not graded" in str(row.path) for row in data.split("all"))
    assert data.notes[-3:] == (
        "Merged into no osteoarthritis: 10 of KL 0, 10 of KL 1.",
        "Merged into osteoarthritis: 10 of kl_2, 10 of KL 3.",
        "Left out: 10 of Not Graded.",
    )


@pytest.mark.parametrize("splits", [("",), ("train/", "test/")])
def test_folder_merges_labels_as_the_table_does(tmp_path, splits):
    for split in splits:
        for grade in ("KL 0", "KL 2", "KL 3", "not graded"):
            put(*(tmp_path / f"{split}{grade}" / f"{split[:2]}{number}.png" for number in range(10)))
    options = DataOptions(merge=["no osteoarthritis=KL 0", MERGE[1]], leave_out=["not graded"])
    data = load_dataset("folder", tmp_path, KNEE, options)
    assert counts(data) == {"no osteoarthritis": 10 * len(splits), "osteoarthritis": 20 * len(splits)}
    assert f"Left out: {10 * len(splits)} of not graded." in data.notes


def test_a_class_may_keep_its_own_label_beside_merged_ones(tmp_path):
    path = graded(tmp_path, "osteoarthritis", "KL 3", "no osteoarthritis")
    data = load_dataset("csv", path, KNEE, DataOptions(merge=["osteoarthritis=KL 3"]))
    assert counts(data) == {"no osteoarthritis": 10, "osteoarthritis": 20}


@pytest.mark.parametrize(
    "options, reason",
    [
        (DataOptions(merge=["KL 0"]), 'is not of the form "CLASS=LABEL,LABEL"'),
        (DataOptions(merge=["osteoarthritis=KL 2,"]), "is not of the form"),
        (DataOptions(merge=["gout=KL 2"]), "names the class 'gout'; the symptom set has"),
        (DataOptions(merge=MERGE, leave_out=["KL 3"]), "name the label 'KL 3' twice"),
        (DataOptions(merge=MERGE, leave_out=["KL 4"]), "No image has the label 'KL 4'"),
    ],
)
def test_a_wrong_option_is_refused_with_its_reason(tmp_path, options, reason):
    path = graded(tmp_path, "KL 0", "KL 1", "KL 2", "KL 3")
    with pytest.raises(UsageError, match=reason):
        load_dataset("csv", path, KNEE, options)


def test_an_unknown_label_is_refused_with_the_options_that_explain_it(tmp_path):
    with pytest.raises(DataError, match=r"Line 2 of .* has the class 'KL 0'.*--merge or --leave-out"):
        load_dataset("csv", graded(tmp_path, "KL 0"), KNEE)


def test_a_data_set_with_classes_of_its_own_takes_no_merging(tmp_path):
    with pytest.raises(UsageError, match="are for --data csv and folder; pneumonia has its own classes"):
        load_dataset("pneumonia", tmp_path, KNEE, DataOptions(leave_out=["x"]))


def test_data_name_replaces_the_name_of_the_source(tmp_path):
    path = graded(tmp_path, "no osteoarthritis", "osteoarthritis")
    named = load_dataset("csv", path, KNEE, DataOptions(data_name="Knees of one study"))
    assert (load_dataset("csv", path, KNEE).name, named.name) == ("csv", "Knees of one study")

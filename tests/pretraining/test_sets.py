"""The seven sets of images: what labels decide, what is held out, and what is said of a set that is missing."""

import re
import shutil
from collections import Counter

import pytest

from vip_core.data.reference_share import divide_rows, held_for_reference
from vip_core.data.sources import load_dataset
from vip_core.errors import DataError
from vip_core.pretraining.findings import (
    adult_findings,
    breast_findings,
    cell_findings,
    child_findings,
    knee_findings,
    skin_findings,
)
from vip_core.pretraining.kinds import IMAGE_KINDS, XRAY
from vip_core.pretraining.phrases import load_phrases
from vip_core.pretraining.sets import SETS, labelled_images, matching, sets_in


def test_adult_findings_leave_unknown_what_a_report_need_not_mention():
    nothing, opacity, other = (
        adult_findings({"findings": found}) for found in ("No Finding", "Consolidation|Nodule", "Effusion|Infiltration")
    )
    assert (nothing["opacity"], opacity["opacity"], other.get("opacity")) == (0, 1, None)
    assert (nothing["effusion"], opacity["nodule_or_mass"], other["effusion"], other["edema"]) == (0, 1, 1, 0)
    assert {each["adult"] for each in (nothing, opacity, other)} == {1}
    assert not {"pneumonia", "bacterial", "viral"} & {*nothing, *opacity, *other}


def test_child_findings_give_opacity_with_pneumonia():
    kinds = {subtype: child_findings({"subtype": subtype}) for subtype in ("normal", "bacteria", "virus")}
    assert [found["opacity"] for found in kinds.values()] == [0, 1, 1]
    assert all(found["opacity"] == found["pneumonia"] and found["adult"] == 0 for found in kinds.values())


@pytest.mark.parametrize(
    ("grade", "expected"),
    [
        (0, {"osteoarthritis": 0, "severe_osteoarthritis": 0, "osteophytes": 0, "joint_space_narrowing": 0}),
        (1, {"osteoarthritis": 0, "severe_osteoarthritis": 0, "joint_space_narrowing": 0}),
        (2, {"osteoarthritis": 1, "severe_osteoarthritis": 0, "osteophytes": 1}),
        (3, {"osteoarthritis": 1, "severe_osteoarthritis": 0, "osteophytes": 1, "joint_space_narrowing": 1}),
        (4, {"osteoarthritis": 1, "severe_osteoarthritis": 1, "osteophytes": 1, "joint_space_narrowing": 1}),
    ],
)
def test_knee_findings_are_undecided_where_a_grade_is_doubtful(grade, expected):
    assert knee_findings({"label": f"KL {grade}"}) == expected


def test_other_findings_follow_the_label():
    assert breast_findings({"label": "normal"}) == {"lesion": 0, "malignant": 0, "benign": 0}
    assert breast_findings({"label": "malignant"}) == {"lesion": 1, "malignant": 1, "benign": 0}
    cell = cell_findings({"label": "immature granulocyte"})
    assert cell["immature_granulocyte"] == 1 and sum(cell.values()) == 1 and len(cell) == 8
    assert skin_findings({"diagnosis": "", "melanoma": "0", "streaks": ""}) == {"melanoma": 0}


def test_findings_of_every_image_are_in_the_bank(small_data):
    names = {modality.name: {finding.name for finding in modality.findings} for modality in load_phrases().modalities}
    assert set(names) == set(IMAGE_KINDS)
    for image in labelled_images(small_data, "train"):
        assert set(image.findings) <= names[image.modality]


def test_labelled_images_read_all_sets_and_share_no_group_between_train_and_val(small_data):
    train, val = labelled_images(small_data, "train"), labelled_images(small_data, "val")
    assert set(Counter(image.source for image in train)) == {each.name for each in SETS}
    assert not {(image.source, image.group) for image in train} & {(image.source, image.group) for image in val}
    assert all(image.path.is_file() for image in train + val)


def test_labelled_images_of_train_leave_out_what_training_holds_for_reference(small_data):
    """The tower and the prompts hold out the same images, though they read them by different ways."""
    train = {image.path for image in labelled_images(small_data, "train")}
    classes = {"pneumonia": ("normal lung", "pneumonia"), "csv": ("benign", "malignant", "normal")}
    for name, folder in (("pneumonia", "pneumonia"), ("csv", "breast_ultrasound")):
        kept, held = divide_rows(load_dataset(name, small_data / folder, classes[name]).train)
        assert held and not {row.path for row in held} & train and {row.path for row in kept} <= train
    held = [image for image in labelled_images(small_data, "val") if held_for_reference(image.group)]
    assert held  # of validation nothing is left out


def test_labelled_images_name_every_set_that_is_missing(small_data, tmp_path):
    for name in ("pneumonia", "isic2017", "knee"):
        shutil.copytree(small_data / name, tmp_path / name)
    with pytest.raises(DataError) as caught:
        labelled_images(tmp_path, "train")
    for name in ("chest_adult", "blood_cells", "breast_ultrasound", "brain_mri"):
        assert f"{name}: " in str(caught.value)
    assert "knee: " not in str(caught.value)
    assert [each.name for each in sets_in(tmp_path)] == ["pneumonia", "isic2017", "knee"]
    with pytest.raises(DataError, match="none of the folders"):
        sets_in(tmp_path / "nowhere")


def test_matching_needs_all_that_is_asked_for(small_data):
    images = labelled_images(small_data, "val")
    adults = matching(images, {"opacity": 1, "adult": 1})
    assert {image.source for image, match in zip(images, adults, strict=True) if match} == {"chest_adult"}
    assert matching(images, {}).all()


def test_real_images_share_no_patient_between_train_and_val(data):
    train, val = labelled_images(data, "train"), labelled_images(data, "val")
    number = re.compile(r"person\d+|(NORMAL2-)?IM-\d+")

    def children(images):
        return {number.match(i.path.name).group() for i in images if i.modality == XRAY and i.source == "pneumonia"}

    counts = Counter(image.source for image in val)
    assert (counts["pneumonia"], counts["isic2017"]) == (527, 215) and not children(train) & children(val)
    assert not {(image.source, image.group) for image in train} & {(image.source, image.group) for image in val}
    assert not any("/test/" in str(image.path) for image in train if image.source == "pneumonia")

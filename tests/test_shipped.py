"""The checkpoints that ship: their cards hold what was measured, and measuring again gives it."""

import pytest
import torch

from demo.settings import SHIPPED
from tests.conftest import PROJECT
from vip_core.data.features import encode_split
from vip_core.data.images import read_image
from vip_core.data.options import DataOptions
from vip_core.data.sources import load_dataset
from vip_core.evaluation.measure import measure
from vip_core.models.card import read_card
from vip_core.models.checkpoint import find_checkpoint
from vip_core.models.vip import ViP
from vip_core.scoring.predictor import Predictor
from vip_core.symptoms import SymptomSet

KNEES = DataOptions(merge=["no osteoarthritis=KL 0,KL 1", "knee osteoarthritis=KL 2,KL 3,KL 4"])
# Checkpoint, --data and folder, how it is read, images in the test split, and an AUROC well below its own.
MEASURED = [
    ("pneumonia", "pneumonia", "pneumonia", DataOptions(), 624, 0.97),
    ("chest_adult", "csv", "chest_adult", DataOptions(leave_out=["other finding"]), 219, 0.70),
    ("melanoma", "isic2017", "isic2017", DataOptions(), 356, 0.80),
    ("knee_osteoarthritis", "csv", "knee", KNEES, 1320, 0.88),
    ("blood_cells", "csv", "blood_cells", DataOptions(patient_pattern=""), 1600, 0.99),
    ("breast_ultrasound", "csv", "breast_ultrasound", DataOptions(patient_column="group"), 176, 0.92),
    ("brain_tumor", "csv", "brain_mri", DataOptions(patient_pattern=""), 750, 0.98),
]
checkpoints = pytest.mark.parametrize("name", SHIPPED)


@pytest.mark.parametrize(("name", "kind", "folder", "options", "n", "least"), MEASURED)
def test_card_of_a_checkpoint_has_test_figures_with_n_and_interval(name, kind, folder, options, n, least):
    card = read_card(find_checkpoint(name))
    test = card.figures["test"]
    assert test["n"] == n
    low, high = test["intervals"]["auroc"]
    assert low < test["auroc"] < high and test["auroc"] >= least
    assert (card.training["epochs"], card.training["batch_size"]) == (50, 32)


@checkpoints
def test_symptoms_of_a_checkpoint_are_those_of_its_library(name):
    vip = ViP.from_pretrained(name)
    assert vip.symptoms == SymptomSet.load(PROJECT / "assets" / "symptoms" / f"{name}.json")
    assert vip.backbone.name == "vip-mini"
    assert len(vip.reference.labels.unique()) == len(vip.symptoms.classes) and vip.card.reference_held_out
    assert max(vip.reference.labels.bincount()) <= 300


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind", "folder", "options", "n", "least"), MEASURED)
def test_measuring_the_test_images_again_gives_the_card(data, name, kind, folder, options, n, least):
    vip = ViP.from_pretrained(name)
    rows = load_dataset(kind, data / folder, vip.symptoms.classes, options).test
    result = measure(vip, encode_split(vip.backbone, rows, "Test images"), rows, seed=1).to_dict()
    card = vip.card.figures["test"]
    assert result["n"] == n
    # bf16 sums differ between processors, by a few thousandths of an AUROC at most
    assert result["auroc"] == pytest.approx(card["auroc"], abs=0.005)
    assert result["accuracy"] == pytest.approx(card["accuracy"], abs=0.01)


@checkpoints
def test_domain_check_accepts_the_examples_of_its_task_and_flags_all_others(name):
    predictor = Predictor(ViP.from_pretrained(name))
    examples = PROJECT / "assets" / "examples"
    found = {
        other: [predictor.diagnose(predictor.encode(path)).domain for path in sorted((examples / other).glob("*.jp*g"))]
        for other in SHIPPED
    }
    own = found.pop(name)
    assert len(own) >= 4 and sum(check.in_domain for check in own) >= len(own) - 1
    assert not any(check.in_domain for checks in found.values() for check in checks)


def test_a_squashed_copy_of_a_film_gets_the_same_diagnosis(tmp_path):
    """The transform squashes, so the proportions that a file came in do not matter; a centre crop would."""
    predictor = Predictor(ViP.from_pretrained("pneumonia"))
    path = sorted((PROJECT / "assets" / "examples" / "pneumonia").glob("*.jp*g"))[0]
    wide = read_image(path).resize((448, 224))
    one, two = (predictor.encode(image) for image in (path, wide))
    assert torch.nn.functional.cosine_similarity(one, two, dim=0) > 0.9


@pytest.mark.parametrize(
    ("name", "positive"),
    [
        ("pneumonia", "pneumonia"),
        ("chest_adult", "airspace opacity"),
        ("melanoma", "melanoma"),
        ("knee_osteoarthritis", "knee osteoarthritis"),
    ],
)
def test_the_threshold_finds_the_sick_of_validation(name, positive):
    card = read_card(find_checkpoint(name))
    assert (card.training["positive"], card.training["sensitivity"]) == (positive, 0.95)
    assert card.figures["val"]["at_threshold"]["recall"][positive] >= 0.95


def test_nine_in_ten_official_films_are_told_right_at_either_threshold():
    test = read_card(find_checkpoint("pneumonia")).figures["test"]
    assert test["accuracy"] >= 0.9 and test["at_threshold"]["accuracy"] >= 0.9


@checkpoints
def test_the_symptoms_carry_the_decision(name):
    for split in read_card(find_checkpoint(name)).figures.values():
        carry = split["symptoms_carry"]
        assert carry["n"] == split["n"] and carry["moved_with_the_lists"] >= 0.95
        assert all(abs(p - 1 / len(split["classes"])) < 0.1 for p in carry["probability_of_unrelated_text"].values())
        assert carry["share_of_class_tokens"] < 0.1

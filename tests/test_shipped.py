"""The checkpoints that ship: their cards hold what was measured, and measuring again gives it."""

import pytest
import torch

from tests.conftest import PROJECT
from vip_core.data.features import encode_split
from vip_core.data.images import read_image
from vip_core.evaluation.measure import measure
from vip_core.models.card import read_card
from vip_core.models.checkpoint import find_checkpoint
from vip_core.models.vip import ViP
from vip_core.scoring.predictor import Predictor
from vip_core.symptoms import SymptomSet

# Task, its data set, images in the test split, and the AUROC that was asked of it.
SHIPPED = [("pneumonia", "pneumonia", 624, 0.97), ("melanoma", "isic2017", 356, 0.82)]


@pytest.mark.parametrize(("name", "data_name", "n", "least"), SHIPPED)
def test_the_card_holds_test_figures_with_n_and_interval(name, data_name, n, least):
    card = read_card(find_checkpoint(name))
    test = card.figures["test"]
    assert (card.data["name"], test["n"]) == (data_name, n)
    low, high = test["intervals"]["auroc"]
    assert low < test["auroc"] < high and test["auroc"] >= least
    assert (card.training["epochs"], card.training["batch_size"], card.training["rate"]) == (50, 32, 2e-3)


@pytest.mark.parametrize("name", ["pneumonia", "melanoma"])
def test_the_shipped_symptoms_are_those_it_was_trained_with(name):
    vip = ViP.from_pretrained(name)
    assert vip.symptoms == SymptomSet.load(PROJECT / "assets" / "symptoms" / f"{name}.json")
    assert vip.backbone.name == "vip-mini"
    assert 1 <= len(vip.reference.labels.unique()) == len(vip.symptoms.classes)
    assert len(vip.reference.labels) <= 600


@pytest.mark.slow
@pytest.mark.parametrize(("name", "data_name", "n", "least"), SHIPPED)
def test_measuring_the_official_test_images_again_gives_the_card(data, name, data_name, n, least):
    from vip_core.data.sources import load_dataset

    vip = ViP.from_pretrained(name)
    rows = load_dataset(data_name, data / data_name, vip.symptoms.classes).test
    result = measure(vip, encode_split(vip.backbone, rows, "Test images"), rows, seed=1).to_dict()
    card = vip.card.figures["test"]
    assert result["n"] == n
    # bf16 sums differ between processors, by a few thousandths of an AUROC at most
    assert result["auroc"] == pytest.approx(card["auroc"], abs=0.005)
    assert result["accuracy"] == pytest.approx(card["accuracy"], abs=0.01)


def test_a_film_and_a_mole_are_told_apart_by_the_domain_check():
    """Each example is like the references of its own task, and unlike those of the other."""
    examples = PROJECT / "assets" / "examples"
    for own, other in (("pneumonia", "melanoma"), ("melanoma", "pneumonia")):
        predictor = Predictor(ViP.from_pretrained(own))
        ours = [predictor.diagnose(predictor.encode(path)).domain for path in sorted((examples / own).glob("*.jp*g"))]
        theirs = [predictor.diagnose(predictor.encode(path)).domain for path in (examples / other).glob("*.jp*g")]
        assert len(ours) >= 4 and sum(check.in_domain for check in ours) >= len(ours) - 1
        assert not any(check.in_domain for check in theirs)


def test_a_squashed_copy_of_a_film_gets_the_same_diagnosis(tmp_path):
    """The transform squashes, so the proportions that a file came in do not matter; a centre crop would."""
    predictor = Predictor(ViP.from_pretrained("pneumonia"))
    path = sorted((PROJECT / "assets" / "examples" / "pneumonia").glob("*.jp*g"))[0]
    wide = read_image(path).resize((448, 224))
    one, two = (predictor.encode(image) for image in (path, wide))
    assert torch.nn.functional.cosine_similarity(one, two, dim=0) > 0.9


@pytest.mark.parametrize(("name", "positive"), [("pneumonia", "pneumonia"), ("melanoma", "melanoma")])
def test_the_threshold_finds_the_sick_of_validation(name, positive):
    card = read_card(find_checkpoint(name))
    assert (card.training["positive"], card.training["sensitivity"]) == (positive, 0.95)
    assert card.figures["val"]["at_threshold"]["recall"][positive] >= 0.95


def test_nine_in_ten_official_films_are_told_right_at_either_threshold():
    test = read_card(find_checkpoint("pneumonia")).figures["test"]
    assert test["accuracy"] >= 0.9 and test["at_threshold"]["accuracy"] >= 0.9


@pytest.mark.parametrize("name", ["pneumonia", "melanoma"])
def test_the_symptoms_carry_the_decision(name):
    for split in read_card(find_checkpoint(name)).figures.values():
        carry = split["symptoms_carry"]
        assert carry["n"] == split["n"] and carry["moved_with_the_lists"] >= 0.95
        assert all(abs(p - 0.5) < 0.1 for p in carry["probability_of_unrelated_text"].values())
        assert carry["share_of_class_tokens"] < 0.1

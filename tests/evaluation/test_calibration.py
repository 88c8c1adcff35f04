"""Calibration: error, temperature, and that both thresholds of a checkpoint come from validation images."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from vip_core.data.dataset import Dataset
from vip_core.data.features import FeatureSplit
from vip_core.evaluation.calibration import expected_calibration_error, fit_temperature, too_small_to_fit
from vip_core.evaluation.meaning import Meaning
from vip_core.evaluation.thresholds import fit_threshold
from vip_core.models.reference import IN_DOMAIN_QUANTILE
from vip_core.models.vip import ViP, predict
from vip_core.symptoms import SymptomSet
from vip_core.training.config import TrainConfig
from vip_core.training.preparation import Run
from vip_core.training.run import Fitted, calibrate
from vip_core.training.state import TrainingState


def test_expected_calibration_error_of_one_bin_by_hand():
    scores = np.array([[0.1, 0.9]] * 10)
    truth = np.array([1] * 7 + [0] * 3)
    assert expected_calibration_error(scores, truth) == pytest.approx(0.2)


@pytest.mark.parametrize("factor", [0.5, 1.0, 4.0])
def test_fit_temperature_undoes_a_known_overconfidence(factor):
    """Labels drawn from softmax(logits): those logits need no temperature, and factor times them need factor."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(20_000, 3, generator=generator)
    labels = torch.multinomial(logits.softmax(-1), 1, generator=generator).flatten()
    temperature = fit_temperature(factor * logits, labels)
    assert temperature == pytest.approx(factor, rel=0.05)
    assert F.cross_entropy(factor * logits / temperature, labels) <= F.cross_entropy(factor * logits, labels) + 1e-6


@pytest.mark.parametrize(("images", "classes"), [(10, 2), (40, 2), (12, 4)])
def test_fit_temperature_where_all_are_right_says_how_few_they_were(images, classes):
    """By the rule of succession: n of n right leaves (n + 1) / (n + C), not certainty."""
    labels = torch.arange(images) % classes
    logits = 5.0 * torch.eye(classes)[labels]
    probabilities = (logits / fit_temperature(logits, labels)).softmax(-1)
    torch.testing.assert_close(probabilities.max(-1).values, torch.full((images,), (images + 1) / (images + classes)))


def test_expected_calibration_error_of_fifteen_bins_does_not_cancel():
    """Confidences of .7 and .9 whose errors would cancel in one bin from .5 to 1."""
    scores = np.array([[0.3, 0.7]] * 10 + [[0.1, 0.9]] * 10)
    truth = np.array([1] * 9 + [0] + [1] * 7 + [0] * 3)
    assert expected_calibration_error(scores, truth) == pytest.approx(0.2)


@pytest.mark.parametrize(("sign", "end"), [(-1.0, 20.0), (1e6, 20.0), (0.02, 0.05)])
def test_fit_temperature_stays_between_its_ends(sign, end):
    """Logits that are always wrong would want an infinite temperature, tiny ones that are always right none."""
    labels = torch.arange(400) % 2
    wrong = torch.rand(400, generator=torch.Generator().manual_seed(0)) < 0.25
    logits = sign * torch.eye(2)[torch.where(wrong, 1 - labels, labels)]
    assert fit_temperature(logits, labels) == end


def test_too_small_to_fit_names_the_classes_with_under_ten_images():
    assert too_small_to_fit(torch.arange(20) % 2, ("a", "b")) is None
    sentence = too_small_to_fit(torch.tensor([0] * 30 + [1] * 9), ("a", "b"))
    assert "9 of 'b'" in sentence and "'a'" not in sentence
    assert "0 of 'b'" in too_small_to_fit(torch.zeros(30, dtype=torch.long), ("a", "b"))


@pytest.fixture
def calibrated(backbone):
    """A model calibrated on validation images that are harder than the training images."""
    vip = ViP(backbone, SymptomSet.from_dict({"a": ["black areas"], "b": ["bright areas"]}))
    torch.nn.init.normal_(vip.merge_prompt.tokens, std=3.0)
    generator = torch.Generator().manual_seed(0)
    train, val = (torch.randn(count, 8, generator=generator) for count in (200, 60))
    predicted = predict(vip, train).argmax(-1)
    doubtful = torch.rand(60, generator=generator) < 0.35
    val_labels = torch.where(doubtful, 1 - predict(vip, val).argmax(-1), predict(vip, val).argmax(-1))
    config = TrainConfig("folder", "", "symptoms.json", seed=1, method="vip")
    data = Dataset("x", vip.symptoms.classes, (), (), ())
    run = Run(config, Path(), vip, data, (), (), {}, None, "")
    fitted = Fitted(TrainingState(), train, predicted, FeatureSplit(val, val_labels), Meaning(0, None, {}), 0.0)
    return vip, fitted, calibrate(run, fitted)


def test_calibrate_fits_the_temperature_on_validation_images(calibrated):
    vip, fitted, _ = calibrated
    on_val = fit_temperature(predict(vip, fitted.val.features), fitted.val.labels)
    on_train = fit_temperature(predict(vip, fitted.reference), fitted.labels)
    assert vip.temperature == on_val > 2 * on_train


def test_calibrate_fits_the_threshold_on_validation_images(calibrated):
    vip, fitted, threshold = calibrated
    probabilities = (predict(vip, fitted.val.features) / vip.temperature).softmax(-1)
    assert threshold == fit_threshold(probabilities, fitted.val.labels)


def test_calibrate_sets_the_domain_threshold_on_validation_images(calibrated):
    vip, fitted, _ = calibrated
    own, unseen = (vip.reference.distance(rows) for rows in (fitted.reference, fitted.val.features))
    expected = unseen.quantile(IN_DOMAIN_QUANTILE, interpolation="higher").item()
    assert vip.reference.threshold == pytest.approx(expected)
    assert (own > vip.reference.threshold).float().mean() < (unseen >= expected).float().mean() <= 0.04


def test_train_fits_nothing_on_a_validation_split_that_is_too_small(trained):
    """The folder of 40 images holds out 4."""
    card = json.loads((trained / "card.json").read_text())
    assert card["temperature"] == 1 and card["threshold"] is None
    assert card["training"]["kept_epoch"] == card["training"]["epochs"] - 1
    assert "are needed to choose an epoch" in card["training"]["not_fitted"]

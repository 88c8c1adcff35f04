"""Calibration of a trained model: everything is fitted on validation images, nothing on training images."""

from pathlib import Path

import pytest
import torch

from vip_core.data.dataset import Dataset
from vip_core.data.features import FeatureSplit
from vip_core.evaluation.calibration import fit_temperature
from vip_core.evaluation.meaning import Meaning
from vip_core.models.reference import ReferenceBank
from vip_core.models.vip import ViP, predict
from vip_core.symptoms import SymptomSet
from vip_core.training.config import TrainConfig
from vip_core.training.preparation import Run
from vip_core.training.run import Fitted, calibrate
from vip_core.training.state import TrainingState


@pytest.fixture
def run(backbone) -> Run:
    torch.manual_seed(0)
    vip = ViP(backbone, SymptomSet(("dark", "white"), (("black areas",), ("bright areas",))))
    config = TrainConfig("folder", "images", "symptoms.json")
    data = Dataset("folder", vip.symptoms.classes, (), (), ())
    return Run(config, Path("unused"), vip, data, (), (), {}, None, "")


@pytest.fixture
def fitted(run) -> Fitted:
    """Training images that the model gets right, validation images at random, further away."""
    dim = run.vip.backbone.embed_dim
    training = torch.randn(80, dim)
    labels = predict(run.vip, training).argmax(-1)
    val = FeatureSplit(torch.randn(60, dim) + 3, torch.arange(60) % 2)
    return Fitted(TrainingState(), training, labels, val, Meaning(0, None, {}), 0.0)


def test_calibrate_fits_the_temperature_on_validation_images(run, fitted):
    calibrate(run, fitted)
    vip = run.vip
    assert vip.temperature == fit_temperature(predict(vip, fitted.val.features), fitted.val.labels)
    assert vip.temperature != pytest.approx(fit_temperature(predict(vip, fitted.reference), fitted.labels), rel=0.1)


def test_calibrate_sets_the_domain_threshold_on_validation_images(run, fitted):
    calibrate(run, fitted)
    held_out, training = fitted.val.features, fitted.reference
    expected = ReferenceBank.build(training, fitted.labels, held_out, run.config.seed).threshold
    assert run.vip.reference is not None and run.vip.reference.threshold == expected
    assert expected != ReferenceBank.build(training, fitted.labels, training, run.config.seed).threshold

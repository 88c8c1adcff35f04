"""Uncertainty of a prediction, referral, and the correction for another prevalence."""

import numpy as np
import pytest
import torch

from vip_core.errors import UsageError
from vip_core.evaluation.referral import referral
from vip_core.models.vip import ViP
from vip_core.scoring.predictor import Predictor
from vip_core.scoring.uncertainty import encode_views, measure_uncertainty, reworded


@pytest.fixture
def predictor(trained):
    return Predictor(ViP.from_pretrained(trained))


def test_measure_uncertainty_of_equal_views_is_that_of_the_wordings(predictor):
    features = torch.randn(1, 8, generator=torch.Generator().manual_seed(0)).repeat(5, 1)
    found = measure_uncertainty(predictor, features)
    assert (found.views, found.wordings) == (4, 3) and found.spread_of_views == pytest.approx(0, abs=1e-6)
    own = predictor.diagnose(features[0])
    values = [
        predictor.diagnose(features[0], other).probabilities[own.prediction] for other in reworded(predictor.symptoms)
    ]
    values.append(own.probabilities[own.prediction])
    assert (found.low, found.high) == pytest.approx((min(values), max(values)))
    assert found.spread_of_wordings == pytest.approx(np.std(values))


def test_measure_uncertainty_refers_an_image_whose_views_disagree(predictor):
    features = torch.randn(400, 8, generator=torch.Generator().manual_seed(0))
    predicted = [found.prediction for found in predictor.diagnose_all(features)]
    one, other = (
        features[[i for i, name in enumerate(predicted) if name == wanted][:1]] for wanted in ("dark", "white")
    )
    assert measure_uncertainty(predictor, torch.cat([one, one, other])).refer


def test_encode_views_of_a_file_are_the_same_each_time(predictor, image_folder):
    path = image_folder / "dark" / "dark01.png"
    one, two = (encode_views(predictor, path, 3) for _ in range(2))
    assert one.shape == (4, 8) and torch.equal(one, two)
    assert not torch.allclose(one[1], one[2])
    torch.testing.assert_close(one[0], predictor.encode(path), rtol=1e-3, atol=1e-3)


def test_referral_counts_both_sides():
    right, kept = np.array([True, True, False, True, False]), np.array([True, True, True, False, False])
    found = referral(right, kept)
    assert found.coverage.value == pytest.approx(0.6)
    assert found.accuracy_kept.value == pytest.approx(2 / 3) and found.accuracy_referred.value == pytest.approx(0.5)
    assert referral(right, np.ones(5, dtype=bool)).accuracy_referred is None


def test_score_at_a_prevalence_multiplies_the_odds(predictor, image_folder):
    predictor.set_image(image_folder / "dark" / "dark01.png")
    before, after = predictor.score(), predictor.score(prevalence={"white": 0.1})
    mix = predictor.vip.card.calibrated_on
    odds = before.probabilities["white"] / before.probabilities["dark"] * (0.1 / 0.9) * (mix[0] / mix[1])
    assert after.probabilities["white"] / after.probabilities["dark"] == pytest.approx(odds)
    assert after.to_dict()["prevalence"] == pytest.approx({"dark": 0.9, "white": 0.1})
    assert "prevalence" not in before.to_dict()
    same = predictor.score(prevalence=dict(zip(("dark", "white"), mix, strict=True)))
    assert same.probabilities == pytest.approx(before.probabilities)
    assert after.prediction == max(after.probabilities, key=after.probabilities.get)
    other = min(before.probabilities, key=before.probabilities.get)
    index = predictor.symptoms.classes.index(other)
    even = before.probabilities[other] / before.probabilities[before.prediction] * mix[1 - index] / mix[index]
    common = predictor.score(prevalence={other: 2 / (2 + even)})  # so frequent that its odds are 2 to 1
    assert common.prediction == other and common.probabilities[other] == pytest.approx(2 / 3)


def test_score_at_a_prevalence_refuses_what_is_no_share(predictor, image_folder):
    predictor.set_image(image_folder / "dark" / "dark01.png")
    with pytest.raises(UsageError, match="above 0 and below 1"):
        predictor.score(prevalence={"white": 10})

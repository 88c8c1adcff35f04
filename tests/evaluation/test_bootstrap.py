"""The bootstrap: what is drawn, and how wide its intervals are."""

import numpy as np
import pytest
from scipy import stats

from vip_core.evaluation.bootstrap import bootstrap, units
from vip_core.evaluation.intervals import percentile_interval


def test_units_are_images_unless_a_patient_has_several():
    labels = [0, 1, 0, 1]
    assert units(labels).name == units(labels, list("abcd")).name == "image"
    by_patient = units(labels, ["a", "b", "a", "c"])
    assert by_patient.name == "patient" and by_patient.count == 3


def test_bootstrap_draws_a_patient_with_all_images_and_keeps_every_class():
    labels = np.array([0, 0, 0, 1, 1, 0, 1])
    patients = ["a", "a", "b", "c", "c", "d", "d"]  # d has images of both classes
    drawn = bootstrap(lambda weights: weights, units(labels, patients), np.random.default_rng(0), 200)
    assert (drawn[:, 0] == drawn[:, 1]).all() and (drawn[:, 3] == drawn[:, 4]).all()
    assert (drawn[:, 5] == drawn[:, 6]).all()
    assert (drawn[:, labels == 0].sum(1) > 0).all() and (drawn[:, labels == 1].sum(1) > 0).all()
    assert len({tuple(row) for row in drawn}) > 1


def test_bootstrap_interval_of_a_mean_is_that_of_scipy():
    values = np.random.default_rng(0).normal(size=300)
    drawn = units(np.zeros(300, dtype=int))
    low, high = percentile_interval(
        bootstrap(lambda w: np.array([values @ w / w.sum()]), drawn, np.random.default_rng(1), 2000)[:, 0]
    )
    expected = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=2000, rng=2).confidence_interval
    width = expected.high - expected.low
    assert low == pytest.approx(expected.low, abs=0.1 * width) and high == pytest.approx(expected.high, abs=0.1 * width)


@pytest.mark.parametrize("values", [np.ones(50), np.full(50, np.nan)])
def test_percentile_interval_of_no_width_is_withheld(values):
    assert percentile_interval(values) is None

"""Intervals: exact ones against scipy, and coverage where patients have several images."""

import numpy as np
import pytest
from scipy.stats import binomtest, t

from vip_core.evaluation.intervals import clopper_pearson, hanley_mcneil, share


@pytest.mark.parametrize(("hits", "of"), [(0, 5), (5, 5), (1, 1), (320, 400), (3, 17)])
def test_clopper_pearson_agrees_with_scipy(hits, of):
    exact = binomtest(hits, of).proportion_ci(0.95, method="exact")
    assert clopper_pearson(hits, of) == pytest.approx((exact.low, exact.high), abs=1e-9)


def test_share_without_patients_is_clopper_pearson():
    right = np.array([True] * 8 + [False] * 2)
    assert share(right).interval == clopper_pearson(8, 10)
    assert share(right, [f"p{i}" for i in range(10)]) == share(right)


def test_share_of_identical_images_per_patient_is_that_of_the_patients():
    """Eight copies of each of 40 images say no more than the 40 did."""
    right = np.arange(40) < 32
    once, often = share(right), share(right.repeat(8), [f"p{i}" for i in range(40) for _ in range(8)])
    assert often.value == once.value and often.n == 320
    assert often.low == pytest.approx(once.low, abs=0.02) and often.high == pytest.approx(once.high, abs=0.02)


def test_share_covers_the_truth_where_images_of_a_patient_agree():
    """40 patients with 8 images that are right or wrong together: an interval by image covers in 4 of 10 trials."""
    rng = np.random.default_rng(0)
    names = [f"p{i}" for i in range(40) for _ in range(8)]
    by_patient = by_image = 0
    for _ in range(400):
        right = (rng.random(40) < 0.8).repeat(8)
        low, high = share(right, names).interval
        by_patient += low <= 0.8 <= high
        low, high = share(right).interval
        by_image += low <= 0.8 <= high
    assert by_patient / 400 >= 0.93 and by_image / 400 < 0.6


@pytest.mark.parametrize("right", [True, False])
def test_share_that_is_all_or_nothing_counts_each_patient_once(right):
    names = [f"p{i % 5}" for i in range(40)]
    assert share(np.full(40, right), names).interval == clopper_pearson(5 * right, 5)


def test_share_of_one_patient_has_an_interval_as_wide_as_that_of_one_image():
    found = share(np.array([True, False, True]), ["a", "a", "a"])
    assert found.high - found.low > 0.9 and not np.isnan([found.low, found.high]).any()


@pytest.mark.parametrize(("positives", "negatives"), [(60, 12), (12, 60), (40, 40)])
def test_hanley_mcneil_is_the_spread_of_exponential_scores(positives, negatives):
    """The model behind the formula: the AUROC varies over samples of exponential scores as the interval says."""
    rng = np.random.default_rng(0)
    high, low = rng.exponential(3.0, (4000, positives, 1)), rng.exponential(1.0, (4000, 1, negatives))
    aurocs = (high > low).mean((1, 2))
    below, _ = hanley_mcneil(0.75, positives, negatives)  # 3 / (3 + 1)
    assert aurocs.mean() == pytest.approx(0.75, abs=0.005)
    assert (0.75 - below) / 1.96 == pytest.approx(aurocs.std(), rel=0.03)


@pytest.mark.parametrize("auroc", [0.0, 1.0])
def test_hanley_mcneil_withholds_an_interval_of_no_width(auroc):
    assert hanley_mcneil(auroc, 5, 5) is None


def test_share_with_patients_is_exact_for_korn_and_graubards_effective_number_of_images():
    names = [f"p{patient}" for patient in range(4) for _ in range(3)]
    right = np.array([1, 1, 1, 1, 1, 0, 1, 0, 0, 0, 0, 1], dtype=bool)  # 3, 2, 1 and 1 of 3
    value, found = 7 / 12, np.array([3, 2, 1, 1])
    variance = 4 / 3 * ((found - 3 * value) ** 2).sum() / 12**2
    effective = value * (1 - value) / variance * (t.ppf(0.975, 11) / t.ppf(0.975, 3)) ** 2
    assert share(right, names).interval == pytest.approx(clopper_pearson(value * effective, effective))

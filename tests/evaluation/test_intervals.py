"""Intervals: exact ones against scipy, and coverage where patients have several images."""

import numpy as np
import pytest
from scipy.stats import binomtest

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


@pytest.mark.parametrize(
    ("auroc", "positives", "negatives", "error"),
    [(0.893, 51, 58, 0.0321), (0.8, 20, 20, 0.0718)],  # the first: the CT example of the paper, 0.032
)
def test_hanley_mcneil_gives_the_published_standard_error(auroc, positives, negatives, error):
    low, high = hanley_mcneil(auroc, positives, negatives)
    assert (high - low) / 2 / 1.96 == pytest.approx(error, abs=2e-3) or high == 1
    assert (auroc - low) / 1.96 == pytest.approx(error, abs=4e-4)


@pytest.mark.parametrize("auroc", [0.0, 1.0])
def test_hanley_mcneil_withholds_an_interval_of_no_width(auroc):
    assert hanley_mcneil(auroc, 5, 5) is None

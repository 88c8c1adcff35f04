"""Probabilities against scikit-learn and statsmodels' formulas; edge cases never give NaN to a reader."""

import json
from itertools import pairwise

import numpy as np
import pytest
import sklearn.metrics
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from vip_core.evaluation.positive_class import measure_positive_class
from vip_core.evaluation.probabilities import Probabilities, measure_probabilities
from vip_core.evaluation.reliability import (
    brier_score,
    calibration_intercept,
    calibration_slope,
    histogram_by_outcome,
    reliability_table,
)
from vip_core.utils.ranking import SortedScores


def cases(seed: int, n: int = 200):
    rng = np.random.default_rng(seed)
    probability = np.round(expit(rng.normal(0, 2, n)), 2)  # with ties
    return probability, rng.random(n) < expit(0.6 * logit(np.clip(probability, 0.01, 0.99)) - 0.4)


@pytest.mark.parametrize("seed", range(5))
def test_brier_score_agrees_with_scikit_learn(seed):
    probability, positive = cases(seed)
    scores = np.stack([1 - probability, probability], 1)
    expected = sklearn.metrics.brier_score_loss(positive, probability)
    assert brier_score(scores, positive.astype(int)) == pytest.approx(expected)
    rng = np.random.default_rng(seed)
    scores, labels = rng.dirichlet(np.ones(4), 100), rng.integers(0, 4, 100)
    assert brier_score(scores, labels) == pytest.approx(((scores - np.eye(4)[labels]) ** 2).sum(1).mean())


@pytest.mark.parametrize("seed", range(5))
def test_calibration_slope_is_that_of_a_logistic_regression(seed):
    probability, positive = cases(seed)
    odds = logit(np.clip(probability, 1e-6, 1 - 1e-6))
    weights = np.random.default_rng(seed).integers(0, 4, len(odds))
    for times in (np.ones(len(odds), int), weights):
        model = LogisticRegression(C=1e10, tol=1e-10, max_iter=1000).fit(odds[:, None], positive, sample_weight=times)
        assert calibration_slope(probability, positive, times) == pytest.approx(model.coef_[0, 0], rel=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_calibration_intercept_maximises_the_likelihood_at_slope_one(seed):
    probability, positive = cases(seed)
    odds = logit(np.clip(probability, 1e-6, 1 - 1e-6))
    loss = minimize(lambda a: np.logaddexp(0, np.where(positive, -1, 1) * (odds + a[0])).sum(), [0.0])
    found = calibration_intercept(probability, positive)
    assert found == pytest.approx(loss.x[0], abs=1e-3)
    assert expit(odds + found).mean() == pytest.approx(positive.mean(), abs=1e-6)


def test_calibration_slope_tells_how_much_too_extreme_the_log_odds_are():
    rng = np.random.default_rng(0)
    odds = rng.normal(0, 1.5, 40_000)
    positive = rng.random(40_000) < expit(odds)
    assert calibration_slope(expit(odds), positive) == pytest.approx(1, abs=0.03)
    assert calibration_slope(expit(2 * odds), positive) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_agrees_with_scikit_learn(seed):
    probability, positive = cases(seed)
    weights = np.random.default_rng(seed).integers(0, 4, len(positive))
    ranking = SortedScores(probability, positive)
    for times in (np.ones(len(positive), int), weights):
        expected = sklearn.metrics.average_precision_score(positive, probability, sample_weight=times)
        assert ranking.average_precision(times)[0] == pytest.approx(expected)
        expected = sklearn.metrics.roc_auc_score(positive, probability, sample_weight=times)
        assert ranking.auroc(times)[0] == pytest.approx(expected)


def test_reliability_table_holds_every_image_once_in_order():
    probability, positive = cases(0)
    table = reliability_table(probability, positive)
    assert sum(part.observed.n for part in table) == 200 and len(table) <= 10
    assert sum(part.observed.value * part.observed.n for part in table) == pytest.approx(positive.sum())
    assert sum(part.mean * part.observed.n for part in table) == pytest.approx(probability.sum())
    assert all(one.highest < other.lowest for one, other in pairwise(table))
    assert all(part.observed.low <= part.observed.value <= part.observed.high for part in table)


def test_reliability_table_of_one_score_has_one_bin():
    assert len(reliability_table(np.full(50, 0.5), np.arange(50) < 10)) == 1


def test_histogram_by_outcome_counts_every_image():
    probability, positive = cases(0)
    found = histogram_by_outcome(probability, positive)
    assert sum(found["positive"]) == positive.sum() and sum(found["negative"]) == (~positive).sum()


EDGES = {
    "one class": (np.array([0.2, 0.4, 0.9]), np.array([1, 1, 1])),
    "two images": (np.array([0.2, 0.9]), np.array([0, 1])),
    "one image": (np.array([0.7]), np.array([1])),
    "all right": (np.array([0.1, 0.2, 0.8, 0.9]), np.array([0, 0, 1, 1])),
    "all wrong": (np.array([0.9, 0.8, 0.1, 0.2]), np.array([0, 0, 1, 1])),
    "ties": (np.full(6, 0.5), np.array([0, 1, 0, 1, 0, 1])),
    "certain": (np.array([0.0, 1.0, 1.0, 0.0]), np.array([0, 1, 0, 1])),
}


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize("patients", [None, "a"])
def test_measure_positive_class_gives_a_value_or_a_sentence(name, patients):
    probability, labels = EDGES[name]
    scores = np.stack([1 - probability, probability], 1)
    names = None if patients is None else ["a"] * len(labels)
    for positive in (0, 1):
        found = measure_positive_class(scores, labels, ("x", "y"), positive, names, 0.1, (0.3, 0.7), resamples=50)
        json.dumps(found.to_dict(), allow_nan=False)
        if None in (found.slope, found.intercept, found.auprc, found.curve):
            assert found.not_defined


def test_measure_positive_class_without_resamples_has_the_same_values():
    probability, positive = cases(2)
    scores, labels = np.stack([1 - probability, probability], 1), positive.astype(int)
    quick, whole = (measure_positive_class(scores, labels, ("a", "b"), 1, resamples=n) for n in (0, 50))
    for name in ("brier", "slope", "intercept", "auprc"):
        assert getattr(quick, name).value == getattr(whole, name).value
        assert getattr(quick, name).interval is None is not getattr(whole, name).interval


def test_measure_positive_class_swaps_with_the_classes():
    probability, positive = cases(1)
    scores, labels = np.stack([1 - probability, probability], 1), positive.astype(int)
    one = measure_positive_class(scores, labels, ("well", "ill"), 1, None, 0.1, (0.4, 0.6), resamples=50)
    other = measure_positive_class(scores[:, ::-1], 1 - labels, ("ill", "well"), 0, None, 0.1, (0.6, 0.4), resamples=50)
    assert one.name == other.name == "ill"
    assert one.slope.value == pytest.approx(other.slope.value)
    assert one.auprc.value == other.auprc.value
    assert one.at_prevalence.corrected_ppv.value == pytest.approx(other.at_prevalence.corrected_ppv.value)
    np.testing.assert_allclose(one.at_prevalence.curve.model, other.at_prevalence.curve.model)


@pytest.mark.parametrize("seed", range(3))
def test_probabilities_of_two_classes_are_those_of_the_second_as_the_positive_class(seed):
    probability, positive = cases(seed)
    scores, patients = np.stack([1 - probability, probability], 1), [str(i // 2) for i in range(len(probability))]
    found = measure_probabilities(scores, positive.astype(int), ("no", "yes"), patients, seed, 50)
    expected = measure_positive_class(scores, positive.astype(int), ("no", "yes"), 1, patients, seed=seed, resamples=50)
    assert (found.brier, found.slope, found.intercept) == (expected.brier, expected.slope, expected.intercept)
    assert found.of == "yes" and found.slope.low < found.slope.value < found.slope.high
    assert Probabilities.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_probabilities_of_more_classes_have_a_brier_score_alone():
    rng = np.random.default_rng(0)
    scores, labels = rng.dirichlet(np.ones(4), 100), rng.integers(0, 4, 100)
    found = measure_probabilities(scores, labels, ("a", "b", "c", "d"), resamples=50)
    assert found.brier.value == pytest.approx(brier_score(scores, labels))
    assert (found.of, found.slope, found.intercept) == (None, None, None)
    assert Probabilities.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_probabilities_that_separate_the_classes_have_no_slope():
    scores = np.stack([[0.9, 0.8, 0.2, 0.1], [0.1, 0.2, 0.8, 0.9]], 1)
    found = measure_probabilities(scores, np.array([0, 0, 1, 1]), ("no", "yes"), resamples=50)
    assert found.slope is None and found.intercept is not None
    assert Probabilities.from_dict(found.to_dict()) == found

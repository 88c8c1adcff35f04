"""Tests between two models against direct computations and permutations."""

import json

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from vip_core.evaluation.comparison import compare, delong, holm, mcnemar


def two_models(seed: int, n: int = 120):
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < 0.4
    shared = rng.normal(size=n)
    return [np.round(positive * lift + shared + rng.normal(size=n), 1) for lift in (1.5, 0.8)], positive


@pytest.mark.parametrize("seed", range(5))
def test_delong_agrees_with_its_definition(seed):
    (first, second), positive = two_models(seed)
    difference, error, p = delong(first, second, positive)
    assert difference == pytest.approx(roc_auc_score(positive, first) - roc_auc_score(positive, second))
    kernels = []
    for scores in (first, second):
        own, other = scores[positive][:, None], scores[~positive]
        kernels.append((own > other) + 0.5 * (own == other))
    k = kernels[0] - kernels[1]
    variance = k.mean(1).var(ddof=1) / positive.sum() + k.mean(0).var(ddof=1) / (~positive).sum()
    assert error == pytest.approx(np.sqrt(variance))
    assert 0 <= p <= 1


def test_delong_rejects_one_in_twenty_where_the_models_are_equal():
    rng = np.random.default_rng(0)
    rejected = 0
    for _ in range(500):
        positive = np.arange(100) < 50
        shared = rng.normal(size=100) + positive
        first, second = (shared + rng.normal(size=100) for _ in range(2))
        rejected += delong(first, second, positive)[2] < 0.05
    assert 0.02 < rejected / 500 < 0.085


def test_delong_of_a_model_with_itself_has_no_p_value():
    (first, _), positive = two_models(0)
    assert delong(first, first, positive) == (0.0, pytest.approx(0, abs=1e-7), None)


def test_mcnemar_is_the_sign_test_of_the_discordant_images():
    first = np.array([True] * 30 + [False] * 10)
    second = np.array([True] * 18 + [False] * 12 + [True] * 3 + [False] * 7)
    assert mcnemar(first, second) == pytest.approx(binomtest(12, 15).pvalue)
    assert mcnemar(first, first) == 1


def test_holm_is_that_of_the_paper():
    assert holm([0.01, 0.04, 0.03, None]) == pytest.approx([0.03, 0.06, 0.06, None])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_compare_covers_both_questions_and_its_interval_is_as_wide_as_delong_says():
    (first, second), positive = two_models(0, 400)
    scores = [1 / (1 + np.exp(-s)) for s in (first, second)]
    pair = [np.stack([1 - p, p], 1) for p in scores]
    tests = compare(*pair, positive.astype(int), ("well", "ill"))
    assert [test.question for test in tests] == ["AUROC of ill against the rest", "accuracy"]
    _, error, p = delong(scores[0], scores[1], positive)
    auroc = tests[0]
    assert auroc.p == pytest.approx(p)
    assert auroc.difference.high - auroc.difference.low == pytest.approx(2 * 1.96 * error, rel=0.12)
    assert all(test.holm >= test.p for test in tests)


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1], [0, 1, 0, 1]])
def test_compare_of_few_images_gives_no_nan(labels):
    labels = np.array(labels)
    right = np.eye(2)[labels] * 0.8 + 0.1
    for second in (right, right[:, ::-1]):
        tests = compare(right, second, labels, ("a", "b"), resamples=50)
        json.dumps([test.to_dict() for test in tests], allow_nan=False)


def test_compare_of_three_classes_has_a_test_per_class():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 90)
    pair = [rng.dirichlet(np.ones(3), 90) for _ in range(2)]
    assert len(compare(*pair, labels, ("a", "b", "c"), resamples=50)) == 4

"""Figures agree with their definitions, and intervals cover."""

import math

import numpy as np
import pytest
import sklearn.metrics
import torch
from torch.nn import functional as F

from vip_core.evaluation.metrics import (
    at_threshold,
    expected_calibration_error,
    figures,
    fit_temperature,
    fit_threshold,
)


def test_figures_of_a_small_table_by_hand():
    # Of four "sick" three are found, of six "well" four.
    labels = torch.tensor([1, 1, 1, 1, 0, 0, 0, 0, 0, 0])
    sick = torch.tensor([0.9, 0.8, 0.7, 0.2, 0.1, 0.3, 0.4, 0.45, 0.6, 0.75])
    result = figures(torch.stack([1 - sick, sick], -1), labels, ("well", "sick"))
    assert result.n == 10
    assert result.confusion == [[4, 2], [1, 3]]
    assert result.accuracy == pytest.approx(0.7)
    assert result.recall == {"well": pytest.approx(4 / 6), "sick": pytest.approx(3 / 4)}
    assert result.balanced_accuracy == pytest.approx((4 / 6 + 3 / 4) / 2)
    assert result.f1_macro == pytest.approx((2 * 4 / (2 * 4 + 3) + 2 * 3 / (2 * 3 + 3)) / 2)
    pairs = [(s > w) for s in sick[:4].tolist() for w in sick[4:].tolist()]
    assert result.auroc == pytest.approx(sum(pairs) / 24)
    for name, (low, high) in result.intervals.items():
        assert low < high, name
    assert result.intervals["accuracy"][0] < 0.7 < result.intervals["accuracy"][1]


def test_figures_agree_with_scikit_learn():
    torch.manual_seed(0)
    probabilities, labels = torch.randn(200, 4).softmax(-1), torch.randint(4, (200,))
    result, predicted = figures(probabilities, labels, tuple("abcd")), probabilities.argmax(-1)
    assert result.accuracy == pytest.approx(sklearn.metrics.accuracy_score(labels, predicted))
    assert result.balanced_accuracy == pytest.approx(sklearn.metrics.balanced_accuracy_score(labels, predicted))
    assert result.f1_macro == pytest.approx(sklearn.metrics.f1_score(labels, predicted, average="macro"))
    assert result.confusion == sklearn.metrics.confusion_matrix(labels, predicted).tolist()
    expected = sklearn.metrics.roc_auc_score(labels, probabilities.double().numpy(), multi_class="ovr")
    assert result.auroc == pytest.approx(expected, abs=1e-6)


def test_the_interval_of_an_accuracy_is_that_of_its_binomial():
    labels = torch.arange(400) % 2
    right = torch.arange(400) < 320
    probabilities = torch.eye(2)[torch.where(right, labels, 1 - labels)] * 0.6 + 0.2
    low, high = figures(probabilities, labels, ("a", "b")).intervals["accuracy"]
    spread = 1.96 * math.sqrt(0.8 * 0.2 / 400)
    assert low == pytest.approx(0.8 - spread, abs=0.01) and high == pytest.approx(0.8 + spread, abs=0.01)


def test_where_all_is_right_the_interval_says_how_few_the_images_were():
    """After five of five a share of .025 ** (1 / 5) remains possible; a bootstrap knows nothing but five of five."""
    labels = torch.tensor([0, 0, 0, 1, 1])
    result = figures(torch.eye(2)[labels] * 0.6 + 0.2, labels, ("a", "b"))
    assert result.accuracy == result.auroc == 1
    assert result.intervals["accuracy"] == pytest.approx((0.025 ** (1 / 5), 1))
    assert result.intervals["recall of a"] == pytest.approx((0.025 ** (1 / 3), 1))
    assert result.intervals["auroc"] is result.intervals["balanced_accuracy"] is result.intervals["f1_macro"] is None


def test_auroc_does_not_depend_on_the_order_of_two_classes():
    torch.manual_seed(0)
    probabilities, labels = torch.rand(50, 2).softmax(-1), torch.arange(50) % 2
    one = figures(probabilities, labels, ("a", "b"))
    other = figures(probabilities.flip(-1), 1 - labels, ("b", "a"))
    assert one.auroc == pytest.approx(other.auroc)


def test_several_classes_and_one_that_is_missing():
    probabilities = torch.eye(3)[[0, 1, 0, 1]] * 0.8 + 0.1
    result = figures(probabilities / probabilities.sum(-1, keepdim=True), torch.tensor([0, 1, 0, 1]), ("a", "b", "c"))
    assert result.accuracy == 1 and result.auroc == 1
    assert result.recall == {"a": 1, "b": 1}
    assert np.array(result.confusion).shape == (3, 3)


def test_the_interval_is_the_same_for_a_seed():
    torch.manual_seed(0)
    probabilities, labels = torch.rand(40, 2).softmax(-1), torch.arange(40) % 2
    assert figures(probabilities, labels, ("a", "b"), 1) == figures(probabilities, labels, ("a", "b"), 1)


def test_calibration_error_of_one_bin_by_hand():
    scores = np.array([[0.1, 0.9]] * 10)
    truth = np.array([1] * 7 + [0] * 3)
    assert expected_calibration_error(scores, truth) == pytest.approx(0.2)


@pytest.mark.parametrize("factor", [0.5, 1.0, 4.0])
def test_temperature_undoes_a_known_overconfidence(factor):
    """Labels drawn from softmax(logits): those logits need no temperature, and factor times them need factor."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(20_000, 3, generator=generator)
    labels = torch.multinomial(logits.softmax(-1), 1, generator=generator).flatten()
    temperature = fit_temperature(factor * logits, labels)
    assert temperature == pytest.approx(factor, rel=0.05)
    assert F.cross_entropy(factor * logits / temperature, labels) <= F.cross_entropy(factor * logits, labels) + 1e-6


@pytest.mark.parametrize(("images", "classes"), [(10, 2), (40, 2), (12, 4)])
def test_where_all_are_right_the_probability_says_how_few_they_were(images, classes):
    """By the rule of succession: n of n right leaves (n + 1) / (n + C), not certainty."""
    labels = torch.arange(images) % classes
    logits = 5.0 * torch.eye(classes)[labels]
    probabilities = (logits / fit_temperature(logits, labels)).softmax(-1)
    torch.testing.assert_close(probabilities.max(-1).values, torch.full((images,), (images + 1) / (images + classes)))


def test_a_class_that_never_occurs_counts_for_nothing():
    labels = torch.tensor([0, 1, 0, 1, 2, 2])
    predicted = torch.tensor([0, 1, 1, 1, 2, 0])
    result = figures(torch.eye(4)[predicted] * 0.7 + 0.075, labels, ("a", "b", "c", "d"))
    assert result.f1_macro == pytest.approx(sklearn.metrics.f1_score(labels, predicted, average="macro"))


def test_two_hundred_classes_fit_in_memory():
    labels = torch.arange(400) % 200
    assert figures(torch.eye(200)[labels], labels, tuple(map(str, range(200)))).accuracy == 1


def test_the_threshold_lies_in_the_middle_of_the_widest_gap_that_separates():
    odds = torch.tensor([-3.0, -2.0, 1.0, 3.0])  # the middle of -2 and 1 separates, and so does nothing else
    probabilities = torch.stack([torch.sigmoid(-odds), torch.sigmoid(odds)], dim=-1)
    threshold = fit_threshold(probabilities, torch.tensor([0, 0, 1, 1]))
    assert math.log(threshold / (1 - threshold)) == pytest.approx(-0.5, abs=1e-4)


def test_no_other_threshold_has_a_better_balanced_accuracy():
    generator = torch.Generator().manual_seed(0)
    labels = (torch.rand(300, generator=generator) < 0.2).long()
    odds = torch.randn(300, generator=generator) + 1.5 * labels + 1
    probabilities = torch.stack([torch.sigmoid(-odds), torch.sigmoid(odds)], dim=-1)

    def balanced(threshold: float) -> float:
        called = probabilities[:, 1] > threshold
        return (called[labels == 1].double().mean() + (~called[labels == 0]).double().mean()).item() / 2

    best = max(balanced(threshold) for threshold in probabilities[:, 1].tolist())
    assert balanced(fit_threshold(probabilities, labels)) == pytest.approx(best)


@pytest.mark.parametrize("positive", [0, 1])
@pytest.mark.parametrize("sensitivity", [0.8, 0.95, 1.0])
def test_the_strictest_threshold_that_still_finds_the_share(positive, sensitivity):
    generator = torch.Generator().manual_seed(0)
    labels = (torch.rand(400, generator=generator) < 0.4).long()
    second = torch.sigmoid(torch.randn(400, generator=generator) + 2 * labels - 1)
    probabilities = torch.stack([1 - second, second], dim=-1)
    called = at_threshold(probabilities, fit_threshold(probabilities, labels, positive, sensitivity))[:, positive] > 0.5
    own = labels == positive
    found, count = int(called[own].sum()), int(own.sum())
    assert found / count >= sensitivity > (found - 1) / count
    weakest = probabilities[own & called, positive].min()  # nothing below it is called, so no false alarm is needless
    assert not (called & (probabilities[:, positive] < weakest)).any()


@pytest.mark.parametrize("labels", [[1, 1, 1], [0, 1, 0]])
@pytest.mark.parametrize("positive", [None, 0, 1])
def test_a_threshold_that_nothing_decides_is_one_half(labels, positive):
    probabilities = torch.full((3, 2), 0.5)
    assert fit_threshold(probabilities, torch.tensor(labels), positive) == 0.5


def test_shifted_to_the_threshold_the_same_images_pass_one_half():
    probabilities = torch.rand(50, 1, generator=torch.Generator().manual_seed(0)) * torch.tensor([[-1.0, 1.0]])
    probabilities[:, 0] += 1
    moved = at_threshold(probabilities, 0.8)
    torch.testing.assert_close(moved.sum(-1), torch.ones(50, dtype=torch.float64))
    assert torch.equal(moved[:, 1] > 0.5, probabilities[:, 1] > 0.8)
    assert torch.equal(moved[:, 1].argsort(), probabilities[:, 1].argsort())  # the AUROC stays

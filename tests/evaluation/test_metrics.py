"""Metrics agree with their definitions, and intervals are as wide as theory says."""

import math

import numpy as np
import pytest
import sklearn.metrics
import torch

from vip_core.evaluation.metrics import compute_metrics
from vip_core.utils.ranking import auroc


def test_compute_metrics_of_a_small_table_by_hand():
    # Of four "sick" three are found, of six "well" four.
    labels = torch.tensor([1, 1, 1, 1, 0, 0, 0, 0, 0, 0])
    sick = torch.tensor([0.9, 0.8, 0.7, 0.2, 0.1, 0.3, 0.4, 0.45, 0.6, 0.75])
    result = compute_metrics(torch.stack([1 - sick, sick], -1), labels, ("well", "sick"))
    assert result.n == 10
    assert result.confusion == [[4, 2], [1, 3]]
    assert result.accuracy.value == pytest.approx(0.7)
    assert {name: found.value for name, found in result.recall.items()} == pytest.approx({"well": 4 / 6, "sick": 3 / 4})
    assert result.balanced_accuracy.value == pytest.approx((4 / 6 + 3 / 4) / 2)
    assert result.f1_macro.value == pytest.approx((2 * 4 / (2 * 4 + 3) + 2 * 3 / (2 * 3 + 3)) / 2)
    pairs = [(s > w) for s in sick[:4].tolist() for w in sick[4:].tolist()]
    assert result.auroc.value == pytest.approx(sum(pairs) / 24)
    for found in (result.accuracy, result.balanced_accuracy, result.f1_macro, result.auroc, *result.recall.values()):
        assert found.low < found.value < found.high


def test_compute_metrics_agrees_with_scikit_learn():
    torch.manual_seed(0)
    probabilities, labels = torch.randn(200, 4).softmax(-1), torch.randint(4, (200,))
    result, predicted = compute_metrics(probabilities, labels, tuple("abcd")), probabilities.argmax(-1)
    assert result.accuracy.value == pytest.approx(sklearn.metrics.accuracy_score(labels, predicted))
    assert result.balanced_accuracy.value == pytest.approx(sklearn.metrics.balanced_accuracy_score(labels, predicted))
    assert result.f1_macro.value == pytest.approx(sklearn.metrics.f1_score(labels, predicted, average="macro"))
    assert result.confusion == sklearn.metrics.confusion_matrix(labels, predicted).tolist()
    expected = sklearn.metrics.roc_auc_score(labels, probabilities.double().numpy(), multi_class="ovr")
    assert result.auroc.value == pytest.approx(expected, abs=1e-6)


def test_accuracy_has_the_interval_of_its_binomial():
    labels = torch.arange(400) % 2
    right = torch.arange(400) < 320
    probabilities = torch.eye(2)[torch.where(right, labels, 1 - labels)] * 0.6 + 0.2
    low, high = compute_metrics(probabilities, labels, ("a", "b")).accuracy.interval
    spread = 1.96 * math.sqrt(0.8 * 0.2 / 400)
    assert low == pytest.approx(0.8 - spread, abs=0.01) and high == pytest.approx(0.8 + spread, abs=0.01)


def test_intervals_where_all_is_right_say_how_few_the_images_were():
    """After five of five a share of .025 ** (1 / 5) remains possible; a bootstrap knows nothing but five of five."""
    labels = torch.tensor([0, 0, 0, 1, 1])
    result = compute_metrics(torch.eye(2)[labels] * 0.6 + 0.2, labels, ("a", "b"))
    assert result.accuracy.value == result.auroc.value == 1
    assert result.accuracy.interval == pytest.approx((0.025 ** (1 / 5), 1))
    assert result.recall["a"].interval == pytest.approx((0.025 ** (1 / 3), 1))
    assert result.auroc.interval is result.balanced_accuracy.interval is result.f1_macro.interval is None


def test_auroc_does_not_depend_on_the_order_of_two_classes():
    torch.manual_seed(0)
    probabilities, labels = torch.rand(50, 2).softmax(-1), torch.arange(50) % 2
    one = compute_metrics(probabilities, labels, ("a", "b"))
    other = compute_metrics(probabilities.flip(-1), 1 - labels, ("b", "a"))
    assert one.auroc.value == pytest.approx(other.auroc.value)


def test_compute_metrics_of_several_classes_and_one_that_is_missing():
    probabilities = torch.eye(3)[[0, 1, 0, 1]] * 0.8 + 0.1
    probabilities /= probabilities.sum(-1, keepdim=True)
    result = compute_metrics(probabilities, torch.tensor([0, 1, 0, 1]), ("a", "b", "c"))
    assert result.accuracy.value == 1 and result.auroc.value == 1
    assert {name: found.value for name, found in result.recall.items()} == {"a": 1, "b": 1}
    assert np.array(result.confusion).shape == (3, 3)


def test_compute_metrics_is_the_same_for_a_seed():
    torch.manual_seed(0)
    probabilities, labels = torch.rand(40, 2).softmax(-1), torch.arange(40) % 2
    one, other = (compute_metrics(probabilities, labels, ("a", "b"), 1) for _ in range(2))
    assert one == other


def test_f1_of_a_class_that_never_occurs_counts_for_nothing():
    labels = torch.tensor([0, 1, 0, 1, 2, 2])
    predicted = torch.tensor([0, 1, 1, 1, 2, 0])
    result = compute_metrics(torch.eye(4)[predicted] * 0.7 + 0.075, labels, ("a", "b", "c", "d"))
    assert result.f1_macro.value == pytest.approx(sklearn.metrics.f1_score(labels, predicted, average="macro"))


def test_compute_metrics_takes_two_hundred_classes():
    labels = torch.arange(400) % 200
    names = tuple(map(str, range(200)))
    assert compute_metrics(torch.eye(200)[labels], labels, names, resamples=20).accuracy.value == 1


def test_auroc_counts_ties_as_half():
    rng = np.random.default_rng(0)
    scores, truth = rng.integers(0, 5, 200), rng.random(200) < 0.4
    assert auroc(scores, truth)[0] == pytest.approx(sklearn.metrics.roc_auc_score(truth, scores))
    assert auroc([1, 1], [True, False])[0] == 0.5


def test_auroc_by_class_is_one_against_the_rest():
    torch.manual_seed(0)
    probabilities, labels = torch.randn(90, 3).softmax(-1), torch.arange(90) % 3
    found = compute_metrics(probabilities, labels, ("a", "b", "c"), resamples=50)
    for c, name in enumerate("abc"):
        expected = sklearn.metrics.roc_auc_score(labels == c, probabilities[:, c].double().numpy())
        assert found.auroc_by_class[name].value == pytest.approx(expected)
    assert found.auroc.value == pytest.approx(np.mean([each.value for each in found.auroc_by_class.values()]))
    assert found.to_dict()["intervals"]["auroc_by_class of b"] == found.auroc_by_class["b"].interval


def test_auroc_interval_is_as_wide_as_its_standard_error_says():
    """DeLong's variance (Biometrics 1988), from the definition."""
    torch.manual_seed(0)
    labels = torch.arange(400) % 2
    probabilities = torch.stack([torch.zeros(400), torch.randn(400) + labels], -1).softmax(-1)
    scores, truth = probabilities[:, 1].numpy(), labels.numpy() == 1
    wins = (scores[truth][:, None] > scores[~truth]) + 0.5 * (scores[truth][:, None] == scores[~truth])
    error = math.sqrt(wins.mean(1).var(ddof=1) / truth.sum() + wins.mean(0).var(ddof=1) / (~truth).sum())
    found = compute_metrics(probabilities, labels, ("a", "b")).auroc
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_intervals_by_patient_are_wider_where_the_images_of_a_patient_agree():
    torch.manual_seed(0)
    labels = torch.arange(40) % 2
    once = torch.stack([torch.zeros(40), torch.randn(40) + labels], -1).softmax(-1)
    probabilities, labels = once.repeat_interleave(8, 0), labels.repeat_interleave(8)
    names = [f"p{i}" for i in range(40) for _ in range(8)]
    by_patient = compute_metrics(probabilities, labels, ("a", "b"), patients=names)
    by_image = compute_metrics(probabilities, labels, ("a", "b"))
    assert (by_patient.unit, by_patient.units, by_image.unit, by_image.units) == ("patient", 40, "image", 320)
    for name in ("accuracy", "balanced_accuracy", "f1_macro", "auroc"):
        wide, narrow = getattr(by_patient, name), getattr(by_image, name)
        assert wide.value == narrow.value
        assert wide.high - wide.low > 2 * (narrow.high - narrow.low)
    assert compute_metrics(once, labels[::8], ("a", "b"), patients=names[::8]) == compute_metrics(
        once, labels[::8], ("a", "b")
    )


def test_metrics_keep_the_keys_that_people_script_against():
    labels = torch.tensor([0, 1, 0, 1])
    found = compute_metrics(torch.eye(2)[labels] * 0.6 + 0.2, labels, ("a", "b")).to_dict()
    assert list(found)[:9] == [
        "n", "classes", "accuracy", "balanced_accuracy", "f1_macro", "auroc", "ece", "recall", "confusion"
    ]  # fmt: skip
    assert found["recall"] == {"a": 1, "b": 1}
    assert list(found["intervals"]) == [
        "accuracy", "balanced_accuracy", "f1_macro", "auroc", "recall of a", "recall of b"
    ]  # fmt: skip
    assert found["auroc"] == 1 and found["intervals"]["auroc"] is None

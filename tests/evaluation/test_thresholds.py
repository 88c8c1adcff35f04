"""Thresholds of a two-class model."""

import math

import pytest
import torch

from vip_core.evaluation.thresholds import at_threshold, fit_threshold


def test_fit_threshold_lies_in_the_middle_of_the_widest_gap_that_separates():
    odds = torch.tensor([-3.0, -2.0, 1.0, 3.0])  # the middle of -2 and 1 separates, and so does nothing else
    probabilities = torch.stack([torch.sigmoid(-odds), torch.sigmoid(odds)], dim=-1)
    threshold = fit_threshold(probabilities, torch.tensor([0, 0, 1, 1]))
    assert math.log(threshold / (1 - threshold)) == pytest.approx(-0.5, abs=1e-4)


def test_fit_threshold_has_no_rival_with_a_better_balanced_accuracy():
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
def test_fit_threshold_is_the_strictest_that_still_finds_the_share(positive, sensitivity):
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
def test_fit_threshold_that_nothing_decides_is_one_half(labels, positive):
    probabilities = torch.full((3, 2), 0.5)
    assert fit_threshold(probabilities, torch.tensor(labels), positive) == 0.5


def test_at_threshold_the_same_images_pass_one_half():
    probabilities = torch.rand(50, 1, generator=torch.Generator().manual_seed(0)) * torch.tensor([[-1.0, 1.0]])
    probabilities[:, 0] += 1
    moved = at_threshold(probabilities, 0.8)
    torch.testing.assert_close(moved.sum(-1), torch.ones(50, dtype=torch.float64))
    assert torch.equal(moved[:, 1] > 0.5, probabilities[:, 1] > 0.8)
    assert torch.equal(moved[:, 1].argsort(), probabilities[:, 1].argsort())  # the AUROC stays

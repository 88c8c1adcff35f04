"""Predictive values, net benefit and prior shift against direct counts."""

import numpy as np
import pytest

from vip_core.errors import UsageError
from vip_core.evaluation.decisions import decision_curve, net_benefit, predictive_values, rates
from vip_core.utils.priors import full_mix, read_prevalence, shift_prior


def cohort(prevalence: float, n: int = 400_000):
    """Scores with a known posterior: normal with means 0 and 1.5."""
    rng = np.random.default_rng(0)
    positive = rng.random(n) < prevalence
    score = rng.normal(1.5 * positive, 1.0)
    return score, positive


def posterior(score: np.ndarray, prevalence: float) -> np.ndarray:
    ratio = np.exp(1.5 * score - 1.125) * prevalence / (1 - prevalence)
    return ratio / (1 + ratio)


def test_predictive_values_are_those_counted_in_a_cohort_of_that_prevalence():
    score, positive = cohort(0.1)
    called = score > 1
    ppv, npv = predictive_values(*rates(called, positive), positive.mean())
    assert ppv == pytest.approx(positive[called].mean()) and npv == pytest.approx((~positive[~called]).mean())


def test_predictive_values_at_another_prevalence_are_those_of_a_cohort_that_has_it():
    score, positive = cohort(0.5)
    other_score, other_positive = cohort(0.1)
    ppv, npv = predictive_values(*rates(score > 1, positive), 0.1)
    assert ppv == pytest.approx(other_positive[other_score > 1].mean(), abs=0.01)
    assert npv == pytest.approx((~other_positive[other_score <= 1]).mean(), abs=0.01)


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.6])
def test_net_benefit_is_true_less_weighted_false_positives(threshold):
    score, positive = cohort(0.3, 2000)
    probability = posterior(score, 0.3)
    curve = decision_curve(probability, positive)
    called = probability >= threshold
    counted = (called & positive).mean() - (called & ~positive).mean() * threshold / (1 - threshold)
    assert curve.at(threshold) == pytest.approx(counted)
    everyone = positive.mean() - (~positive).mean() * threshold / (1 - threshold)
    assert curve.treat_all[round(threshold * 100) - 1] == pytest.approx(everyone)
    assert net_benefit(0.0, 1.0, 0.3, threshold) == 0


def test_decision_curve_of_one_class_is_none():
    assert decision_curve(np.array([0.2, 0.7]), np.array([True, True])) is None


def test_shift_prior_gives_the_posterior_at_the_other_prevalence():
    score, _ = cohort(0.5, 1000)
    before, after = posterior(score, 0.5), posterior(score, 0.1)
    shifted = shift_prior(np.stack([1 - before, before], 1), (0.5, 0.5), (0.9, 0.1))
    np.testing.assert_allclose(shifted[:, 1], after)
    np.testing.assert_allclose(shift_prior(shifted, (0.9, 0.1), (0.5, 0.5))[:, 1], before)


def test_shift_prior_makes_net_benefit_at_least_that_of_the_uncorrected_probabilities():
    score, positive = cohort(0.6)
    before = posterior(score, 0.6)
    after = shift_prior(np.stack([1 - before, before], 1), (0.4, 0.6), (0.9, 0.1))[:, 1]
    wrong, right = (decision_curve(p, positive, 0.1).at(0.3) for p in (before, after))
    assert wrong < 0 < right


def test_full_mix_divides_the_rest_as_before():
    assert full_mix({"c": 0.2}, ("a", "b", "c"), (0.5, 0.25, 0.25)) == pytest.approx([0.8 * 2 / 3, 0.8 / 3, 0.2])
    assert full_mix({"a": 0.9}, ("a", "b"), (0.5, 0.5)) == pytest.approx([0.9, 0.1])


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"d": 0.1}, "refers to 'd'"),
        ({"a": 0.0}, "above 0 and below 1"),
        ({"a": 10}, "above 0 and below 1"),
        ({"a": float("nan")}, "above 0 and below 1"),
        ({"a": 0.6, "b": 0.6}, "add up to 1.2"),
        ({"a": 0.2, "b": 0.2, "c": 0.2}, "add up to 0.6"),
    ],
)
def test_full_mix_refuses_what_does_not_add_up(given, sentence):
    with pytest.raises(UsageError, match=sentence):
        full_mix(given, ("a", "b", "c"), (0.5, 0.25, 0.25))


def test_read_prevalence_takes_names_with_spaces_and_refuses_the_rest():
    assert read_prevalence(["normal lung=0.9", "a=b=0.1"], ("a",)) == {"normal lung": 0.9, "a=b": 0.1}
    for word in ("0.1", "a=many", "=0.1"):
        with pytest.raises(UsageError, match="CLASS=SHARE"):
            read_prevalence([word], ("a", "b"))

"""Symptom reliance: known answers for models whose text or class tokens decide alone."""

from dataclasses import replace

import pytest
import torch

from vip_core.evaluation.reliance import symptom_reliance
from vip_core.models.vip import ViP, predict
from vip_core.symptoms import SymptomSet


@pytest.fixture
def pair(backbone):
    return ViP(backbone, SymptomSet.from_dict({"a": ["black areas", "haze"], "b": ["bright areas"]}))


def images(count: int = 40) -> torch.Tensor:
    return torch.randn(count, 8, generator=torch.Generator().manual_seed(0))


def test_symptom_reliance_is_total_without_class_tokens(pair):
    torch.nn.init.zeros_(pair.merge_prompt.tokens)
    result = symptom_reliance(pair, images())
    assert result.n == 40
    assert result.swap_follow_rate == 1
    assert result.class_token_share == 0
    assert result.probability_of_unrelated_text == pytest.approx({"a": 0.5, "b": 0.5})


def test_symptom_reliance_is_none_under_huge_class_tokens(pair):
    torch.nn.init.normal_(pair.merge_prompt.tokens, std=1e6)
    result = symptom_reliance(pair, images())
    assert result.swap_follow_rate == 0
    assert result.class_token_share == pytest.approx(1, abs=1e-3)


def test_symptom_reliance_of_three_classes_follows_the_rotation(backbone, symptoms):
    vip = ViP(backbone, symptoms)
    torch.nn.init.zeros_(vip.merge_prompt.tokens)
    torch.nn.init.zeros_(vip.merge_prompt.query.weight)  # equal attention, whatever the token
    assert symptom_reliance(vip, images()).swap_follow_rate == 1


def test_symptom_reliance_counts_only_predictions_that_follow_their_list(backbone, symptoms):
    """With three classes a prediction may change without following; such a flip must not count."""
    vip = ViP(backbone, symptoms)
    torch.nn.init.normal_(vip.merge_prompt.tokens, std=3.0)
    before = predict(vip, images(400)).argmax(-1)
    result = symptom_reliance(vip, images(400))
    vip.symptoms = replace(symptoms, symptoms=(*symptoms.symptoms[1:], symptoms.symptoms[0]))
    after = predict(vip, images(400)).argmax(-1)
    flips = (after != before).float().mean().item()
    follows = (after == (before - 1) % 3).float().mean().item()
    assert 0 < follows < flips
    assert result.swap_follow_rate == pytest.approx(follows)


def test_reliance_keeps_the_keys_of_shipped_cards(pair):
    keys = {"n", "moved_with_the_lists", "probability_of_unrelated_text", "share_of_class_tokens"}
    assert set(symptom_reliance(pair, images()).to_dict()) == keys

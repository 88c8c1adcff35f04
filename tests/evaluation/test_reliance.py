"""Whether the symptoms carry the decision: known answers for models whose text or tokens decide alone."""

import pytest
import torch

from vip_core.evaluation.reliance import carrying
from vip_core.models.vip import ViP
from vip_core.symptoms import SymptomSet


@pytest.fixture
def pair(backbone):
    return ViP(backbone, SymptomSet.from_dict({"a": ["black areas", "haze"], "b": ["bright areas"]}))


def images(count: int = 40) -> torch.Tensor:
    return torch.randn(count, 8, generator=torch.Generator().manual_seed(0))


def test_without_tokens_every_prediction_goes_with_its_list_and_unrelated_text_says_one_half(pair):
    torch.nn.init.zeros_(pair.merge_prompt.tokens)
    result = carrying(pair, images())
    assert result.n == 40
    assert result.moved_with_the_lists == 1
    assert result.share_of_class_tokens == 0
    assert result.probability_of_unrelated_text == pytest.approx({"a": 0.5, "b": 0.5})


def test_under_huge_tokens_nothing_moves_and_they_have_the_whole_difference(pair):
    torch.nn.init.normal_(pair.merge_prompt.tokens, std=1e6)
    result = carrying(pair, images())
    assert result.moved_with_the_lists == 0
    assert result.share_of_class_tokens == pytest.approx(1, abs=1e-3)


def test_with_three_classes_the_predictions_move_round(backbone, symptoms):
    vip = ViP(backbone, symptoms)
    torch.nn.init.zeros_(vip.merge_prompt.tokens)
    torch.nn.init.zeros_(vip.merge_prompt.query.weight)  # equal attention, whatever the token
    assert carrying(vip, images()).moved_with_the_lists == 1

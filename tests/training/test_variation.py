"""What a step reads: lists and labels that are exchanged together, wordings, and unrelated sentences."""

from dataclasses import replace

import pytest
import torch

from vip_core.errors import SymptomError, UsageError
from vip_core.models.vip import ViP
from vip_core.symptoms import SymptomSet
from vip_core.training.config import TrainConfig
from vip_core.training.variation import Anchor, FixedText, StepLoss, Variation, unrelated_sentences

PAPER = TrainConfig(data="folder", root="", symptoms="", method="vip")


def generator():
    return torch.Generator().manual_seed(3)


def test_the_paper_s_method_reads_its_own_lists_and_draws_nothing(symptoms):
    labels, drawn, untouched = torch.tensor([0, 1, 2]), generator(), generator()
    lists, targets = Variation(symptoms, PAPER).draw(labels, drawn)
    assert lists is symptoms and targets is labels
    assert torch.equal(drawn.get_state(), untouched.get_state())


@pytest.mark.parametrize("classes", [2, 3])
def test_exchanged_lists_take_their_labels_along(symptoms, classes):
    own = SymptomSet(symptoms.classes[:classes], symptoms.symptoms[:classes])
    variation, labels, random = Variation(own, replace(PAPER, swap=1.0)), torch.arange(classes), generator()
    orders = set()
    for _ in range(20):
        lists, targets = variation.draw(labels, random)
        assert [lists.symptoms[c] for c in targets] == list(own.symptoms)  # an image still meets its own class's list
        orders.add(lists.symptoms)
    assert own.symptoms not in orders if classes == 2 else len(orders) > 2


def test_wordings_are_drawn_with_the_symptom_itself():
    symptoms = SymptomSet.from_dict(
        {"classes": {"a": ["white"], "b": ["black"]}, "wordings": {"white": ["pale", "bright"]}}
    )
    variation, random = Variation(symptoms, replace(PAPER, wordings=True)), generator()
    seen = {variation.draw(torch.tensor([0]), random)[0].symptoms for _ in range(40)}
    assert seen == {(("white",), ("black",)), (("pale",), ("black",)), (("bright",), ("black",))}


def test_unrelated_text_has_an_even_target(symptoms):
    lists, targets = Variation(symptoms, replace(PAPER, unrelated=1.0)).draw(torch.tensor([0, 2]), generator())
    assert set(lists.texts) <= set(unrelated_sentences()) and lists.counts == symptoms.counts
    torch.testing.assert_close(targets, torch.full((2, 3), 1 / 3))


@pytest.mark.parametrize("per_class", [False, True])
def test_fixed_text_equals_the_encoded_text(backbone, symptoms, per_class):
    vip = ViP(backbone, symptoms, class_context=per_class)
    fixed = FixedText(vip, vip.context_prompt.vectors.detach())
    moved = replace(symptoms, symptoms=(*symptoms.symptoms[1:], symptoms.symptoms[0]))
    for lists in (symptoms, moved, symptoms):
        torch.testing.assert_close(fixed(lists.texts, lists.labels), vip.encode_symptoms(lists).detach())


@pytest.mark.parametrize("per_class", [False, True])
def test_anchor_is_the_mean_distance_of_texts_from_what_they_were(backbone, symptoms, per_class):
    torch.manual_seed(0)
    vip = ViP(backbone, symptoms, class_context=per_class)
    initial = FixedText(vip, vip.context_prompt.vectors.detach().clone())
    assert Anchor(vip, initial, 8.0, generator())().item() == pytest.approx(0, abs=1e-5)
    with torch.no_grad():
        vip.context_prompt.vectors.normal_(std=0.5)
    anchor = Anchor(vip, initial, 8.0, generator())
    penalty = anchor()
    # The initial features are known for exactly the texts that the step drew.
    expected = []
    for label, text in initial.known:
        context = vip.context_prompt.vectors[label] if per_class else vip.context_prompt.vectors
        now = backbone.encode_prompts([text], context)[0]
        expected.append(1 - torch.cosine_similarity(now, initial.known[label, text], dim=0))
    drawn = {text for _, text in initial.known}
    assert drawn & set(symptoms.texts) and drawn & set(unrelated_sentences())
    assert 8 * min(expected) < penalty < 8 * max(expected)
    penalty.backward()
    assert vip.context_prompt.vectors.grad is not None
    assert vip.context_prompt.vectors.grad.abs().sum() > 0
    assert vip.merge_prompt.tokens.grad is None


def test_anchor_draws_wordings_too_and_weighs_the_penalty(backbone):
    symptoms = SymptomSet.from_dict(
        {"classes": {"a": ["white"], "b": ["black"]}, "wordings": {"white": ["pale", "bright"]}}
    )
    torch.manual_seed(0)
    vip = ViP(backbone, symptoms)
    initial = FixedText(vip, vip.context_prompt.vectors.detach().clone())
    with torch.no_grad():
        vip.context_prompt.vectors.normal_(std=0.5)
    single, double = (Anchor(vip, initial, weight, generator()) for weight in (1.0, 2.0))
    assert double().item() == pytest.approx(2 * single().item())
    for _ in range(20):
        single()
    assert {"white", "black", "pale", "bright"} <= {text for _, text in initial.known}


def test_step_loss_adds_the_penalty_to_the_cross_entropy(backbone, symptoms):
    torch.manual_seed(0)
    vip = ViP(backbone, symptoms)
    anchored = StepLoss(vip, replace(PAPER, anchor=3.0), generator())  # it remembers the text as it is now
    plain = StepLoss(vip, PAPER, generator())
    with torch.no_grad():
        vip.context_prompt.vectors.normal_(std=0.5)
    penalty = Anchor(vip, anchored.initial, 3.0, generator())()
    images, labels = torch.randn(6, backbone.embed_dim), torch.arange(6) % 3
    torch.testing.assert_close(anchored(images, labels), plain(images, labels) + penalty)
    assert penalty > 0.01


def test_train_config_refuses_an_anchor_for_text_that_is_not_trained():
    with pytest.raises(UsageError, match="leave --anchor out"):
        TrainConfig(data="folder", root="", symptoms="", method="vip-adapter", anchor=1.0)
    with pytest.raises(UsageError, match="leave --anchor out"):
        replace(PAPER, anchor=1.0, train_context=False)


def test_symptom_set_keeps_wordings_and_refuses_those_of_no_symptom():
    data = {"classes": {"a": ["white"], "b": ["black"]}, "wordings": {"white": ["pale"]}}
    assert SymptomSet.from_dict(SymptomSet.from_dict(data).to_dict()).wordings == {"white": ("pale",)}
    with pytest.raises(SymptomError, match="“green”"):
        SymptomSet.from_dict({**data, "wordings": {"green": ["lime"]}})
    with pytest.raises(SymptomError, match="not a list"):
        SymptomSet.from_dict({**data, "wordings": {"white": "pale"}})


def test_train_config_refuses_a_rank_for_the_paper_s_method():
    with pytest.raises(UsageError, match="rank"):
        TrainConfig(data="folder", root="", symptoms="", method="vip", rank=4)

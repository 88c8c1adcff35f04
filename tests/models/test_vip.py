"""The method: prompts, logits, and terms that add up to them."""

import copy
import math
import pickle

import pytest
import torch
from torch.nn import functional as F

from vip_core.errors import BackboneError
from vip_core.models.backbone import Backbone
from vip_core.models.prompts import ContextPrompt, MergePrompt
from vip_core.models.vip import ViP
from vip_core.symptoms import SymptomSet


@pytest.fixture
def vip(backbone, symptoms):
    torch.manual_seed(0)
    return ViP(backbone, symptoms)


@pytest.fixture
def features():
    return torch.randn(6, 8, generator=torch.Generator().manual_seed(1))


def test_vip_state_has_the_keys_of_the_paper_sized_by_the_embedding(vip):
    shapes = {key: tuple(value.shape) for key, value in vip.state_dict().items()}
    assert shapes == {
        "context_prompt.vectors": (4, 12),
        "merge_prompt.tokens": (3, 8),
        "merge_prompt.query.weight": (8, 8),
        "merge_prompt.key.weight": (8, 8),
    }


def test_prompts_start_as_in_the_paper():
    torch.manual_seed(0)
    context, merge = ContextPrompt(4, 4096), MergePrompt(3, 512)
    assert context.vectors.std().item() == pytest.approx(0.02, rel=0.05)
    assert merge.tokens.std().item() == pytest.approx(0.02, rel=0.1)
    assert merge.query.weight.std().item() == pytest.approx(math.sqrt(2 / 1024), rel=0.05)  # Xavier normal


def test_merge_prompt_by_hand():
    """Two symptoms in two dimensions, all numbers worked out on paper."""
    merge = MergePrompt(1, 2)
    with torch.no_grad():
        merge.tokens.copy_(torch.tensor([[1.0, 0.0]]))
        merge.query.weight.copy_(torch.tensor([[2.0, 0.0], [0.0, 1.0]]))
        merge.key.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    text = torch.tensor([[[1.0, 1.0], [0.0, 3.0]]])
    merged, attention = merge(text, torch.tensor([[True, True]]))
    # W_q p = (2, 0); scores = (2, 0) / sqrt(2)
    first = math.exp(math.sqrt(2)) / (math.exp(math.sqrt(2)) + 1)
    torch.testing.assert_close(attention, torch.tensor([[first, 1 - first]]))
    torch.testing.assert_close(merged, torch.tensor([[1 + first, first + 3 * (1 - first)]]))


def test_merge_is_unchanged_by_padding(vip, symptoms):
    text = vip.encode_symptoms()
    together, _ = vip.merge(text, symptoms.counts)
    merge = vip.merge_prompt
    for c, own in enumerate(text.split(symptoms.counts)):
        weights = ((own @ merge.key.weight.T) @ (merge.query.weight @ merge.tokens[c]) / math.sqrt(8)).softmax(0)
        torch.testing.assert_close(together[c], merge.tokens[c] + weights @ own)


def test_vip_logits_are_scaled_cosines(vip, features):
    merged, _ = vip.merge(vip.encode_symptoms(), vip.symptoms.counts)
    expected = vip.backbone.logit_scale.exp() * F.cosine_similarity(features[:, None], merged[None], dim=-1)
    torch.testing.assert_close(vip(features), expected)
    torch.testing.assert_close(vip(7 * features), expected)  # the image feature is normalised inside


def test_explain_terms_sum_to_the_logit(vip, features):
    logits = vip(features)
    for c, terms in enumerate(vip.explain(features)):
        torch.testing.assert_close(terms.token + terms.symptoms.sum(-1), logits[:, c], atol=1e-4, rtol=1e-4)
        assert terms.attention.sum().item() == pytest.approx(1, abs=1e-5)
        assert terms.symptoms.shape == (6, vip.symptoms.counts[c])


def test_explain_terms_sum_to_the_logit_on_vip_mini(vip_mini, symptoms):
    vip = ViP(vip_mini, symptoms)
    images = torch.randn(3, vip_mini.embed_dim)
    for c, terms in enumerate(vip.explain(images)):
        torch.testing.assert_close(terms.token + terms.symptoms.sum(-1), vip(images)[:, c], atol=1e-4, rtol=1e-4)


def test_explain_similarity_is_the_cosine_with_the_symptoms_feature(vip, features):
    text = vip.encode_symptoms().split(vip.symptoms.counts)
    for c, terms in enumerate(vip.explain(features)):
        expected = F.cosine_similarity(features[:, None], text[c][None], dim=-1)
        torch.testing.assert_close(terms.similarity, expected)


def test_explain_gives_a_single_symptom_all_the_attention(vip, features):
    assert vip.explain(features)[0].attention.tolist() == [1.0]


def test_vip_does_not_depend_on_the_order_of_symptoms(backbone, symptoms, features):
    torch.manual_seed(0)
    vip = ViP(backbone, symptoms)
    before = vip(features)
    vip.symptoms = symptoms.edited("viral", reversed(symptoms.symptoms[2]))
    torch.testing.assert_close(vip(features), before)


def test_vip_does_not_depend_on_class_names(backbone, symptoms, features):
    torch.manual_seed(0)
    vip = ViP(backbone, symptoms)
    before = vip(features)
    vip.symptoms = SymptomSet(("a", "b", "c"), symptoms.symptoms)
    torch.testing.assert_close(vip(features), before)


def test_class_context_of_equal_vectors_is_the_shared_context(backbone, symptoms, features):
    torch.manual_seed(0)
    shared = ViP(backbone, symptoms)
    own = ViP(backbone, symptoms, class_context=True)
    state = shared.state_dict()
    state["context_prompt.vectors"] = state["context_prompt.vectors"].expand(3, -1, -1)
    own.load_state_dict(state)
    torch.testing.assert_close(own(features), shared(features))
    with torch.no_grad():
        own.context_prompt.vectors[1] += torch.randn(4, 12)
    changed = (own(features) - shared(features)).abs().max(0).values
    assert changed[1] > 1e-3 and changed[0] < 1e-5 and changed[2] < 1e-5


def test_vip_gradient_reaches_only_the_prompts(vip, features):
    F.cross_entropy(vip(features), torch.tensor([0, 1, 2, 0, 1, 2])).backward()
    assert {name for name, parameter in vip.named_parameters() if parameter.grad is not None} == set(vip.state_dict())
    assert not any(parameter.grad is not None for parameter in vip.backbone.parameters())


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda vip: pickle.loads(pickle.dumps(vip))])
def test_vip_can_be_copied_and_pickled(vip, features, copied):
    again = copied(vip)
    assert torch.equal(again(features), vip(features))
    assert again.backbone is not vip.backbone and again.backbone.fingerprint == vip.backbone.fingerprint
    vip.merge_prompt.tokens.data.zero_()
    vip.backbone.clip.token_embedding.weight.data.zero_()
    assert again.merge_prompt.tokens.abs().max() > 0 and again.encode_symptoms().std() > 1e-3


def test_vip_trains_the_text_tower_in_bfloat16_only_where_asked(vip, symptoms):
    exact = vip.backbone.encode_prompts(symptoms.texts, vip.context_prompt.vectors)
    fast = vip.backbone.encode_prompts(symptoms.texts, vip.context_prompt.vectors, autocast=True)
    assert not torch.equal(exact, fast)
    for training, allowed in ((True, False), (False, True), (True, True)):
        vip.train(training).fast_training = allowed
        assert torch.equal(vip.encode_symptoms(), fast if training and allowed else exact)


def test_gradients_of_the_context_pass_no_fused_attention_on_a_cpu(vip):
    seen, waiting = set(), [vip.encode_symptoms().sum().grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            waiting.extend(following for following, _ in node.next_functions)
    names = {type(node).__name__ for node in seen}
    assert any("Softmax" in name for name in names) and not any("Attention" in name for name in names)


@pytest.mark.parametrize("change", ["half", "double", "bfloat16"])
def test_vip_refuses_another_precision(vip, features, change):
    before = vip(features)
    with pytest.raises(BackboneError, match="stays in float32; pass autocast=True"):
        getattr(vip, change)()
    assert torch.equal(vip(features), before)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["RN50", "ViT-B-16", "ViT-L-14-336", "RN50x64"])
def test_vip_trains_a_step_on_real_configurations(name, symptoms):
    backbone = Backbone.load(name, "random")
    torch.manual_seed(0)
    vip = ViP(backbone, symptoms)
    with torch.inference_mode():
        pixels = torch.rand(1, 3, *backbone.image_size)
        images = backbone.encode_images(pixels, autocast=True).clone()
    assert images.shape == (1, backbone.embed_dim)
    before = {key: value.clone() for key, value in vip.state_dict().items()}
    optimizer = torch.optim.SGD(vip.parameters(), lr=0.1)
    F.cross_entropy(vip(images), torch.tensor([1])).backward()
    optimizer.step()
    assert all(not torch.equal(before[key], value) for key, value in vip.state_dict().items())
    terms = vip.explain(images)
    total = torch.stack([term.token + term.symptoms.sum(-1) for term in terms], dim=-1)
    torch.testing.assert_close(total, vip(images), atol=1e-3, rtol=1e-4)

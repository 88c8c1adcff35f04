"""What each method becomes where its own part is switched off."""

import pytest
import torch

from tests.conftest import PROJECT
from vip_core.baselines.ablations import ContextOnly, MergeOnly, TokensOnly
from vip_core.baselines.bayesian import BayesianPrompts, ConditionalBayesianPrompts
from vip_core.baselines.biomedcoop import BiomedCoOp
from vip_core.baselines.clip_adapter import ClipAdapter
from vip_core.baselines.cocoop import CoCoOp
from vip_core.baselines.coop import CoOp
from vip_core.baselines.kgcoop import KgCoOp
from vip_core.baselines.linear_probe import LinearProbe
from vip_core.baselines.maple import MaPLe
from vip_core.baselines.registry import METHODS
from vip_core.baselines.tip_adapter import TipAdapter, TipAdapterF
from vip_core.baselines.zero_shot import NameZeroShot, SymptomZeroShot
from vip_core.errors import BackboneError
from vip_core.models.backbone import Backbone
from vip_core.models.vip import ViP
from vip_core.symptoms import SymptomSet


def alike(found, expected):
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("class_context", [False, True])
def test_coop_with_words_untrained_is_zero_shot_with_that_template(backbone, symptoms, features, class_context):
    coop = CoOp(backbone, symptoms, class_context, words="a photo of a")
    alike(coop(features), NameZeroShot(backbone, symptoms, ("a photo of a {}",))(features))


def test_cocoop_without_shift_is_coop(backbone, symptoms, features):
    cocoop, coop = CoCoOp(backbone, symptoms), CoOp(backbone, symptoms)
    coop.context.data = cocoop.context.data
    torch.nn.init.zeros_(cocoop.shift[2].weight)
    torch.nn.init.zeros_(cocoop.shift[2].bias)
    alike(cocoop(features), coop(features))


@pytest.mark.parametrize("kind", [BayesianPrompts, ConditionalBayesianPrompts])
def test_bayesian_prompts_without_variance_are_coop(backbone, symptoms, features, kind, monkeypatch):
    bayesian, coop = kind(backbone, symptoms), CoOp(backbone, symptoms)
    coop.context.data = bayesian.context.data
    bayesian.samples = 1
    nothing = torch.zeros(1, backbone.text_width), torch.full((1, backbone.text_width), -200.0)
    monkeypatch.setattr(bayesian, "distribution", lambda x: nothing)
    alike(bayesian(features), coop(features).log_softmax(-1))


def test_kgcoop_and_biomedcoop_without_their_terms_are_coop(backbone, symptoms, features, labels):
    coop = CoOp.from_words(backbone, symptoms)
    expected = coop.loss(features, labels)
    alike(KgCoOp(backbone, symptoms, weight=0).loss(features, labels), expected)
    alike(BiomedCoOp(backbone, symptoms, consistency=0, distillation=0).loss(features, labels), expected)
    assert KgCoOp(backbone, symptoms).loss(features, labels) > expected
    assert BiomedCoOp(backbone, symptoms).loss(features, labels) > expected


def test_tip_adapter_f_untrained_is_tip_adapter_and_without_cache_zero_shot(backbone, symptoms, features, labels):
    tip, trained = TipAdapter(backbone, symptoms), TipAdapterF(backbone, symptoms)
    for learner in (tip, trained):
        learner.prepare(features.unsqueeze(1), labels)
    alike(tip(features), trained(features))
    tip.alpha = 0.0
    alike(tip(features), NameZeroShot.ensemble(backbone, symptoms)(features))


def test_tip_adapter_of_a_class_with_many_images_counts_as_sixteen(backbone, symptoms, features):
    few, many = TipAdapter(backbone, symptoms), TipAdapter(backbone, symptoms)
    few.prepare(features[:1].expand(16, -1).unsqueeze(1), torch.zeros(16, dtype=torch.long))
    many.prepare(features[:1].expand(500, -1).unsqueeze(1), torch.zeros(500, dtype=torch.long))
    alike(few(features), many(features))


def test_clip_adapter_without_ratio_is_zero_shot(backbone, symptoms, features):
    alike(ClipAdapter(backbone, symptoms, ratio=0)(features), NameZeroShot.one_template(backbone, symptoms)(features))


def test_maple_of_one_layer_without_vision_prompts_is_coop(backbone, symptoms, pixels):
    maple, coop = MaPLe(backbone, symptoms, depth=1, vision_prompts=False), CoOp(backbone, symptoms)
    coop.context.data = maple.prompts.data[0]
    alike(maple(pixels), coop(backbone.encode_images(pixels)))
    assert not torch.allclose(MaPLe(backbone, symptoms)(pixels), maple(pixels), atol=1e-3)


def test_maple_refuses_a_backbone_without_vit(vip_mini, symptoms):
    with pytest.raises(BackboneError, match="choose a ViT such as ViT-B-16"):
        MaPLe(vip_mini, symptoms)


def test_ablations_of_vip_are_vip_with_parts_removed(backbone, symptoms, features):
    vip, merge, tokens = ViP(backbone, symptoms), MergeOnly(backbone, symptoms), TokensOnly(backbone, symptoms)
    merge.merge_prompt.load_state_dict(vip.merge_prompt.state_dict())
    plain = vip.merge(backbone.encode_prompts(symptoms.texts), symptoms.counts)[0]
    unit = torch.nn.functional.normalize
    alike(merge(features), vip.scale * unit(features, dim=-1) @ unit(plain, dim=-1).T)
    tokens.tokens.data = vip.merge_prompt.tokens.data
    terms = torch.stack([term.token for term in vip.explain(features)], dim=-1)
    length = vip.merge(vip.encode_symptoms(), symptoms.counts)[0].norm(dim=-1) / tokens.tokens.norm(dim=-1)
    alike(tokens(features), terms * length)
    context = ContextOnly(backbone, symptoms)
    context.context_prompt.vectors = torch.nn.Parameter(torch.empty(0, backbone.text_width))
    alike(context(features), SymptomZeroShot(backbone, symptoms)(features))


FEATURE_METHODS = [m for m in METHODS.values() if m.name not in ("maple", "fine-tuned")]


@pytest.mark.parametrize("method", FEATURE_METHODS, ids=lambda method: method.name)
def test_order_of_the_classes_moves_the_columns_and_nothing_else(backbone, symptoms, features, labels, method):
    order = [2, 0, 1]
    turned: SymptomSet = symptoms.ordered([symptoms.classes[i] for i in order])
    found = []
    for classes, names in ((symptoms, [0, 1, 2]), (turned, order)):
        torch.manual_seed(0)
        learner = method.build(backbone, classes)
        for parameter in learner.parameters():
            if parameter.ndim > 1 and len(parameter) == 3:  # a row per class
                parameter.data = parameter.data[names] if classes is turned else parameter.data
        places = torch.tensor([names.index(int(label)) for label in labels])
        learner.prepare(features.unsqueeze(1), places)
        learner.finish(features, places)
        found.append(learner(features).detach())
    tolerance = 1e-3 if isinstance(learner, LinearProbe) else 1e-4  # L-BFGS stops where it stops
    torch.testing.assert_close(found[1], found[0][:, order], atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("method", FEATURE_METHODS, ids=lambda method: method.name)
def test_bf16_and_float32_agree_on_predictions(vip_mini: Backbone, method):
    symptoms = SymptomSet.load(PROJECT / "assets" / "symptoms" / "pneumonia.json")
    images = torch.randn(300, 384, generator=torch.Generator().manual_seed(0))
    truth = (images @ torch.randn(384, generator=torch.Generator().manual_seed(1)) > 0).long()
    torch.manual_seed(0)
    learner = method.build(vip_mini, symptoms)
    if method.name.startswith(("cocoop", "bayesian-c")):
        images, truth = images[:60], truth[:60]
    learner.prepare(images.unsqueeze(1), truth)
    learner.finish(images, truth)
    learner.eval()
    with torch.inference_mode():
        exact = learner(images)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = learner(images).float()
    clear = exact.topk(2).values.diff().abs().flatten() > 0.02 * exact.abs().max()  # untrained, many are ties
    assert (exact.argmax(-1) == rounded.argmax(-1))[clear].float().mean() > 0.99


LEARNED_TEXT = {
    "vip",
    "coop",
    "coop-csc",
    "cocoop",
    "bayesian",
    "bayesian-conditional",
    "kgcoop",
    "biomedcoop",
    "context-only",
}


@pytest.mark.parametrize(
    "method", [m for m in FEATURE_METHODS if m.name in LEARNED_TEXT], ids=lambda method: method.name
)
def test_methods_train_the_text_tower_in_bfloat16_alike(backbone, symptoms, features, labels, method):
    torch.manual_seed(0)
    learner = method.build(backbone, symptoms)
    learner.prepare(features.unsqueeze(1), labels)
    exact = learner.train()(features)
    learner.fast_training = True
    assert not torch.equal(learner(features), exact)
    torch.testing.assert_close(learner(features), exact, atol=0.3, rtol=0.05)
    learner.loss(features, labels).backward()
    assert {p.grad.dtype for p in learner.parameters() if p.grad is not None} == {torch.float32}

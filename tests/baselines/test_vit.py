"""The real configuration of ViT-B/16 with random weights: every method trains a step and scores."""

import pytest
import torch

from tests.conftest import PROJECT
from vip_core.baselines.fine_tuned import FineTunedTower
from vip_core.baselines.registry import METHODS, Method
from vip_core.models.backbone import Backbone
from vip_core.models.vip import predict
from vip_core.symptoms import SymptomSet

pytestmark = pytest.mark.slow
# ImageNet weights are vip-mini's tower; the class is the same with the backbone's own.
ALL = [m for m in METHODS.values() if m.name != "fine-tuned"] + [Method("fine-tuned", "", FineTunedTower, 1e-3)]


@pytest.fixture(scope="module")
def vit() -> Backbone:
    return Backbone.load("ViT-B-16", "random")


@pytest.mark.parametrize("method", ALL, ids=lambda method: method.name)
def test_method_trains_a_step_and_scores_on_vit_b_16(vit, method):
    symptoms = SymptomSet.load(PROJECT / "assets" / "symptoms" / "pneumonia.json")
    generator = torch.Generator().manual_seed(0)
    labels = torch.tensor([0, 1, 1, 0])
    torch.manual_seed(1)
    learner = method.build(vit, symptoms)
    images = torch.randn(4, *((3, 224, 224) if learner.reads_pixels else (512,)), generator=generator)
    features = torch.randn(4, 2, 512, generator=generator)
    learner.prepare(features, labels)
    if method.rate is not None:
        before = [parameter.detach().clone() for parameter in learner.parameters() if parameter.requires_grad]
        optimizer = learner.make_optimizer(0.1, 0.9, 5e-4)
        learner.train()
        loss = learner.loss(images, labels)
        loss.backward()
        optimizer.step()
        after = [parameter for parameter in learner.parameters() if parameter.requires_grad]
        assert torch.isfinite(loss) and any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    if not learner.reads_pixels:
        learner.finish(features[:, 0], labels)
    logits = predict(learner, images)
    assert logits.shape == (4, 2) and torch.isfinite(logits).all()
    expected = {"coop": 2048, "maple": 9 * 4 * 512 + 9 * (512 * 768 + 768), "clip-adapter": 512 * 512 // 2}
    assert learner.parameter_count == expected.get(method.name, learner.parameter_count)

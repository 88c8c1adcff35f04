"""The image adapter: its formula, its start, its cells, and a checkpoint that has one."""

import json
import shutil

import pytest
import torch
from torch.nn import functional as F

from vip_core.errors import CheckpointError
from vip_core.models.adapter import ImageAdapter
from vip_core.models.reference import ReferenceBank
from vip_core.models.vip import ViP
from vip_core.scoring.evidence import evidence
from vip_core.scoring.predictor import Predictor


def randomised(module: ImageAdapter) -> ImageAdapter:
    """An adapter as training may leave it."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        module.up.copy_(torch.randn(module.up.shape, generator=generator))
        module.mean.copy_(torch.randn(module.mean.shape, generator=generator) / 4)
        module.distance.fill_(0.7)
    return module


@pytest.fixture
def vip(backbone, symptoms):
    torch.manual_seed(0)
    model = ViP(backbone, symptoms, adapter_rank=3)
    randomised(model.image_adapter)
    return model.requires_grad_(False)


@pytest.fixture
def features():
    return torch.randn(6, 8, generator=torch.Generator().manual_seed(1))


def test_image_adapter_is_the_formula_of_the_documents(features):
    adapter = randomised(ImageAdapter(8, 3))
    for x, found in zip(F.normalize(features, dim=-1), adapter(F.normalize(features, dim=-1)), strict=True):
        z = (x - adapter.mean) / adapter.distance
        moved = x + adapter.up @ (adapter.down @ z)
        torch.testing.assert_close(found, moved / moved.norm())


def test_an_untrained_adapter_leaves_the_paper_s_model_as_it_is(backbone, symptoms, features):
    torch.manual_seed(0)
    plain = ViP(backbone, symptoms)
    torch.manual_seed(0)
    extended = ViP(backbone, symptoms, adapter_rank=3)
    assert {**plain.state_dict(), **extended.state_dict()}.keys() == extended.state_dict().keys()
    torch.testing.assert_close(extended(features), plain(features))


def test_terms_sum_to_the_logit_with_an_adapter(vip, features):
    logits = vip(features)
    for c, terms in enumerate(vip.explain(features)):
        torch.testing.assert_close(terms.token + terms.symptoms.sum(-1), logits[:, c])


def test_adapter_cells_average_to_the_adapted_image_and_their_evidence_to_its_similarity(vip, symptoms):
    cells = torch.randn(3, 4, 8, generator=torch.Generator().manual_seed(2)) + 1
    image = cells.mean((0, 1))
    adapted = vip.image_adapter.cells(cells)
    torch.testing.assert_close(adapted.mean((0, 1)), vip.adapt(image[None])[0])
    text = vip.encode_symptoms()
    similarity = torch.cat([terms.similarity for terms in vip.explain(image[None])], dim=-1)[0]
    torch.testing.assert_close(evidence(adapted, text).sum((1, 2)), similarity)


def test_predictor_compares_the_adapted_image_with_adapted_reference_images(vip):
    known = torch.randn(200, 8, generator=torch.Generator().manual_seed(4))
    vip.reference = ReferenceBank(F.normalize(known, dim=-1), torch.arange(200) % 3)
    diagnosis = Predictor(vip).diagnose(known[0])
    columns = (vip.adapt(known) @ F.normalize(vip.encode_symptoms(), dim=-1).T).T
    for score, column in zip(diagnosis.symptoms, columns, strict=True):
        assert score.similarity == pytest.approx(column[0].item(), abs=1e-5)
        below = (column < column[0] - 1e-6).sum().item()
        assert below / 2 - 0.01 <= score.percentile <= (below + 1) / 2 + 0.01  # the image is itself among the 200
    # The domain check is of the image as the tower gives it.
    assert diagnosis.domain == vip.reference.check(known[:1])[0]


def test_a_checkpoint_with_an_adapter_loads_as_it_was_saved(adapted, features):
    vip = ViP.from_pretrained(adapted)
    assert (vip.method, vip.card.method, vip.card.adapter.rank) == ("vip-adapter", "vip-adapter", 2)
    assert vip.image_adapter.mean.abs().sum() > 0 and vip.image_adapter.up.abs().sum() > 0
    again = ViP.from_pretrained(adapted)
    assert torch.equal(vip(features), again(features))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"method": "vip", "adapter": None}, "image_adapter"),
        ({"adapter": {"rank": 3}}, "shape"),
        ({"method": "vip-other"}, "vip-other"),
    ],
)
def test_an_adapter_that_does_not_fit_the_card_is_refused(adapted, tmp_path, change, complaint):
    copy = shutil.copytree(adapted, tmp_path / "copy")
    card = json.loads((copy / "card.json").read_text())
    (copy / "card.json").write_text(json.dumps({**card, **change}))
    with pytest.raises(CheckpointError, match=complaint):
        ViP.from_pretrained(copy)

"""The evidence of the cells adds up to the similarity, where the tower averages them."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from vip_core.models.vip import ViP
from vip_core.scoring.evidence import adds_up, contrast, evidence
from vip_core.scoring.predictor import Predictor


@pytest.fixture
def picture() -> Image.Image:
    """Noise with a bright patch at the lower right."""
    pixels = np.random.default_rng(0).integers(60, 120, (300, 400, 3), dtype=np.uint8)
    pixels[200:, 280:] = 250
    return Image.fromarray(pixels)


@pytest.fixture
def predictor(vip_mini, symptoms) -> Predictor:
    return Predictor(ViP(vip_mini, symptoms))


def test_evidence_sums_to_the_cosine_with_the_mean_of_the_cells():
    torch.manual_seed(0)
    cells, text = torch.randn(5, 7, 16), torch.randn(3, 16) * torch.tensor([[0.1], [1.0], [30.0]])
    cosine = F.cosine_similarity(cells.mean((0, 1))[None], text)
    torch.testing.assert_close(evidence(cells, text).sum((1, 2)), cosine)


def test_evidence_of_an_averaged_tower_sums_to_the_similarity_of_the_image(predictor, vip_mini, picture):
    pixels = vip_mini.preprocess(picture)[None]
    with torch.inference_mode():
        cells, image = vip_mini.patch_features(pixels)[0], vip_mini.encode_images(pixels)
        text = vip_mini.encode_prompts(["dense white opacity", "clear lungs"])
        torch.testing.assert_close(
            evidence(cells, text).sum((1, 2)), F.cosine_similarity(image, text), atol=1e-5, rtol=1e-4
        )


def test_evidence_of_the_kept_cells_agrees_with_the_diagnosis(predictor, picture):
    features, cells = predictor.encode_with_patches(picture)
    assert cells.shape == (7, 7, predictor.vip.backbone.embed_dim) and cells.dtype == torch.float16
    assert adds_up(cells, features)
    with torch.inference_mode():
        sums = evidence(cells, predictor.vip.encode_symptoms()).sum((1, 2))
    similarity = torch.tensor([score.similarity for score in predictor.diagnose(features).symptoms])
    torch.testing.assert_close(sums, similarity, atol=0.01, rtol=0)  # bfloat16, where the processor is fast at it


def test_evidence_of_a_cell_is_at_its_place_in_the_image(predictor, picture):
    """Another patch in one corner of the image changes the evidence there most."""
    changed = picture.copy()
    changed.paste((0, 0, 0), (0, 0, 60, 45))
    with torch.inference_mode():
        text = predictor.vip.encode_symptoms()
        terms = [(predictor.encode_with_patches(image)[1].float() @ text.T) for image in (picture, changed)]
    moved = (terms[0] - terms[1]).abs().sum(-1)  # (7, 7)
    row, column = divmod(int(moved.argmax()), 7)
    assert row <= 1 and column <= 1


def test_evidence_follows_its_cell():
    torch.manual_seed(1)
    cells, text = torch.randn(4, 4, 8), torch.randn(2, 8)
    for terms in (evidence, contrast):
        torch.testing.assert_close(terms(cells.flip(1), text), terms(cells, text).flip(2))


def test_contrast_of_a_vit_averages_to_0_and_its_cells_do_not_add_up(backbone, symptoms, picture):
    predictor = Predictor(ViP(backbone, symptoms))
    features, cells = predictor.encode_with_patches(picture)
    assert cells.shape == (4, 4, 8) and not adds_up(cells, features)
    with torch.inference_mode():
        map_ = contrast(cells, predictor.vip.encode_symptoms())
    torch.testing.assert_close(map_.mean((1, 2)), torch.zeros(len(map_)), atol=1e-6, rtol=0)


@pytest.mark.parametrize("tower", ["vip-mini", "vit"])
def test_encode_with_patches_runs_the_image_tower_once_and_gives_the_bits_of_encode(
    tower, vip_mini, backbone, symptoms, picture
):
    predictor = Predictor(ViP(vip_mini if tower == "vip-mini" else backbone, symptoms))
    expected = predictor.encode(picture)
    visual, passes = predictor.backbone.clip.visual, []
    first = visual.trunk.conv_stem if tower == "vip-mini" else visual.conv1
    handle = first.register_forward_hook(lambda *_: passes.append(1))
    features, cells = predictor.encode_with_patches(picture)
    handle.remove()
    assert passes == [1]
    assert torch.equal(features, expected) and cells.shape[-1] == len(features)

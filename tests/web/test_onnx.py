"""The towers as ONNX files give what the backbone gives."""

import numpy as np
import onnx
import pytest
import torch
from torch.nn import functional as F

from vip_core.errors import BackboneError
from vip_core.models.vip import ViP
from vip_core.web.onnx_files import OnnxBackbone, check_towers, stored, trace_towers
from vip_core.web.towers import refuse_other_backbones
from vip_core.web.weights import GROUP, in_groups, to_8_bits

TEXTS = ["hazy opacity", "a long line about dense white areas with air bronchograms in both lower zones", "x"]


@pytest.fixture(scope="module")
def traced(vip_mini):
    return trace_towers(vip_mini)


@pytest.fixture(scope="module", params=["fp16", "int8"])
def files(request, traced):
    return request.param, stored(*traced, request.param)


@pytest.fixture(scope="module")
def towers(files, vip_mini):
    precision, content = files
    return precision, OnnxBackbone(content, vip_mini)


@pytest.fixture
def pixels():
    return torch.randint(0, 256, (2, 3, 224, 224), generator=torch.Generator().manual_seed(0)).float()


def cosine(a, b):
    return F.cosine_similarity(a, b, dim=-1)


def test_text_features_are_those_of_the_backbone_with_and_without_a_context(towers, vip_mini):
    precision, exported = towers
    for context in (ViP.from_pretrained("pneumonia", vip_mini).context_prompt.vectors.detach(), None):
        similarity = cosine(exported.encode_prompts(TEXTS, context), vip_mini.encode_prompts(TEXTS, context))
        assert similarity.min() > (0.99999 if precision == "fp16" else 0.999)


def test_text_features_do_not_depend_on_the_prompts_beside_them(towers):
    _, exported = towers
    together = exported.encode_prompts(TEXTS, None)
    for row, text in enumerate(TEXTS):
        torch.testing.assert_close(exported.encode_prompts([text], None)[0], together[row], atol=2e-5, rtol=1e-4)


def test_image_features_and_cells_are_those_of_the_backbone(towers, vip_mini, pixels):
    precision, exported = towers
    features, cells = vip_mini.encode_with_patches((pixels / 255 - 0.5) / 0.5)
    for row in range(len(pixels)):
        found, places = exported.encode_with_patches(pixels[row : row + 1])
        assert cosine(found, features[row]) > (0.99999 if precision == "fp16" else 0.998)
        assert places.shape == cells[row].shape == (7, 7, 384)
        torch.testing.assert_close(places.mean((0, 1)), found, atol=1e-3, rtol=1e-3)


def test_files_hold_their_weights_in_the_bits_asked_for_and_no_path_of_this_machine(files):
    precision, content = files
    sizes = {"fp16": (8.0, 32.1), "int8": (5.4, 17.0)}[precision]  # MB; the backbone has 4 and 16 million weights
    assert len(content.image) / 1e6 < sizes[0] and len(content.text) / 1e6 < sizes[1]
    for file in (content.image, content.text):
        assert b"site-packages" not in file and b".py" not in file
        assert onnx.load_from_string(file).opset_import[0].version == 20


def test_check_towers_refuses_files_that_give_other_results(towers, vip_mini, pixels):
    _, exported = towers
    context = torch.zeros(0, vip_mini.text_width)
    largest = check_towers(exported, pixels, TEXTS, context, limit=0.02)
    with pytest.raises(BackboneError, match=r"differ from the model's by 0\.\d{4}, and the limit is 0"):
        check_towers(exported, pixels, TEXTS, context, limit=0)
    assert 0 < largest < 0.02


def test_refuse_other_backbones_names_the_other_way(backbone, vip_mini):
    refuse_other_backbones(vip_mini)
    with pytest.raises(BackboneError, match="serve this checkpoint with vip demo"):
        refuse_other_backbones(backbone)


@pytest.mark.parametrize(("shape", "operation"), [((32, 4, 2, 2), "Conv"), ((32, 48), "MatMul"), ((32, 48), "Gemm")])
def test_to_8_bits_is_off_by_half_a_step_of_each_group_at_most(shape, operation):
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    groups = in_groups(values, operation)
    axis = 1 if operation == "MatMul" else -1
    stored, scale = to_8_bits(groups, axis)
    assert stored.dtype == np.int8 and groups.shape[axis] == GROUP
    steps = scale.astype(np.float32)
    assert (np.abs(stored * steps - groups) <= 0.5 * steps + 127 * np.abs(steps) * 2**-10).all()
    assert np.array_equal(groups.reshape(shape), values)

"""Patch features come from the pass that gives the image feature, and average to it exactly where that is claimed."""

import open_clip
import pytest
import timm
import torch
from open_clip.modified_resnet import ModifiedResNet
from open_clip.timm_model import TimmModel
from open_clip.transformer import VisionTransformer
from torch import nn

from vip_core.errors import BackboneError
from vip_core.models.backbone import Backbone
from vip_core.models.patches import _pooling_values, encode_with_patches


def timm_vit(**options) -> TimmModel:
    """BiomedCLIP's image tower (vit_base_patch16_224 with a linear projection), or SigLIP's, at a small size."""
    size = {"patch_size": 8, "embed_dim": 32, "depth": 3, "num_heads": 4}
    visual = TimmModel("vit_tiny_patch16_224", 24, (32, 48), pool="token", proj="linear", pretrained=False)
    visual.trunk = timm.models.VisionTransformer(img_size=(32, 48), num_classes=0, **size, **options)
    visual.head = nn.Sequential(nn.Linear(32, 24))
    return visual


TOWERS = {
    "timm cnn": lambda: TimmModel("tf_efficientnet_lite0", 24, 64, pool="avg", proj="linear", pretrained=False),
    "timm vit, cls": lambda: timm_vit(),
    "timm vit, mean": lambda: timm_vit(class_token=False, global_pool="avg"),
    "timm vit, map": lambda: timm_vit(class_token=False, global_pool="map"),
    "vit, cls": lambda: VisionTransformer((32, 48), 8, 32, 3, 4, 4.0, output_dim=24),
    "vit, mean": lambda: VisionTransformer(
        (32, 48), 8, 32, 3, 4, 4.0, output_dim=24, pool_type="avg", final_ln_after_pool=True
    ),
    "resnet": lambda: ModifiedResNet((1, 1, 1, 1), 24, 8, image_size=64, width=16),
}
EXACT = ("timm cnn", "resnet")


@pytest.fixture(params=TOWERS)
def tower(request):
    torch.manual_seed(0)
    visual = TOWERS[request.param]().eval()
    for parameter in visual.parameters():
        if parameter.ndim == 1:
            nn.init.normal_(parameter, mean=1.0, std=0.2)  # biases and norms must take part
        elif request.param not in EXACT:
            parameter.data.mul_(4)  # as initialised, timm's attention is nearly uniform
    height, width = (64, 64) if request.param in EXACT else (32, 48)
    return request.param, visual, torch.randn(2, 3, height, width)


@torch.no_grad()
def test_encode_with_patches_gives_the_bits_of_the_image_tower(tower):
    name, visual, pixels = tower
    features, patches = encode_with_patches(visual, pixels)
    assert torch.equal(features, visual(pixels))
    assert patches.shape == ((2, 2, 2, 24) if name in EXACT else (2, 4, 6, 24))
    assert patches.isfinite().all() and patches.std((1, 2)).min() > 0


@torch.no_grad()
def test_patches_average_to_the_image_feature_exactly_where_claimed(tower):
    name, visual, pixels = tower
    features, patches = encode_with_patches(visual, pixels)
    if name in EXACT:
        torch.testing.assert_close(patches.mean((1, 2)), features, atol=1e-4, rtol=1e-4)
    else:
        assert (patches.mean((1, 2)) - features).norm() > 1e-3 * features.norm()


@torch.no_grad()
@pytest.mark.parametrize("name", ["timm vit, cls", "vit, cls"])
def test_patches_of_a_vit_with_one_block_follow_their_place(name):
    """With one block a patch's value depends on its own pixels alone."""
    torch.manual_seed(0)
    if name == "vit, cls":
        visual = VisionTransformer((32, 48), 8, 32, 1, 4, 4.0, output_dim=24).eval()
    else:
        visual = timm_vit().eval()
        visual.trunk.blocks = visual.trunk.blocks[:1]
    pixels = torch.randn(1, 3, 32, 48)
    changed = pixels.clone()
    changed[:, :, 8:16, 40:48] = 1.0  # row 1, column 5
    moved = (encode_with_patches(visual, pixels)[1] - encode_with_patches(visual, changed)[1]).abs().sum(-1)[0]
    assert moved[1, 5] > 1e-3
    moved[1, 5] = 0
    assert moved.max() < 1e-5


@torch.no_grad()
def test_patches_of_attention_pooling_are_what_it_gives_of_one_patch():
    """If all tokens are the same, attention pooling gives of all what it gives of each."""
    torch.manual_seed(0)
    visual = timm_vit(class_token=False, global_pool="map").eval()
    states = torch.randn(1, 1, 32).expand(1, 24, 32)
    pooled = visual.trunk.attn_pool(states)
    torch.testing.assert_close(_pooling_values(visual.trunk.attn_pool, states)[:, 0], pooled, atol=1e-5, rtol=1e-5)


def test_patch_features_refuses_a_tower_without_any():
    """CoCa pools by a second attention; its text tower is not supported either, so the tower alone is asked."""
    visual = open_clip.create_model("coca_ViT-B-32", pretrained=None).visual.eval()
    with torch.no_grad():
        assert encode_with_patches(visual, torch.zeros(1, 3, 224, 224))[1] is None


def test_patch_features_names_the_image_tower_that_has_none(backbone):
    backbone.clip.visual = nn.Flatten()
    backbone.clip.visual.image_size = 32
    with pytest.raises(BackboneError, match="Flatten, which gives no patch features"):
        backbone.patch_features(torch.zeros(1, 3, 32, 32))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ViT-B-16", "RN50", "ViT-B-16-SigLIP", "ViT-L-14-CLIPA", "MobileCLIP2-S0"])
def test_encode_with_patches_works_on_real_configurations(name):
    visual = open_clip.create_model(name, pretrained=None).visual.eval()
    size = visual.image_size if isinstance(visual.image_size, tuple) else (visual.image_size, visual.image_size)
    pixels = torch.randn(1, 3, *size)
    with torch.no_grad():
        features, patches = encode_with_patches(visual, pixels)
        assert torch.equal(features, visual(pixels))
    assert patches.shape[0] == 1 and patches.shape[-1] == features.shape[-1] and patches.shape[1] == patches.shape[2]
    if name == "RN50":
        torch.testing.assert_close(patches.mean((1, 2)), features, atol=1e-4, rtol=1e-4)


def test_backbone_gives_the_same_features_with_and_without_patches(vip_mini):
    pixels = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        features, patches = vip_mini.encode_with_patches(pixels)
        assert torch.equal(features, vip_mini.encode_images(pixels))
        assert torch.equal(patches, vip_mini.patch_features(pixels))


def test_load_gives_patches_for_a_resnet():
    backbone = Backbone.load("RN50", "random")
    with torch.inference_mode():
        assert backbone.patch_features(torch.randn(1, 3, 224, 224)).shape == (1, 7, 7, 1024)

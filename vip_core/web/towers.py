"""The two towers of a backbone as modules that ONNX can hold."""

from typing import Any

import torch
from torch import Tensor, nn

from vip_core.errors import BackboneError
from vip_core.models.backbone import Backbone
from vip_core.models.patches import encode_with_patches
from vip_core.models.towers.causal import CausalTower


class ExportedImageTower(nn.Module):
    """Pixels (1, 3, H, W), 0 to 255, resized, to the image feature (D,) and its cells (h, w, D), not normalised.

    The preprocessing's mean and deviation are part of it, so that the page hands over what it resized.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: Backbone):
        super().__init__()
        config = backbone.preprocess_config
        self.visual = backbone.clip.visual
        self.register_buffer("mean", torch.tensor(config["mean"]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(config["std"]).view(1, 3, 1, 1))

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        features, cells = encode_with_patches(self.visual, (pixels / 255 - self.mean) / self.std)
        assert cells is not None  # checked by `refuse_other_backbones`
        return features[0], cells[0]


class ExportedTextTower(nn.Module):
    """Prompts as tokens, and a context, to text features (n, D), not normalised.

    The tokens (n, L) are those of `vip_core.models.towers.base.TextTower.assemble`: start marker, M places for the
    context (M, W), words, end marker, and any padding. Under a causal mask nothing before the end marker sees what
    follows it, so each prompt is read at `ends` (n,) whatever its length.
    """

    def __init__(self, backbone: Backbone):
        super().__init__()
        text: Any = backbone.text_tower.text  # type: ignore[attr-defined]  # of a CausalTower
        self.tower: CausalTower = backbone.text_tower  # type: ignore[assignment]
        self.embedding = text.token_embedding
        self.positions = text.positional_embedding
        self.blocks = text.transformer.resblocks
        self.final = text.ln_final
        self.projection = text.text_projection

    def forward(self, tokens: Tensor, context: Tensor, ends: Tensor) -> Tensor:
        """See the class."""
        x = self.embedding(tokens)  # (n, L, W)
        shared = context.unsqueeze(0).expand(x.shape[0], -1, -1)
        x = torch.cat([x[:, :1], shared, x[:, 1 + context.shape[0] :]], dim=1)
        x = x + self.positions[: x.shape[1]]
        for block in self.blocks:
            x = x + self._attend(block.attn, block.ln_1(x))
            x = x + block.mlp(block.ln_2(x))
        read = ends.view(-1, 1, 1).expand(-1, 1, x.shape[2])
        return self.final(x.gather(1, read).squeeze(1)) @ self.projection

    @staticmethod
    def _attend(attention: nn.MultiheadAttention, x: Tensor) -> Tensor:
        """Causal self-attention of x (n, L, W), as torch's own module computes it, in operations that ONNX has."""
        n, length, width = x.shape
        heads = attention.num_heads
        query, key, value = (
            part.view(n, length, heads, width // heads).transpose(1, 2)
            for part in nn.functional.linear(x, attention.in_proj_weight, attention.in_proj_bias).chunk(3, dim=-1)
        )  # (n, heads, L, W / heads)
        scores = query @ key.transpose(-2, -1) / (width // heads) ** 0.5
        places = torch.arange(length, device=x.device)
        later = places.unsqueeze(0) > places.unsqueeze(1)
        weights = scores.masked_fill(later, -1e9).softmax(dim=-1)
        return attention.out_proj((weights @ value).transpose(1, 2).reshape(n, length, width))


def refuse_other_backbones(backbone: Backbone) -> None:
    """Raise BackboneError for a backbone that the static page cannot run: it knows towers built like vip-mini's."""
    text: Any = getattr(backbone.text_tower, "text", None)
    pixels = torch.zeros(1, 3, *backbone.image_size, device=backbone.device)
    with torch.inference_mode():
        alike = (
            isinstance(backbone.text_tower, CausalTower)
            and isinstance(text.text_projection, Tensor)
            and backbone.resize_mode == "squash"
            and backbone.preprocess_config["interpolation"] == "bicubic"
            and backbone.encode_with_patches(pixels)[1] is not None
        )
    if not alike:
        raise BackboneError(
            "The static page runs only vip-mini and backbones of the same architecture, which "
            f"{backbone.name} is not; serve this checkpoint with vip demo instead."
        )

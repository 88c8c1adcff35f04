"""BidirectionalTower: open_clip's text transformer without a causal mask (SigLIP, SigLIP 2, CLIPA, MobileCLIP-S)."""

from typing import Any

import torch
from open_clip.transformer import text_global_pool
from torch import Tensor

from vip_core.models.towers.base import rows_of
from vip_core.models.towers.native import NativeTower
from vip_core.models.towers.tokens import Tokens

BATCH = 32  # prompts


class BidirectionalTower(NativeTower):
    """A transformer in which every token sees every other, padding included.

    So a prompt always has the tower's full length: cutting the padding or packing prompts would change the features.
    It is read where open_clip reads it: at the last place (SigLIP, CLIPA), or at the end marker (MobileCLIP-S).
    """

    def __init__(self, text: Any, tokens: Tokens):  # noqa: ANN401 - as NativeTower
        super().__init__(text, tokens)
        self.pool = getattr(text, "text_pool_type", None) or text.pool_type  # of a CLIP, of a TextTransformer
        self.end = getattr(text, "text_eos_id", None) or getattr(text, "eos_id", None)
        self.context_std = text.token_embedding.weight.std().item()

    def encode(self, rows: list[list[int]], context: Tensor | None) -> Tensor:
        """See `TextTower.encode`."""
        groups = [slice(i, i + BATCH) for i in range(0, len(rows), BATCH)]
        return torch.cat([self._encode(rows[group], rows_of(context, group)) for group in groups])

    def _encode(self, rows: list[list[int]], context: Tensor | None) -> Tensor:
        ids, x = self.assemble(rows, context, self.context_length)  # (n, L), (n, L, W)
        mask = None
        if getattr(self.text, "use_pad_mask", False):
            mask = self.text._build_additive_mask(ids, ids.shape[1], x.dtype)
        x = self.text.transformer(x + self.text.positional_embedding, attn_mask=mask)
        read = text_global_pool(x, ids, pool_type=self.pool, eos_token_id=self.end)
        return self.project(read)

"""CausalTower: CLIP's own text tower. Under its causal mask prompts are packed into one sequence without padding."""

import torch
from torch import Tensor

from vip_core.models.towers.base import rows_of
from vip_core.models.towers.native import NativeTower
from vip_core.models.towers.packing import pack

PACKED = 32  # prompts per sequence; attention grows with the square of its length


class CausalTower(NativeTower):
    """A causal transformer over byte-pair tokens, read at the end marker (OpenAI, LAION, MobileCLIP-B).

    No position sees a later one, so nothing need follow the end marker, and what prompts begin with is needed only
    once. This gives the same features for a fraction of the work of 77 tokens each.
    """

    def encode(self, rows: list[list[int]], context: Tensor | None) -> Tensor:
        """See `TextTower.encode`."""
        groups = [slice(i, i + PACKED) for i in range(0, len(rows), PACKED)]
        return torch.cat([self._encode(rows[group], rows_of(context, group)) for group in groups])

    def _encode(self, rows: list[list[int]], context: Tensor | None) -> Tensor:
        text, device = self.text, self.embedding.weight.device
        shared = self.embedding(torch.tensor(self.tokens.start, device=device))  # (1, W)
        ids = [token for row in rows for token in (*row, *self.tokens.end)]
        own = list(self.embedding(torch.tensor(ids, device=device)).split([len(row) + 1 for row in rows]))
        if context is not None and context.ndim == 2:
            shared = torch.cat([shared, context])  # (1 + M, W)
        elif context is not None:
            own = [torch.cat(pair) for pair in zip(context, own, strict=True)]
        packed = pack(len(shared), [len(part) for part in own], device)
        x = torch.cat([shared, *own]) + text.positional_embedding[packed.positions]
        states = text.transformer(x.unsqueeze(0), attn_mask=packed.mask)[0]
        return self.project(states[packed.ends])

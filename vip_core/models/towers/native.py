"""NativeTower: the modules of open_clip's own text transformer, which two towers share."""

from typing import Any

import torch
from torch import Tensor, nn

from vip_core.models.towers.base import TextTower
from vip_core.models.towers.tokens import Tokens


class NativeTower(TextTower):
    """An open_clip text transformer.

    Args:
        text: the module that holds the text modules: a `CLIP`, or the `TextTransformer` under `CustomTextCLIP.text`.
        tokens: its tokenizer.
    """

    def __init__(self, text: Any, tokens: Tokens):  # noqa: ANN401 - the two classes share names, not a base
        self.text = text
        self.tokens = tokens
        self.embedding = text.token_embedding
        self.context_length = text.positional_embedding.shape[0]
        projection = text.text_projection
        if projection is None:
            self.embed_dim = self.width
        else:
            self.embed_dim = projection.out_features if isinstance(projection, nn.Linear) else projection.shape[1]
        self.context_std = 0.02

    def project(self, states: Tensor) -> Tensor:
        """Features (n, D), float32, of the states (n, W) where the tower is read."""
        x = self.text.ln_final(states)
        projection = self.text.text_projection
        if isinstance(projection, nn.Linear):
            x = projection(x)
        elif projection is not None:
            x = x @ projection
        return x.float()

    def encode_padded(self, rows: list[list[int]], context: Tensor | None = None) -> Tensor:
        """Features (n, D) of a causal tower's prompts, padded to the longest and read at the end marker.

        The plain way, and the faster one for hundreds of sentences alike in length.
        """
        _, x = self.assemble(rows, context)
        length = x.shape[1]
        x = self.text.transformer(
            x + self.text.positional_embedding[:length], attn_mask=self.text.attn_mask[:length, :length]
        )
        size = 0 if context is None else context.shape[-2]
        last = torch.tensor([len(self.tokens.start) + size + len(row) for row in rows], device=x.device)
        return self.project(x[torch.arange(len(x), device=x.device), last])

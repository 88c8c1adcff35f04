"""HuggingFaceTower: BERT and RoBERTa behind open_clip's HFTextEncoder (BiomedCLIP, PubMedBERT)."""

from typing import Any

import torch
from torch import Tensor

from vip_core.models.towers.base import TextTower, rows_of
from vip_core.models.towers.tokens import Tokens

ARCHITECTURES = ("bert", "roberta", "xlm-roberta")
BATCH = 64  # prompts


class HuggingFaceTower(TextTower):
    """A bidirectional encoder with a padding mask, so that padding to the longest prompt is exact.

    The encoder is given word embeddings (`inputs_embeds`), to which it adds positions and token types itself. The
    mask comes from the tokens; without it padding would count as text.
    """

    def __init__(self, text: Any, tokens: Tokens):  # noqa: ANN401 - an HFTextEncoder, whose modules depend on the model
        self.text = text
        self.tokens = tokens
        self.embedding = text.transformer.get_input_embeddings()
        self.embed_dim = text.output_dim
        positions = text.config.max_position_embeddings
        if text.config.model_type != "bert":
            positions -= text.config.pad_token_id + 1  # RoBERTa counts positions from there
        self.context_length = min(tokens.limit, positions)
        self.context_std = self.embedding.weight.std().item()

    def encode(self, rows: list[list[int]], context: Tensor | None) -> Tensor:
        """See `TextTower.encode`."""
        groups = [slice(i, i + BATCH) for i in range(0, len(rows), BATCH)]
        return torch.cat([self._encode(rows[group], rows_of(context, group)) for group in groups])

    def _encode(self, rows: list[list[int]], context: Tensor | None) -> Tensor:
        ids, x = self.assemble(rows, context)  # (n, L), (n, L, W)
        mask = (ids != self.tokens.pad).long()
        states = self.text.transformer(inputs_embeds=x, attention_mask=mask)
        return self.text.proj(self.text.pooler(states, mask)).float()

"""TextTower: what a backbone needs of a text tower, whatever its kind."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from vip_core.models.towers.tokens import Tokens


class TextTower(ABC):
    """Text features under a context, read where open_clip reads them.

    It refers to the modules of an open_clip model and is no module itself, so nothing is registered twice.

    Attributes:
        tokens: the tokenizer.
        embedding: the table of word embeddings (V, W).
        embed_dim: D, the size of a text feature.
        context_length: the number of tokens that a prompt may have, markers and context included.
        context_std: standard deviation of a context's random start.
    """

    tokens: Tokens
    embedding: nn.Embedding
    embed_dim: int
    context_length: int
    context_std: float

    @property
    def width(self) -> int:
        """W, the size of a word embedding."""
        return self.embedding.weight.shape[1]

    def words(self, text: str) -> Tensor:
        """Embeddings (M, W) of literal words, to start a context from. M is their number of tokens."""
        ids = torch.tensor(self.tokens.encode(text), device=self.embedding.weight.device, dtype=torch.long)
        return self.embedding(ids)

    @abstractmethod
    def encode(self, rows: list[list[int]], context: Tensor | None) -> Tensor:
        """Text features (n, D) of n prompts, not normalised.

        Args:
            rows: the tokens of each prompt, without its markers; none empty, all short enough.
            context: embeddings (M, W) shared by all prompts, or (n, M, W), one set per prompt, or None.
        """

    def assemble(self, rows: list[list[int]], context: Tensor | None, length: int = 0) -> tuple[Tensor, Tensor]:
        """Tokens (n, L) and embeddings (n, L, W) of padded prompts: start marker, context, text, end marker, padding.

        A place of the context has the first token of its text, which is neither a marker nor padding.

        Args:
            rows: see `encode`.
            context: see `encode`.
            length: L, or 0 for that of the longest prompt.
        """
        size, start, end = 0 if context is None else context.shape[-2], self.tokens.start, self.tokens.end
        ids = [[*start, *[row[0]] * size, *row, *end] for row in rows]
        length = length or max(map(len, ids))
        padded = [row + [self.tokens.pad] * (length - len(row)) for row in ids]
        tokens = torch.tensor(padded, device=self.embedding.weight.device)
        x = self.embedding(tokens)
        if context is not None:
            first = len(start)
            x = torch.cat([x[:, :first], context.expand(len(rows), -1, -1), x[:, first + size :]], dim=1)
        return tokens, x


def rows_of(context: Tensor | None, rows: slice) -> Tensor | None:
    """The context of some of the prompts: these rows of (n, M, W), or the (M, W) that all share, or None."""
    return context[rows] if context is not None and context.ndim == 3 else context

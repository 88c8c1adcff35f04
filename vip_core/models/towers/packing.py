"""Packing causal prompts into one sequence: where each token would be in its own prompt, and what it may see."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Packed:
    """How L tokens of n prompts share one sequence.

    Attributes:
        positions: (L,) the place of each token in its own prompt.
        mask: (L, L) added to the attention scores: 0 where row may see column, else minus infinity.
        ends: (n,) the index of the last token of each prompt.
    """

    positions: Tensor
    mask: Tensor
    ends: Tensor


def pack(shared: int, sizes: list[int], device: torch.device) -> Packed:
    """Pack prompts that begin alike: the shared tokens once, then the own tokens of one prompt after another.

    A token sees the shared beginning and the own tokens of its prompt, up to itself, as it would alone.

    Two prompts, "[S] a [E]" and "[S] b c [E]", share one token, and have two and three of their own:

        index      0    1    2    3    4    5
        token     [S]   a   [E]   b    c   [E]
        position   0    1    2    1    2    3
        ends                 2              5

        mask      [S]   a   [E]   b    c   [E]
          [S]      0    .    .    .    .    .
          a        0    0    .    .    .    .
          [E]      0    0    0    .    .    .
          b        0    .    .    0    .    .
          c        0    .    .    0    0    .
          [E]      0    .    .    0    0    0

    Args:
        shared: the number of tokens that all prompts begin with, at least 1.
        sizes: the number of own tokens of each of the n prompts, at least 1 each.
        device: of the result.
    """
    lengths = torch.tensor(sizes, device=device)
    ends = shared + lengths.cumsum(0) - 1  # (n,)
    index = torch.arange(shared + sum(sizes), device=device)  # (L,)
    begins = (ends - lengths + 1).repeat_interleave(lengths)  # of the prompt of each own token
    positions = torch.cat([index[:shared], index[shared:] - begins + shared])
    prompt = torch.arange(len(sizes), device=device).repeat_interleave(lengths)
    prompt = torch.cat([prompt.new_full((shared,), -1), prompt])  # (L,), -1 for the shared beginning
    visible = ((prompt[:, None] == prompt) | (prompt == -1)) & (index[:, None] >= index)
    mask = torch.zeros(visible.shape, device=device).masked_fill(~visible, float("-inf"))
    return Packed(positions, mask, ends)

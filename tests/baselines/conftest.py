"""Small image features and labels for the methods of the comparison."""

import pytest
import torch
from torch import Tensor

from vip_core.models.backbone import Backbone


@pytest.fixture
def features() -> Tensor:
    """(12, 8), not normalised."""
    return 3 * torch.randn(12, 8, generator=torch.Generator().manual_seed(5))


@pytest.fixture
def labels() -> Tensor:
    return torch.arange(12) % 3


@pytest.fixture
def pixels() -> Tensor:
    return torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(6))


def unit(values: Tensor) -> Tensor:
    return values / values.norm(dim=-1, keepdim=True)


def text_of(backbone: Backbone, rows: list[list[int]], contexts: Tensor) -> Tensor:
    """Unit features of [SOS][context][tokens][EOS], one prompt at a time, padded to 77, through the plain tower."""
    text = backbone.clip
    found = []
    for row, context in zip(rows, contexts, strict=True):
        start, end = backbone.tokenizer.sot_token_id, backbone.tokenizer.eot_token_id
        tokens = [start, *[0] * len(context), *row, end]
        x = text.token_embedding(torch.tensor(tokens + [0] * (77 - len(tokens))))
        x = torch.cat([x[:1], context, x[1 + len(context) :]]) + text.positional_embedding
        x = text.ln_final(text.transformer(x[None], attn_mask=text.attn_mask))[0, len(tokens) - 1]
        found.append(unit(x @ text.text_projection))
    return torch.stack(found)

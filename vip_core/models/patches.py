"""Features of the patches of an image, in the space of the image features, from the same pass of the image tower.

    tower                                   its patches                                            mean is the feature
    timm CNN, average pooling (vip-mini)    the head on each cell alone                            exactly (linear head)
    open_clip ResNet, attention pooling     each cell's share in the pooled value                  exactly
    ViT, [CLS] or mean (open_clip, timm)    value path of the last block, norm, projection         no, a heuristic
    timm ViT, attention pooling (SigLIP)    the pooling's value path, its MLP, projection          no, a heuristic

The value path follows Zhou et al., "Extract Free Dense Labels from CLIP" (ECCV 2022): what a patch would give if all
attention were on it, without that block's residual.
"""

from typing import Any

import torch
from open_clip.modified_resnet import AttentionPool2d, ModifiedResNet
from open_clip.timm_model import TimmModel
from open_clip.transformer import ResidualAttentionBlock
from open_clip.transformer import VisionTransformer as OpenClipViT
from timm.layers.attention import Attention
from timm.layers.attention_pool import AttentionPoolLatent
from timm.models.vision_transformer import VisionTransformer as TimmViT
from torch import Tensor, nn
from torch.nn import functional as F


def encode_with_patches(visual: nn.Module, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
    """Image features (B, D) and patch features (B, h, w, D) of an open_clip image tower, neither normalised.

    The image features have the same bits as `visual(pixels)`. The patches are None for a tower of another kind.
    """
    if isinstance(visual, TimmModel) and isinstance(visual.trunk, TimmViT):
        return _timm_vit(visual, pixels)
    if isinstance(visual, TimmModel):
        return _timm_cnn(visual, pixels)
    if isinstance(visual, OpenClipViT) and visual.attn_pool is None:
        return _open_clip_vit(visual, pixels)
    if isinstance(visual, ModifiedResNet) and isinstance(visual.attnpool, AttentionPool2d):
        return _resnet(visual, pixels)
    return visual(pixels), None


def _timm_cnn(visual: TimmModel, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
    trunk: Any = visual.trunk  # torch types what a module holds as Tensor | Module
    maps = trunk.forward_features(pixels)  # (B, C, h, w)
    features = visual.head(trunk.forward_head(maps))
    if maps.ndim != 4 or maps.shape[1] != trunk.num_features:  # another transformer's tokens, or channels last
        return features, None
    batch, channels, height, width = maps.shape
    alone = maps.permute(0, 2, 3, 1).reshape(-1, channels, 1, 1)  # each cell as an image of one cell
    return features, visual.head(trunk.forward_head(alone)).view(batch, height, width, -1)


def _timm_vit(visual: TimmModel, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
    trunk: Any = visual.trunk
    tokens = trunk.norm_pre(trunk.patch_drop(trunk._pos_embed(trunk.patch_embed(pixels))))  # (B, P + N, W)
    for block in trunk.blocks[:-1]:
        tokens = block(tokens)
    last = trunk.blocks[-1]
    states = trunk.norm(last(tokens))
    features = visual.head(trunk.forward_head(states))
    prefix = trunk.num_prefix_tokens
    if isinstance(trunk.attn_pool, AttentionPoolLatent):
        patches = _pooling_values(trunk.attn_pool, states[:, prefix:])
    elif trunk.attn_pool is None and isinstance(getattr(last, "attn", None), Attention) and last.attn.gate is None:
        attention = last.attn
        values = attention.qkv(last.norm1(tokens[:, prefix:])).chunk(3, dim=-1)[2]
        patches = trunk.norm(last.ls1(attention.proj(attention.norm(values))))
    else:
        return features, None
    return features, _as_grid(visual.head(trunk.head(trunk.fc_norm(patches))), pixels)


def _pooling_values(pool: Any, states: Tensor) -> Tensor:  # noqa: ANN401
    """What timm's attention pooling gives of each token (B, N, W) if all its attention is on that token."""
    if pool.pos_embed is not None:
        states = states + pool.pos_embed
    pooled = pool.proj(pool.kv(states).chunk(2, dim=-1)[1])
    return pooled if pool.mlp is None else pooled + pool.mlp(pool.norm(pooled))


def _open_clip_vit(visual: OpenClipViT, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
    tokens = visual._embeds(pixels)  # (B, P + N, W)
    blocks: Any = visual.transformer.resblocks
    for block in blocks[:-1]:
        tokens = block(tokens)
    last = blocks[-1]
    pooled, _ = visual._pool(last(tokens))
    features = pooled if visual.proj is None else pooled @ visual.proj
    if not isinstance(last, ResidualAttentionBlock):
        return features, None
    count, width = visual.grid_size[0] * visual.grid_size[1], tokens.shape[-1]
    weight, bias = last.attn.in_proj_weight[2 * width :], last.attn.in_proj_bias[2 * width :]
    values = F.linear(last.ln_1(tokens[:, -count:]), weight, bias)
    patches = visual.ln_post(last.ls_1(last.attn.out_proj(values)))
    if visual.proj is not None:
        patches = patches @ visual.proj
    return features, _as_grid(patches, pixels)


def _resnet(visual: ModifiedResNet, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """The pooled feature as a sum over cells: what each adds through its attention, times the number of cells.

    The query is the mean of the cells, which is a token itself; its value is linear in them, so that its part is
    shared out equally among them and nothing is left over.
    """
    maps = visual.layer4(visual.layer3(visual.layer2(visual.layer1(visual.stem(pixels)))))  # (B, C, h, w)
    pool = visual.attnpool
    features = pool(maps)
    cells = maps.flatten(2).transpose(1, 2)  # (B, N, C)
    count, heads = cells.shape[1], pool.num_heads
    positions = pool.positional_embedding.to(cells.dtype)
    mean = cells.mean(dim=1, keepdim=True) + positions[:1]
    keys = torch.cat([mean, cells + positions[1:]], dim=1)  # (B, 1 + N, C)
    query = pool.q_proj(mean).unflatten(-1, (heads, -1))[:, 0]  # (B, H, C/H)
    scores = torch.einsum("bhd,bnhd->bhn", query, pool.k_proj(keys).unflatten(-1, (heads, -1)))
    weights = (scores.float() / query.shape[-1] ** 0.5).softmax(-1).to(cells.dtype)  # (B, H, 1 + N)
    own = pool.v_proj(cells + positions[1:]).unflatten(-1, (heads, -1))  # (B, N, H, C/H)
    through_mean = pool.v_proj(cells + positions[:1]).unflatten(-1, (heads, -1)) / count
    parts = torch.einsum("bhn,bnhd->bnhd", weights[..., 1:], own)
    parts = parts + weights[:, None, :, 0, None] * through_mean
    return features, _as_grid(pool.c_proj(count * parts.flatten(2)), pixels)


def _as_grid(patches: Tensor, pixels: Tensor) -> Tensor:
    """Patches (B, N, D) as (B, h, w, D), in the proportions of the pixels (B, 3, H, W)."""
    height = round((patches.shape[1] * pixels.shape[2] / pixels.shape[3]) ** 0.5)
    return patches.unflatten(1, (height, -1))

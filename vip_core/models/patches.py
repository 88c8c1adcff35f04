"""Features of the patches of an image, in the space of the image features: where in the image a symptom is seen."""

from open_clip.timm_model import TimmModel
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn

from vip_core.errors import BackboneError


def patch_features(visual: nn.Module, pixels: Tensor, name: str) -> Tensor:
    """Features of image patches (B, h, w, D), float32, not normalised.

    For an average-pooled timm tower the head runs on each cell alone; where the head is linear, as in vip-mini,
    the mean over the cells IS the image feature, so the evidence of the cells adds up exactly. For a ViT it is the
    last block's value path through the final norm and projection (Zhou et al., "Extract Free Dense Labels from
    CLIP", ECCV 2022), without that block's residual and MLP; this is a heuristic and adds up to nothing.

    Args:
        visual: the image tower of an open_clip model.
        pixels: (B, 3, H, W) from the model's preprocessing.
        name: of the backbone, for the error.

    Raises:
        BackboneError: if the image tower is of another kind.
    """
    if isinstance(visual, TimmModel):
        return _timm_cells(visual, pixels, name)
    if isinstance(visual, VisionTransformer) and visual.attn_pool is None and not visual.final_ln_after_pool:
        return _vit_values(visual, pixels)
    raise BackboneError(
        f"Backbone {name} has an image tower of type {type(visual).__name__}, whose patches have no feature of "
        "their own here; take vip-mini or a ViT to see where a symptom is."
    )


def _timm_cells(visual: TimmModel, pixels: Tensor, name: str) -> Tensor:
    cells = visual.trunk.forward_features(pixels)  # (B, C, h, w)
    if cells.ndim != 4 or cells.shape[1] != visual.trunk.num_features:  # a transformer's tokens, or channels last
        raise BackboneError(
            f"Backbone {name} does not average its cells, so a cell has no feature of its own; "
            "take vip-mini or one of open_clip's ViTs to see where a symptom is."
        )
    batch, channels, height, width = cells.shape
    alone = cells.permute(0, 2, 3, 1).reshape(-1, channels, 1, 1)  # each cell as an image of one cell
    return visual.head(visual.trunk.forward_head(alone)).float().view(batch, height, width, -1)


def _vit_values(visual: VisionTransformer, pixels: Tensor) -> Tensor:
    tokens = visual._embeds(pixels)  # (B, 1 + h*w, width)
    blocks = visual.transformer.resblocks
    for block in blocks[:-1]:
        tokens = block(tokens)
    last = blocks[-1]
    width = tokens.shape[-1]
    attention = last.attn
    values = nn.functional.linear(
        last.ln_1(tokens[:, 1:]), attention.in_proj_weight[2 * width :], attention.in_proj_bias[2 * width :]
    )
    patches = visual.ln_post(last.ls_1(attention.out_proj(values)))
    if visual.proj is not None:
        patches = patches @ visual.proj
    height, width = visual.grid_size
    return patches.float().view(len(pixels), height, width, -1)

"""Choosing the text tower of an open_clip model by what the model is, never by its name."""

from typing import Any

from open_clip.hf_model import HFTextEncoder
from open_clip.model import CLIP, CustomTextCLIP
from open_clip.tokenizer import HFTokenizer, SimpleTokenizer
from open_clip.transformer import TextTransformer

from vip_core.errors import BackboneError
from vip_core.models.towers.base import TextTower
from vip_core.models.towers.bidirectional import BidirectionalTower
from vip_core.models.towers.causal import CausalTower
from vip_core.models.towers.hugging_face import ARCHITECTURES, HuggingFaceTower
from vip_core.models.towers.tokens import Tokens


def text_tower(clip: CLIP | CustomTextCLIP, tokenizer: SimpleTokenizer | HFTokenizer, name: str) -> TextTower:
    """The text tower of a model. Raises BackboneError if it is of no kind that a context can be put into exactly."""
    text: Any = clip if isinstance(clip, CLIP) else clip.text
    if isinstance(text, HFTextEncoder):
        config: Any = text.config  # of transformers, which open_clip replaces where it is missing
        if config.model_type in ARCHITECTURES:
            return HuggingFaceTower(text, Tokens(tokenizer))
        raise _refusal(name, f"a text tower of type {config.model_type}")
    if not isinstance(text, CLIP | TextTransformer) or getattr(text, "cls_emb", None) is not None:
        raise _refusal(name, f"a text tower of type {type(clip).__name__}")
    if mode := getattr(tokenizer, "tokenizer_mode", ""):
        raise _refusal(name, f"a tokenizer in mode {mode}")
    pool = getattr(text, "text_pool_type", getattr(text, "pool_type", None))
    at_marker = pool == "eos" or (pool == "argmax" and isinstance(tokenizer, SimpleTokenizer))  # its last id is highest
    if text.attn_mask is None and (at_marker or pool in ("first", "last")):
        return BidirectionalTower(text, Tokens(tokenizer))
    if text.attn_mask is not None and at_marker and isinstance(tokenizer, SimpleTokenizer):
        return CausalTower(text, Tokens(tokenizer))
    raise _refusal(name, f"a text tower that is read at {pool} of tokens of type {type(tokenizer).__name__}")


def _refusal(name: str, found: str) -> BackboneError:
    return BackboneError(
        f"Backbone {name} has {found}, over which prompts cannot be trained; use one with CLIP's, SigLIP's, "
        "MobileCLIP's, BERT's or RoBERTa's, such as ViT-B-16."
    )

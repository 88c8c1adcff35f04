"""Folders of text towers with random weights, one per kind, in open_clip's local-dir form."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from open_clip.model import CLIP, CustomTextCLIP

from vip_core.utils.files import tensor_bytes

WORDS = ["a", "an", "the", "photo", "of", "chest", "x", "ray", "showing", "film", "sign", "clear", "lungs", "dense"]
WORDS += ["white", "opacity", "in", "left", "lower", "lobe", "haze", "word", "number", "streaks", ".", "-"]
IMAGE = {"image_size": 32, "layers": 2, "width": 16, "head_width": 8, "patch_size": 8}
SMALL = {"width": 16, "heads": 2, "layers": 2}


def word_pieces(folder: Path) -> None:
    """BERT's lower-casing WordPiece over a small vocabulary; [PAD] is 0, as in BERT's own."""
    from transformers import BertTokenizerFast

    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *"0123456789", *[f"##{i}" for i in range(10)]]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    BertTokenizerFast(vocab=str(folder / "vocab.txt"), do_lower_case=True).save_pretrained(folder)


def sentence_pieces(folder: Path, pad: str) -> None:
    """A unigram model with "</s>" at the end and nothing at the start, as SigLIP's. pad: "</s>" or "<pad>"."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = [(piece, 0.0) for piece in ("<pad>", "</s>", "<unk>")]
    pieces += [(f"▁{word}", -1.0) for word in WORDS if word.isalpha()] + [
        (character, -9.0) for character in "▁" + "aehz"
    ]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing("$A </s>", special_tokens=[("</s>", 1)])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", unk_token="<unk>", pad_token=pad)
    fast.save_pretrained(folder)


def byte_pairs(folder: Path) -> None:
    """RoBERTa's byte-level pairs without merges: every byte is a token, a space among them."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import RobertaTokenizerFast

    vocabulary = {piece: i for i, piece in enumerate(["<s>", "<pad>", "</s>", "<unk>", *sorted(ByteLevel.alphabet())])}
    vocabulary |= {"Ġh": len(vocabulary), "<mask>": len(vocabulary) + 1}
    RobertaTokenizerFast(vocab=vocabulary, merges=[("Ġ", "h")]).save_pretrained(folder)


def _bert(folder: Path, text: dict[str, Any], **sizes: int) -> dict[str, Any]:
    from transformers import BertConfig

    word_pieces(folder)
    BertConfig(**sizes).save_pretrained(folder)
    return {"hf_model_name": str(folder), "hf_tokenizer_name": str(folder), "hf_model_pretrained": False, **text}


def _roberta(folder: Path, text: dict[str, Any], **sizes: int) -> dict[str, Any]:
    from transformers import RobertaConfig

    byte_pairs(folder)
    RobertaConfig(bos_token_id=0, pad_token_id=1, eos_token_id=2, **sizes).save_pretrained(folder)
    return {"hf_model_name": str(folder), "hf_tokenizer_name": str(folder), "hf_model_pretrained": False, **text}


def _siglip(folder: Path, text: dict[str, Any], pad: str = "</s>") -> dict[str, Any]:
    sentence_pieces(folder, pad)
    return {**text, "hf_tokenizer_name": str(folder)}


def _clipa(folder: Path, text: dict[str, Any]) -> dict[str, Any]:
    word_pieces(folder)
    return {**text, "hf_tokenizer_name": str(folder)}


BIOMEDCLIP = {"hf_proj_type": "mlp", "hf_pooler_type": "cls_last_hidden_state_pooler", "context_length": 256}
ROBERTA = {"hf_pooler_type": "mean_pooler", "hf_proj_type": "mlp"}
SIGLIP = {
    "context_length": 64,
    "vocab_size": 100,
    "no_causal_mask": True,
    "proj_bias": True,
    "pool_type": "last",
    "tokenizer_kwargs": {"clean": "canonicalize"},
    "norm_kwargs": {"eps": 1e-6},
}
CLIPA = {
    "context_length": 32,
    "vocab_size": 100,
    "pool_type": "last",
    "no_causal_mask": True,
    "tokenizer_kwargs": {"strip_sep_token": True},
}
TINY_BERT = {
    "vocab_size": 100,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 96,
    "max_position_embeddings": 300,
}

# Name of the kind -> what writes its tokenizer into a folder and returns open_clip's text_cfg.
KINDS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "causal": lambda folder: {**SMALL, "context_length": 77, "vocab_size": 49408},
    "mobileclip": lambda folder: {**SMALL, "context_length": 77, "vocab_size": 49408, "no_causal_mask": True},
    "siglip": lambda folder: _siglip(folder, {**SMALL, **SIGLIP}),
    "siglip2": lambda folder: _siglip(folder, {**SMALL, **SIGLIP, "act_kwargs": {"approximate": "tanh"}}, "<pad>"),
    "clipa": lambda folder: _clipa(folder, {**SMALL, **CLIPA}),
    "bert": lambda folder: _bert(folder, BIOMEDCLIP, **TINY_BERT),
    "bert mean": lambda folder: _bert(
        folder, {"hf_proj_type": "linear", "hf_pooler_type": "mean_pooler", "context_length": 256}, **TINY_BERT
    ),
    "roberta": lambda folder: _roberta(folder, ROBERTA, **{**TINY_BERT, "vocab_size": 300}),
}
# The towers of released models, with their widths, heads, pooling and norms. Two layers of their twelve, and no more
# words than the small tokenizers know: layers repeat one another, and a word is looked up alike in any vocabulary.
BERT_BASE = {"vocab_size": 100, "num_hidden_layers": 2}  # BertConfig's other defaults are BERT base, as BiomedBERT is
ROBERTA_BASE = {"vocab_size": 300, "num_hidden_layers": 2, "max_position_embeddings": 514, "type_vocab_size": 1}
REAL: dict[str, Callable[[Path], dict[str, Any]]] = {
    "BiomedCLIP": lambda folder: _bert(folder, BIOMEDCLIP, **BERT_BASE),
    "ViT-B-16-SigLIP": lambda folder: _siglip(folder, open_clip_text("ViT-B-16-SigLIP", vocab_size=100)),
    "ViT-B-16-SigLIP2": lambda folder: _siglip(folder, open_clip_text("ViT-B-16-SigLIP2", vocab_size=100), "<pad>"),
    "MobileCLIP-S1": lambda folder: open_clip_text("MobileCLIP-S1"),
    "MobileCLIP2-S0": lambda folder: open_clip_text("MobileCLIP2-S0"),
    "ViT-L-14-CLIPA": lambda folder: _clipa(folder, open_clip_text("ViT-L-14-CLIPA", vocab_size=100)),
    "roberta-ViT-B-32": lambda folder: _roberta(folder, open_clip_text("roberta-ViT-B-32"), **ROBERTA_BASE),
}


def open_clip_text(name: str, **other: int) -> dict[str, Any]:
    """The text_cfg of one of open_clip's models, with two layers and what else shall differ."""
    from open_clip.factory import get_model_config

    text = get_model_config(name)["text_cfg"]
    text = {key: value for key, value in text.items() if not re.fullmatch("hf_(model|tokenizer)_name", key)}
    return {**text, **({"layers": 2} if "layers" in text else {}), **other}


def write_tower(folder: Path, text: dict[str, Any], embed_dim: int = 8, spread: float = 0.3) -> str:
    """Write a model with this text tower, a tiny image tower and random weights; returns its local-dir name.

    spread: standard deviation of the matrices; as initialised, the features of all texts are nearly the same.
    """
    custom = "hf_model_name" in text or text.get("pool_type") != "last" or text.get("proj_bias", False)  # not CLIPA
    config = {"embed_dim": embed_dim, "vision_cfg": IMAGE, "text_cfg": text}
    torch.manual_seed(3)
    clip = (CustomTextCLIP if custom else CLIP)(**config)
    config["custom_text"] = custom
    for name, parameter in clip.named_parameters():
        if parameter.ndim > 1 and spread:
            torch.nn.init.normal_(parameter, std=0.05 if "embeddings" in name else spread)
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {"size": 32}}))
    (folder / "open_clip_model.safetensors").write_bytes(tensor_bytes(clip.state_dict()))
    return f"local-dir:{folder}"

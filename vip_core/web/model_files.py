"""The files of backbone and checkpoints that the static page loads, by their path in its folder."""

import gzip
from pathlib import Path
from typing import Any

import torch
from open_clip import tokenizer
from torch import Tensor

from vip_core.models.backbone import Backbone
from vip_core.models.checkpoint import find_checkpoint
from vip_core.models.vip import ViP
from vip_core.scoring.zero_shot import ZeroShot, class_prompts
from vip_core.symptoms import SymptomSet
from vip_core.utils.files import json_bytes, tensor_bytes
from vip_core.web.onnx_files import OnnxTowers

MERGES = 49152 - 256 - 2  # of CLIP's vocabulary; its file has more


def backbone_files(backbone: Backbone, towers: OnnxTowers) -> dict[str, bytes]:
    """Both towers, the tokenizer's merges, and what the page must know of the backbone besides."""
    tokens = backbone.text_tower.tokens
    facts = {
        "name": backbone.name,
        "fingerprint": backbone.fingerprint,
        "embed_dim": backbone.embed_dim,
        "text_width": backbone.text_width,
        "context_length": backbone.context_length,
        "image_size": list(backbone.image_size),
        "resize_mode": backbone.resize_mode,
        "scale": backbone.logit_scale.exp().item(),
        "start": tokens.start,
        "end": tokens.end,
    }
    return {
        "model/backbone.json": json_bytes(facts),
        "model/merges.txt": clip_merges(),
        "model/image.onnx": towers.image,
        "model/text.onnx": towers.text,
    }


def clip_merges() -> bytes:
    """The merges of CLIP's byte-pair vocabulary, one per line, as open_clip ships them."""
    path = Path(tokenizer.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"
    lines = gzip.decompress(path.read_bytes()).decode().split("\n")
    return ("\n".join(lines[1 : MERGES + 1]) + "\n").encode()


@torch.inference_mode()
def checkpoint_files(name: str, vip: ViP, folder: str, half: bool) -> dict[str, bytes]:
    """A checkpoint for the page: its card, prompts and reference bank, and the text features of its own symptoms.

    With these the page scores an image before the text tower has arrived.

    Args:
        name: as given to `ViP.from_pretrained`.
        vip: that model.
        folder: of the task in the page's folder.
        half: store all tensors in float16.
    """
    source = find_checkpoint(name)
    assert vip.reference is not None  # it comes from a checkpoint
    own = ZeroShot(vip.backbone)
    text = {
        "vip": vip.encode_symptoms(),
        "symptoms": own.encode_symptoms(vip.symptoms),
        "names": own.encode_symptoms(class_prompts(vip.symptoms)),
    }
    files = {
        f"{folder}/card.json": (source / "card.json").read_bytes(),
        f"{folder}/text.safetensors": tensor_bytes({key: _half(t) for key, t in text.items()} if half else text),
    }
    for each in ("model.safetensors", "reference.safetensors"):
        files[f"{folder}/{each}"] = (source / each).read_bytes()
    if half:
        learned = vip.reference.near_misses
        bank = {"features": vip.reference.features.half(), "labels": vip.reference.labels}
        bank |= {} if learned is None else learned.tensors
        files[f"{folder}/model.safetensors"] = tensor_bytes({key: _half(t) for key, t in vip.state_dict().items()})
        files[f"{folder}/reference.safetensors"] = tensor_bytes(bank)
    return files


def class_prompt_lists(symptoms: SymptomSet) -> list[str]:
    """What is scored in the mode "names": one prompt per class."""
    return class_prompts(symptoms).texts


def model_facts(vip: ViP) -> dict[str, Any]:
    """What of a checkpoint's origin goes into a report made by the page."""
    card = vip.card
    return {
        "checkpoint_date": None if card is None else card.date,
        "checkpoint_version": None if card is None else card.version,
        "backbone": vip.backbone.name,
        "backbone_pretrained": vip.backbone.pretrained,
        "backbone_fingerprint": vip.backbone.fingerprint,
    }


def _half(tensor: Tensor) -> Tensor:
    return tensor.half() if tensor.is_floating_point() else tensor

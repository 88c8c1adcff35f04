"""Writing a backbone as an open_clip local-dir: a folder that opens offline, Hugging Face text tower included."""

import json
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from open_clip.factory import _get_hf_config, get_model_config, parse_model_name
from open_clip.hf_model import HFTextEncoder
from open_clip.model import CLIP, CustomTextCLIP
from open_clip.tokenizer import HFTokenizer
from open_clip.transform import PreprocessCfg

from vip_core.errors import BackboneError
from vip_core.models.backbone import Backbone
from vip_core.utils.files import atomic_together, json_bytes, tensor_bytes

CONFIG = "open_clip_config.json"
WEIGHTS = "open_clip_model.safetensors"


def save_backbone(backbone: Backbone, folder: Path) -> None:
    """Write any loaded backbone to `folder`, with the tokenizer and configuration of its text tower.

    Afterwards `Backbone.load("local-dir:FOLDER")` needs no network. The weights are those in memory, in float32.

    Raises:
        BackboneError: if the configuration of the backbone is unknown.
        StorageError: if the folder cannot be written.
    """
    extra: dict[str, bytes] = {}
    text: Any = backbone.clip.text if isinstance(backbone.clip, CustomTextCLIP) else None
    with TemporaryDirectory() as temporary:
        if isinstance(backbone.tokenizer, HFTokenizer):
            backbone.tokenizer.tokenizer.save_pretrained(temporary)
        if isinstance(text, HFTextEncoder):
            config: Any = text.config  # of transformers, which open_clip replaces where it is missing
            config.save_pretrained(temporary)
        for path in Path(temporary).iterdir():
            extra[path.name] = path.read_bytes()
    size = {"size": backbone.clip.visual.image_size}  # open_clip's default, as it is in PreprocessCfg for the others
    defaults = {**asdict(PreprocessCfg()), **size}
    preprocess = {key: value for key, value in backbone.preprocess_config.items() if value != defaults[key]}
    write_backbone(backbone.clip, model_config(backbone.name), preprocess, extra, folder)


def write_backbone(
    clip: CLIP | CustomTextCLIP,
    model: dict[str, Any],
    preprocess: dict[str, Any],
    extra: dict[str, bytes],
    folder: Path,
) -> None:
    """Write an open_clip model to a folder, atomically. Raises StorageError.

    Args:
        clip: the model.
        model: open_clip's model configuration.
        preprocess: open_clip's preprocessing configuration.
        extra: the content of further files by name: the tokenizer's, and the Hugging Face text tower's config.json.
        folder: where to.
    """
    text = dict(model["text_cfg"])
    if "config.json" in extra:  # so that open_clip by itself finds the configuration too
        text |= {"hf_model_name": str(folder.resolve()), "hf_model_pretrained": False}
    if "tokenizer_config.json" in extra:
        text["hf_tokenizer_name"] = str(folder.resolve())
    vision = {**model["vision_cfg"], "timm_model_pretrained": False} if _uses_timm(model) else model["vision_cfg"]
    config = {"model_cfg": {**model, "text_cfg": text, "vision_cfg": vision}, "preprocess_cfg": preprocess}
    atomic_together(folder, {**extra, WEIGHTS: tensor_bytes(clip.state_dict()), CONFIG: json_bytes(config)})


def model_config(name: str) -> dict[str, Any]:
    """open_clip's model configuration of a backbone by its name. Raises BackboneError if there is none."""
    schema, identifier = parse_model_name(name)
    if schema == "local-dir":
        return json.loads((Path(identifier) / CONFIG).read_text(encoding="utf-8"))["model_cfg"]
    config = _get_hf_config(identifier)["model_cfg"] if schema == "hf-hub" else get_model_config(identifier)
    if config is None:
        raise BackboneError(
            f"The configuration of backbone {name} is unknown; save a backbone of open_clip or of the Hugging Face Hub."
        )
    return config


def _uses_timm(model: dict[str, Any]) -> bool:
    return "timm_model_name" in model["vision_cfg"]

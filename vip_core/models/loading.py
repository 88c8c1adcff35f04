"""Loading a CLIP from open_clip: checks what it can before a download, and turns errors into sentences."""

import importlib.util
import json
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import open_clip
import torch
from open_clip.model import CLIP, CustomTextCLIP
from open_clip.tokenizer import HFTokenizer, SimpleTokenizer

from vip_core.errors import BackboneError
from vip_core.models.towers.tokens import shorten
from vip_core.utils.console import console

Tokenizer = SimpleTokenizer | HFTokenizer


def load_open_clip(name: str, source: str, pretrained: str | None) -> tuple[CLIP | CustomTextCLIP, Tokenizer]:
    """A model and its tokenizer, on the CPU in float32.

    Args:
        name: for the errors.
        source: an open_clip model name, "hf-hub:org/name" or "local-dir:PATH".
        pretrained: tag, file or "random" for an open_clip model name, else None.

    Raises:
        BackboneError: if the name or tag is unknown, or the weights cannot be obtained.
    """
    with_schema = source.startswith(("local-dir:", "hf-hub:"))
    if with_schema and pretrained:
        raise BackboneError(f"Backbone {name} includes its weights; leave --pretrained {pretrained} out.")
    folder = Path(source.removeprefix("local-dir:"))
    if source.startswith("local-dir:") and not (folder / "open_clip_config.json").is_file():
        raise BackboneError(
            f"{folder} is not the folder of an open_clip model: it has no open_clip_config.json; check the path."
        )
    quick_gelu = False if with_schema else check_tag(name, pretrained)
    try:
        with _quiet(), _fixed_seed(), _self_contained(source) as found:
            clip = open_clip.create_model(
                found,
                pretrained=None if pretrained == "random" else pretrained,
                pretrained_text=pretrained != "random",
                force_quick_gelu=quick_gelu,
                require_pretrained=pretrained != "random",
            )
            # open_clip names wider types; `text_tower` refuses what is neither
            return cast("tuple[CLIP | CustomTextCLIP, Tokenizer]", (clip.float(), open_clip.get_tokenizer(found)))
    except Exception as error:  # hub, connection, damaged and foreign files each bring errors of their own
        raise BackboneError(_reason(name, error)) from error


def _reason(name: str, error: Exception) -> str:
    text = str(error).strip()
    if "transformers" in text and importlib.util.find_spec("transformers") is None:
        return f"Backbone {name} has a text tower or tokenizer from Hugging Face; run pip install 'vip-core[hf]'."
    if "loading state_dict" in text:
        return f"The weights are not those of backbone {name}. {_mismatch(text)} Check --backbone and --pretrained."
    reason = text.splitlines()[0] if text else type(error).__name__
    if type(error).__module__.startswith(("huggingface_hub", "transformers")) or "huggingface.co" in text:
        return (
            f"Backbone {name} could not be loaded from the Hugging Face Hub ({shorten(reason, 120)}); check the name "
            f"and the connection, or run python -m vip_core.backbone save {name} DIR where there is one and give "
            "local-dir:DIR here."
        )
    return (
        f"The weights of backbone {name} could not be loaded ({reason}); check the name and the connection, "
        "or give local-dir:PATH of a folder that has them."
    )


def _mismatch(text: str) -> str:
    """What torch found in a state dict and missed in it, three names of each."""
    found = []
    for kind, words in (("Missing", "It needs"), ("Unexpected", "the file has")):
        names = re.findall(r'"([^"]+)"', next((line for line in text.splitlines() if f"{kind} key" in line), ""))
        if names:
            found.append(f"{words} {', '.join(names[:3])}{' …' * (len(names) > 3)}")
    sizes = re.search(r"size mismatch for ([\w.]+): .*?(torch\.Size\(\[.*?\]\)).*?(torch\.Size\(\[.*?\]\))", text, re.S)
    if sizes and not found:
        found.append(f"{sizes[1]} has the shape {sizes[2][11:-1]}, and {sizes[3][11:-1]} is needed")
    return f"{'; '.join(found)}." if found else ""


@contextmanager
def _self_contained(source: str) -> Iterator[str]:
    """A source whose Hugging Face text tower is configured by its own folder, wherever that was moved to.

    open_clip asks for that configuration by its name, on the hub by default. Where a local-dir has the file itself,
    open_clip is given links to the folder's files beside a configuration that names the folder.
    """
    folder = Path(source.removeprefix("local-dir:"))
    path = folder / "open_clip_config.json"
    if not source.startswith("local-dir:") or not path.is_file() or not (folder / "config.json").is_file():
        yield source
        return
    config = json.loads(path.read_text(encoding="utf-8"))
    text = config["model_cfg"]["text_cfg"]
    if "hf_model_name" not in text:
        yield source
        return
    text["hf_model_name"] = str(folder.resolve())
    with TemporaryDirectory() as temporary:
        for file in folder.iterdir():
            if file.name != path.name:
                (Path(temporary) / file.name).symlink_to(file.resolve())
        (Path(temporary) / path.name).write_text(json.dumps(config), encoding="utf-8")
        yield f"local-dir:{temporary}"


def check_tag(name: str, pretrained: str | None) -> bool:
    """Check an open_clip name and tag before anything is downloaded. True: the weights want QuickGELU."""
    known = open_clip.list_models()
    model = name.replace("/", "-")
    if model not in known:
        raise BackboneError(
            f"Backbone {name} is unknown; give vip-mini, hf-hub:org/name, local-dir:PATH or one of open_clip's "
            f"{len(known)} names, such as ViT-B-16, ViT-L-14-336 or RN50x64."
        )
    tags = open_clip.list_pretrained_tags_by_model(model)
    if pretrained is None:
        raise BackboneError(f"Backbone {name} needs --pretrained with one of: {', '.join(tags) or 'a weights file'}.")
    if pretrained == "random":
        return False
    if Path(pretrained).is_file():
        if f"{model}-quickgelu" in known:
            console.print(
                f"Note: {model} uses GELU. If the weights in {pretrained} were trained with "
                f"QuickGELU, as OpenAI's were, give --backbone {model}-quickgelu, otherwise the features are wrong.",
                markup=False,
                soft_wrap=True,
            )
        return False
    if Path(pretrained).suffix in (".pt", ".pth", ".bin", ".ckpt", ".safetensors"):
        raise BackboneError(f"The weights file {pretrained} does not exist; check --pretrained.")
    if pretrained not in tags:
        raise BackboneError(
            f"Backbone {name} has no weights called {pretrained}; give --pretrained one of: {', '.join(tags)}."
        )
    wanted = bool(open_clip.get_pretrained_cfg(model, pretrained).get("quick_gelu", False))
    if not wanted and (open_clip.get_model_config(model) or {}).get("quick_gelu", False):
        raise BackboneError(
            f"The weights {pretrained} were not trained with QuickGELU, which {name} uses; "
            f"give --backbone {model.removesuffix('-quickgelu')}."
        )
    return wanted


@contextmanager
def _fixed_seed() -> Iterator[None]:
    """Random weights are the same each time, and the caller's random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what open_clip and transformers log and draw while they build a model."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    if importlib.util.find_spec("transformers") is not None:
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # its threads warn when a data loader forks
    try:
        yield
    finally:
        logging.disable(before)

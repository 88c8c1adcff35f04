"""devise-mini: a CLIP made of two published models and no image, by one linear map in closed form.

Frome et al., "DeViSE: A Deep Visual-Semantic Embedding Model" (NeurIPS 2013): images are mapped to where a language
model places the names of what they show. Here the images are replaced by the weights of the ImageNet classifier.
"""

import tempfile
import zipfile
from pathlib import Path
from typing import Any

import torch
from open_clip.factory import set_model_preprocess_cfg
from open_clip.model import CustomTextCLIP
from open_clip.tokenizer import HFTokenizer
from timm.data.imagenet_info import ImageNetInfo
from torch import Tensor
from torch.nn import functional as F

from vip_core.models.backbone import DEVISE, Backbone
from vip_core.models.export import write_backbone
from vip_core.models.towers.hugging_face import HuggingFaceTower
from vip_core.pretraining.architecture import classifier_weights, load_trunk
from vip_core.pretraining.teacher import encoder_archive

FEATURE_NORM = 10.0  # of features, as OpenAI's CLIP has them
LOGIT_SCALE = 100.0
RIDGE = 1.0
# Of the sentence encoder's package; its tokenizer and configuration make the folder independent of the hub.
ENCODER_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")

MODEL: dict[str, Any] = {
    "embed_dim": 384,
    "vision_cfg": {
        "timm_model_name": "tf_efficientnet_lite0",
        "timm_model_pretrained": False,
        "timm_pool": "avg",
        "timm_proj": "linear",
        "timm_proj_bias": True,
        "image_size": 224,
    },
    "text_cfg": {
        "hf_model_name": "sentence-transformers/all-MiniLM-L6-v2",
        "hf_tokenizer_name": "sentence-transformers/all-MiniLM-L6-v2",
        "hf_model_pretrained": False,
        "hf_pooler_type": "mean_pooler",
        "hf_proj_type": None,
        "context_length": 128,
    },
}
PREPROCESS: dict[str, Any] = {
    "mean": [0.5, 0.5, 0.5],
    "std": [0.5, 0.5, 0.5],
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}


def build_devise_mini(out: Path) -> Backbone:
    """Build devise-mini and write it to `out`, as an open_clip local-dir. Takes seconds, and no data.

    Raises:
        DataError: if one of the two packages is not installed.
        StorageError: if `out` cannot be written.
    """
    weights, bias = classifier_weights()  # (1000, 1280), (1000,)
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(encoder_archive()).extractall(folder)
        backbone = _assemble(Path(folder))
        extra = {name: (Path(folder) / name).read_bytes() for name in ENCODER_FILES}
    text = _centre_text(backbone, encode_descriptions(backbone))
    _fit_projection(backbone, text, weights, bias)
    with torch.no_grad():
        backbone.clip.logit_scale.fill_(torch.tensor(LOGIT_SCALE).log())
    write_backbone(backbone.clip, MODEL, PREPROCESS, extra, out)
    return Backbone.load(f"local-dir:{out}")


def descriptions() -> list[str]:
    """The 1000 classes of ImageNet as WordNet describes them: "daisy: any of numerous composite plants ..."."""
    info = ImageNetInfo()
    return [info.index_to_description(index, detailed=True) for index in range(info.num_classes())]


def _assemble(folder: Path) -> Backbone:
    """Both published models in one open_clip model; the projection of the image tower is still random."""
    text: Any = {**MODEL["text_cfg"], "hf_model_name": str(folder), "hf_model_pretrained": True}
    clip = CustomTextCLIP(MODEL["embed_dim"], MODEL["vision_cfg"], text)
    set_model_preprocess_cfg(clip, {**PREPROCESS, "size": 224, "mode": "RGB", "fill_color": 0})
    visual: Any = clip.visual
    load_trunk(visual.trunk)
    return Backbone(clip, HFTokenizer(str(folder), MODEL["text_cfg"]["context_length"]), DEVISE)


@torch.inference_mode()
def encode_descriptions(backbone: Backbone) -> Tensor:
    """Features (1000, D), float64, of the class descriptions as they are, without an added full stop."""
    rows = [backbone.text_tower.tokens.encode(text)[: backbone.context_length - 2] for text in descriptions()]
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))  # texts alike in length waste no work on padding
    features = backbone.text_tower.encode([rows[i] for i in order], None).double()
    return torch.empty_like(features).index_copy_(0, torch.tensor(order), features)


@torch.no_grad()
def _centre_text(backbone: Backbone, features: Tensor) -> Tensor:
    """Subtract the mean of the descriptions' features (1000, D) from every text feature, and scale to FEATURE_NORM.

    Both go into the last LayerNorm, exactly: a text feature is the mean of its token states, so a constant subtracted
    from each state is subtracted from their mean. Returns the features of the descriptions as they are then.
    """
    mean = features.mean(0)
    scale = FEATURE_NORM / (features - mean).norm(dim=-1).mean()
    tower = backbone.text_tower
    assert isinstance(tower, HuggingFaceTower)
    norm = tower.text.transformer.encoder.layer[-1].output.LayerNorm
    norm.bias.copy_(scale * (norm.bias.double() - mean))
    norm.weight.mul_(scale)
    return scale * (features - mean)


@torch.no_grad()
def _fit_projection(backbone: Backbone, text: Tensor, weights: Tensor, bias: Tensor) -> None:
    """The projection M x + c whose similarity with the descriptions T is nearest to the classifier's logits.

        M = (T'T + I)^-1 T'(W - mean W)    c likewise from the bias    T: unit features of the class descriptions

    Subtracting the mean from W and b changes no decision of the classifier.

    Args:
        backbone: with its text tower as it will stay.
        text: features (1000, D) of the class descriptions.
        weights: W (1000, 1280) of the classifier.
        bias: b (1000,).
    """
    text = F.normalize(text, dim=-1)
    gram = text.T @ text + RIDGE * torch.eye(text.shape[1], dtype=text.dtype)
    target = torch.cat([weights - weights.mean(0), (bias - bias.mean())[:, None]], dim=1).double()  # (1000, 1281)
    solution = torch.linalg.solve(gram, text.T @ target)  # (D, 1281)
    pseudo = weights.double() @ solution[:, :-1].T + solution[:, -1]  # of the pseudo-images, see below
    solution *= FEATURE_NORM / pseudo.norm(dim=-1).mean()
    visual: Any = backbone.clip.visual
    projection = visual.head.proj
    projection.weight.copy_(solution[:, :-1])
    projection.bias.copy_(solution[:, -1])


@torch.inference_mode()
def pseudo_image_agreement(backbone: Backbone) -> float:
    """Share of 1000 pseudo-images that keep the decision of the ImageNet classifier.

    A pseudo-image is the classifier's weight vector of a class, taken as the pooled features of an image. Raises
    DataError if the package with the classifier is not installed.
    """
    weights, bias = classifier_weights()
    visual: Any = backbone.clip.visual
    image = visual.head(weights)  # (1000, D)
    similarity = image @ F.normalize(encode_descriptions(backbone).float(), dim=-1).T
    return (similarity.argmax(-1) == (weights @ weights.T + bias).argmax(-1)).float().mean().item()

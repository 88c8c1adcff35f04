"""The towers of a backbone as ONNX files, and how far what these give is from the backbone itself."""

from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor
from torch.nn import functional as F

from vip_core.errors import BackboneError
from vip_core.models.backbone import Backbone
from vip_core.models.onnx_export import ANY, export_onnx
from vip_core.web.towers import ExportedImageTower, ExportedTextTower
from vip_core.web.weights import shrink

BITS = {"fp16": 16, "int8": 8}


@dataclass(frozen=True)
class OnnxTowers:
    """Both towers as the content of ONNX files."""

    image: bytes
    text: bytes


def export_towers(backbone: Backbone, precision: str = "fp16") -> OnnxTowers:
    """The towers of a backbone on the CPU. precision: a key of BITS, how the weights are stored."""
    return stored(*trace_towers(backbone), precision)


def trace_towers(backbone: Backbone) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """Image and text tower of a backbone on the CPU as ONNX models, in 32 bits."""
    height, width = backbone.image_size
    pixels = (torch.zeros(1, 3, height, width),)
    image = export_onnx(ExportedImageTower(backbone), pixels, ["pixels"], ["features", "cells"])
    prompts = torch.ones(3, 12, dtype=torch.long), torch.zeros(4, backbone.text_width), torch.tensor([5, 8, 11])
    lengths = ({0: ANY, 1: ANY}, {0: ANY}, {0: ANY})
    return image, export_onnx(ExportedTextTower(backbone), prompts, ["tokens", "context", "ends"], ["text"], lengths)


def stored(image: onnx.ModelProto, text: onnx.ModelProto, precision: str) -> OnnxTowers:
    """Both models as files, with their weights in the bits of `precision`, a key of BITS."""
    files = []
    for traced in (image, text):
        model = onnx.ModelProto()
        model.CopyFrom(traced)
        shrink(model, BITS[precision])
        onnx.checker.check_model(model)
        files.append(model.SerializeToString())
    return OnnxTowers(*files)


class OnnxBackbone:
    """The exported towers under onnxruntime, with what a page does around them: the reference for its JavaScript.

    Args:
        towers: the files.
        backbone: the one they were made of, for its tokenizer and preprocessing.
    """

    def __init__(self, towers: OnnxTowers, backbone: Backbone):
        self.backbone = backbone
        self.image = onnxruntime.InferenceSession(towers.image)
        self.text = onnxruntime.InferenceSession(towers.text)

    def encode_with_patches(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Image feature (D,) and cells (h, w, D) of resized pixels (1, 3, H, W), 0 to 255."""
        features, cells = self.image.run(None, {"pixels": pixels.numpy()})
        return torch.from_numpy(features), torch.from_numpy(cells)

    def encode_prompts(self, symptoms: list[str], context: Tensor | None) -> Tensor:
        """Text features (n, D) of symptoms under a context (M, W), as `Backbone.encode_prompts` gives them."""
        tower = self.backbone.text_tower
        rows = [self.backbone.prompt_tokens(symptom, context is not None) for symptom in symptoms]
        tokens, _ = tower.assemble(rows, context)
        size = 0 if context is None else len(context)
        ends = np.array([len(tower.tokens.start) + size + len(row) for row in rows])
        given = np.zeros((0, tower.width), np.float32) if context is None else context.numpy()
        return torch.from_numpy(self.text.run(None, {"tokens": tokens.numpy(), "context": given, "ends": ends})[0])


@torch.inference_mode()
def check_towers(exported: OnnxBackbone, pixels: Tensor, symptoms: list[str], context: Tensor, limit: float) -> float:
    """The largest difference of a similarity between the exported towers and the backbone.

    Args:
        exported: the exported towers, loaded.
        pixels: of images (B, 3, H, W), resized, 0 to 255.
        symptoms: n texts.
        context: (M, W).
        limit: of the difference.

    Raises:
        BackboneError: if it is over the limit: these files would give other results than the model.
    """
    backbone = exported.backbone
    own = backbone.encode_prompts(symptoms, context)
    found = exported.encode_prompts(symptoms, context)
    tower = ExportedImageTower(backbone).eval()
    differences = []
    for row in pixels.split(1):
        before = F.normalize(tower(row)[0], dim=-1) @ F.normalize(own, dim=-1).T
        after = F.normalize(exported.encode_with_patches(row)[0], dim=-1) @ F.normalize(found, dim=-1).T
        differences.append((after - before).abs().max().item())
    if not max(differences) <= limit:
        raise BackboneError(
            f"The exported towers give similarities that differ from the model's by {max(differences):.4f}, and "
            f"the limit is {limit:g}; export without --int8, or report this with the versions of torch and onnxruntime."
        )
    return max(differences)

"""How well the domain check works: which share of foreign images it flags."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_sample_images

from vip_core.data.features import image_features
from vip_core.data.images import find_images, read_image
from vip_core.errors import UsageError
from vip_core.models.backbone import Backbone
from vip_core.models.vip import ViP
from vip_core.utils.device import fast_bf16

PAGE = "The patient was seen on the ward. Temperature and pulse were taken twice a day, and the film was repeated."


def foreign_images() -> dict[str, list[Image.Image]]:
    """Images that no model of ours knows, by kind: photographs, a page of text, noise, a blank image."""
    rng = np.random.default_rng(0)
    photographs = [Image.fromarray(image) for image in load_sample_images().images]
    photographs.append(read_image(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"))
    uniform = [rng.integers(0, 256, (256, 256, 3), dtype=np.uint8) for _ in range(3)]
    normal = [rng.normal(128, 40, (256, 256)).clip(0, 255).astype(np.uint8) for _ in range(3)]
    return {
        "colour photographs": photographs,
        "pages of text": [_page(size) for size in (14, 20, 30)],
        "noise": [Image.fromarray(pixels).convert("RGB") for pixels in uniform + normal],
        "blank images": [Image.new("RGB", (256, 256), colour) for colour in ("black", "white", "grey", "red")],
    }


def _page(size: int) -> Image.Image:
    page = Image.new("RGB", (700, 900), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(size)
    for line in range(40):
        draw.text((40, 40 + line * size * 1.5), PAGE[line % 7 :], "black", font)
    return page


def foreign_folders(folders: Iterable[Path]) -> dict[str, list[Path]]:
    """The images of folders, under the last two parts of each folder's path. Raises UsageError or DataError."""
    found: dict[str, list[Path]] = {}
    for folder in folders:
        kind = "/".join(folder.resolve().parts[-2:]).lstrip("/")
        if not folder.is_dir():
            raise UsageError(f"--foreign {folder} is no folder; give folders of images unlike those trained on.")
        if kind in found:
            raise UsageError(f"--foreign has two folders called {kind}; give each once, or another name.")
        found[kind] = find_images(folder)
        if not found[kind]:
            raise UsageError(f"--foreign {folder} holds no images (PNG, JPEG, WebP, TIFF, BMP or DICOM).")
    return found


def guard_figures(vip: ViP, foreign: Mapping[str, Sequence[Path]] | None = None) -> dict[str, dict[str, Any]]:
    """Of each kind of foreign image, how many the domain check flags of how many: {kind: {"n", "flagged"}}.

    Args:
        vip: a trained model with its reference bank.
        foreign: files of more foreign images by kind, as `foreign_folders` gives them.

    Raises:
        DataError: if one of these cannot be read.
    """
    assert vip.reference is not None
    features = {kind: _encode(vip.backbone, images) for kind, images in foreign_images().items()}
    for kind, paths in (foreign or {}).items():
        features[kind] = image_features(vip.backbone, paths, what=f"Images of {kind}")[:, 0]
    return {
        kind: {"n": len(rows), "flagged": sum(not check.in_domain for check in vip.reference.check(rows))}
        for kind, rows in features.items()
    }


@torch.inference_mode()
def _encode(backbone: Backbone, images: list[Image.Image]) -> torch.Tensor:
    pixels = torch.stack([backbone.preprocess(image) for image in images]).to(backbone.device)
    return backbone.encode_images(pixels, fast_bf16(backbone.device)).cpu()

"""How well the domain check works: the number of out-of-distribution (OOD) images that it flags."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from vip_core.data.features import encode_images, image_features
from vip_core.data.folders import find_images
from vip_core.data.images import read_image
from vip_core.errors import UsageError
from vip_core.models.vip import ViP
from vip_core.utils.paths import PROJECT

PAGE = "The patient was seen on the ward. Temperature and pulse were taken twice a day, and the film was repeated."


def ood_images() -> dict[str, list[Image.Image]]:
    """Images that are out of distribution for any medical model, by kind: photographs, pages of text, noise, blanks."""
    rng = np.random.default_rng(0)
    photographs = [read_image(path) for path in sorted((PROJECT / "assets" / "ood").glob("*.jpg"))]
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


def ood_folders(folders: Iterable[Path]) -> dict[str, list[Path]]:
    """The images of folders, under the last two parts of each folder's path. Raises UsageError or DataError."""
    found: dict[str, list[Path]] = {}
    for folder in folders:
        kind = "/".join(folder.resolve().parts[-2:]).lstrip("/")
        if not folder.is_dir():
            raise UsageError(f"--ood {folder} is not a folder; give folders of out-of-distribution images.")
        if kind in found:
            raise UsageError(f"--ood was given two folders called {kind}; give each once, or rename one.")
        found[kind] = find_images(folder)
        if not found[kind]:
            raise UsageError(f"--ood {folder} contains no images (PNG, JPEG, WebP, TIFF, BMP or DICOM).")
    return found


def domain_check_counts(
    vip: ViP, ood: Mapping[str, Sequence[Path]] | None = None, encoded: Mapping[str, Tensor] | None = None
) -> dict[str, dict[str, int]]:
    """How many images of each OOD kind there are and how many the domain check flags: {kind: {"n", "flagged"}}.

    Args:
        vip: a trained model with its reference bank.
        ood: files of more OOD images by kind, as `ood_folders` gives them.
        encoded: features (n, D) of more OOD images by kind.

    Raises:
        DataError: if one of these cannot be read.
    """
    assert vip.reference is not None
    features = {kind: encode_images(vip.backbone, images) for kind, images in ood_images().items()}
    for kind, paths in (ood or {}).items():
        features[kind] = image_features(vip.backbone, paths, what=f"Images of {kind}", float32=True)[:, 0]
    features |= encoded or {}
    return {
        kind: {"n": len(rows), "flagged": sum(not check.in_domain for check in vip.reference.check(rows))}
        for kind, rows in features.items()
    }

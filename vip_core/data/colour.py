"""Embedded colour profiles: colours become sRGB, which phones' Display P3 and cameras' Adobe RGB are not."""

from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

INVISIBLE = 2  # levels by which a profile may differ from sRGB and still be taken for it


def to_srgb(image: Image.Image) -> Image.Image:
    """An image of 8 bits per channel as RGB, through its colour profile if it has one that changes its colours.

    A profile that is damaged, or for another kind of image, is ignored, as viewers ignore it.
    """
    if image.mode not in ("L", "RGB", "CMYK"):
        mode, profile = "L" if image.mode == "LA" else "RGB", image.info.get("icc_profile")
        image = image.convert(mode)
        image.info["icc_profile"] = profile
    profile = image.info.get("icc_profile")
    transform = _transform(profile, image.mode) if profile else None
    if transform is None:
        return image.convert("RGB")
    return ImageCms.applyTransform(image, transform) or image.convert("RGB")


@lru_cache(maxsize=8)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The way from a profile to sRGB; None where it is unusable or makes no visible difference."""
    try:
        source, target = ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(
            source,
            target,
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    if mode == "CMYK":
        return transform
    steps = np.arange(0, 256, 15 if mode == "RGB" else 1, dtype=np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3) if mode == "RGB" else steps[None]
    before = Image.fromarray(grid)
    after = ImageCms.applyTransform(before, transform)
    if after is None:
        return None
    moved = np.abs(np.asarray(after).astype(int) - np.asarray(before.convert("RGB")))
    return transform if moved.max() > INVISIBLE else None

"""The kinds of images: how far each may be varied without changing what it shows, and where its findings are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vip_core.pretraining.placement import Region, central_box, central_ellipse

XRAY, DERMOSCOPY, KNEE = "chest X-ray", "dermoscopy image", "knee X-ray"
BLOOD, ULTRASOUND, MRI = "blood cell image", "breast ultrasound", "brain MRI"


@dataclass(frozen=True)
class Augmentation:
    """How far a random view may differ from the image. Shares are of the views; all views are mirrored at random.

    Attributes:
        min_area: of a crop.
        aspect: of the crop, up to this or its inverse.
        central: share of the crops that are small and near the centre, without shoulders, tags and corners.
        wide: share that is smaller than the frame, with something around it.
        dark: share in which that, and what a rotation brings in, is black and not a reflection.
        angle: degrees.
        vignette: share seen through a circle.
        border: share whose border is blurred or grey, to a random depth on each side.
        brightness: of the range of values, from -1 to 1.
        contrast: relative.
        saturation: relative. Hue stays, since colours carry the diagnosis.
        tint: natural logarithm of a gain of each channel, up to this or its negative: light and stain.
        gamma: natural logarithm of the exponent of the values, up to this or its negative.
        blurred: share blended with itself at half the resolution, by a random amount.
        noise: largest standard deviation of what is added.
        equalised: share blended with its histogram-equalised version, of grey images.
        compressed: share compressed as by JPEG.
    """

    min_area: float = 0.6
    aspect: float = 1.2
    central: float = 0.0
    wide: float = 0.1
    dark: float = 0.5
    angle: float = 8.0
    vignette: float = 0.0
    border: float = 0.0
    brightness: float = 0.2
    contrast: float = 0.2
    saturation: float = 0.0
    tint: float = 0.0
    gamma: float = 0.0
    blurred: float = 0.2
    noise: float = 0.0
    equalised: float = 0.0
    compressed: float = 0.2

    def softened(self, factor: float) -> "Augmentation":
        """The same with less blur and grain, which slow down the learning of fine patterns."""
        return replace(self, blurred=factor * self.blurred, noise=factor * self.noise)


@dataclass(frozen=True)
class ImageKind:
    """A kind of image, and the region in which its findings are."""

    name: str
    augmentation: Augmentation
    region: Region


# A radiograph is never upside down, but its findings are on both sides. Its grey values depend on how it was exposed
# and developed, and differ from one machine to the next. A lesion and a cell have no up or down.
_CHEST = Augmentation(
    central=0.2,
    border=0.4,
    brightness=0.3,
    contrast=0.4,
    gamma=0.6,
    blurred=0.4,
    noise=0.05,
    equalised=0.5,
)
_SKIN = Augmentation(angle=180, vignette=0.15, border=0.1, saturation=0.15, tint=0.15, gamma=0.2)
_KNEE = Augmentation(central=0.2, border=0.3, contrast=0.3, gamma=0.3, noise=0.03)
_BLOOD = Augmentation(angle=180, saturation=0.2, tint=0.2, gamma=0.2)
_ULTRASOUND = Augmentation(border=0.2, contrast=0.3, gamma=0.4, noise=0.03)
_MRI = Augmentation(angle=10, border=0.1, contrast=0.3, gamma=0.4, noise=0.03)

IMAGE_KINDS = {
    kind.name: kind
    for kind in (
        ImageKind(XRAY, _CHEST, central_box),
        ImageKind(DERMOSCOPY, _SKIN, central_ellipse),
        ImageKind(KNEE, _KNEE, central_box),
        ImageKind(BLOOD, _BLOOD, central_ellipse),
        ImageKind(ULTRASOUND, _ULTRASOUND, central_box),
        ImageKind(MRI, _MRI, central_box),
    )
}


def augmentations(factor: float = 1.0) -> list[Augmentation]:
    """Of all kinds in their order, with so much of their blur and grain."""
    return [kind.augmentation.softened(factor) for kind in IMAGE_KINDS.values()]


def kind_indices(names: Sequence[str]) -> Tensor:
    """(N,) the place in IMAGE_KINDS of each of N names."""
    places = {name: place for place, name in enumerate(IMAGE_KINDS)}
    return torch.tensor([places[name] for name in names])

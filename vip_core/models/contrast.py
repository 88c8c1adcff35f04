"""Local contrast: how much an image has, and its equalisation (CLAHE) where a model was trained on equalised images."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 192  # pixels a side of the image that is measured
LEVELS = 256


@dataclass(frozen=True)
class LocalContrast:
    """Contrast-limited adaptive histogram equalisation of images that have less local contrast than `below`.

    A model that was trained on equalised images takes both these and plain ones. Colours keep their chroma. Each tile's
    histogram is clipped and equalised, and a pixel's level is interpolated between those of the four nearest tiles
    (Zuiderveld, Graphics Gems IV, 1994).

    Attributes:
        below: a value of `local_contrast`, in grey levels.
        tiles: rows and columns of tiles.
        clip: most pixels of a level in a tile, as a multiple of the mean over the levels; the rest is spread evenly.
    """

    below: float
    tiles: int = 8
    clip: float = 2.0

    def __call__(self, image: Image.Image) -> Image.Image:
        """An RGB image, equalised if it needs to be."""
        return image if local_contrast(image, self.tiles) >= self.below else equalised(image, self.tiles, self.clip)


def local_contrast(image: Image.Image, tiles: int = 8) -> float:
    """Mean over the tiles of the standard deviation of their grey levels, of an RGB image of any size."""
    levels = np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX), float)
    parts = [part for row in np.array_split(levels, tiles) for part in np.array_split(row, tiles, axis=1)]
    return float(np.mean([part.std() for part in parts]))


def equalised(image: Image.Image, tiles: int = 8, clip: float = 2.0) -> Image.Image:
    """An RGB image with the local contrast of its luminance equalised; see `LocalContrast`."""
    luminance, *chroma = image.convert("YCbCr").split()
    levels = Image.fromarray(_equalised(np.asarray(luminance), tiles, clip))
    return Image.merge("YCbCr", (levels, *chroma)).convert("RGB")


def _equalised(levels: NDArray[np.uint8], tiles: int, clip: float) -> NDArray[np.uint8]:
    height, width = levels.shape
    rows, columns = min(tiles, height), min(tiles, width)
    maps = np.stack(
        [[_map_of(part, clip) for part in np.array_split(row, columns, axis=1)] for row in np.array_split(levels, rows)]
    )  # (rows, columns, 256)
    above, below, down = _between(height, rows)
    left, right, across = _between(width, columns)
    down, across = down[:, None], across[None, :]
    upper, lower = above[:, None], below[:, None]
    found = (1 - down) * ((1 - across) * maps[upper, left, levels] + across * maps[upper, right, levels])
    found += down * ((1 - across) * maps[lower, left, levels] + across * maps[lower, right, levels])
    return found.round().astype(np.uint8)


def _map_of(part: NDArray[np.uint8], clip: float) -> NDArray[np.float64]:
    """The level (256,) that each level of a tile becomes."""
    counts = np.bincount(part.ravel(), minlength=LEVELS).astype(float)
    most = clip * part.size / LEVELS
    excess = np.maximum(counts - most, 0).sum()
    counts = np.minimum(counts, most) + excess / LEVELS
    return (LEVELS - 1) * counts.cumsum() / part.size


def _between(length: int, tiles: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """For each pixel of a side: the tiles whose centres it is between, and how far it is from the first, 0 to 1."""
    place = (np.arange(length) + 0.5) * tiles / length - 0.5
    first = np.floor(place).astype(int)
    return first.clip(0, tiles - 1), (first + 1).clip(0, tiles - 1), place - first

"""Images that look the same although their files differ: the same picture rescaled, recompressed or cropped again."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vip_core.data.dataset import Row
from vip_core.data.images import read_image
from vip_core.errors import ImageError

SIDE = 16  # differences per row and column: 256 bits, enough to distinguish radiographs
NEAR = 10  # bits that may differ


@dataclass(frozen=True)
class Pair:
    """Two images of different splits, and how many of the 256 bits of their hashes differ."""

    first: Path
    second: Path
    distance: int


def perceptual_hash(image: Image.Image) -> NDArray:
    """256 bits (difference hash): whether each of 16 x 17 grey cells is brighter than its left neighbour."""
    cells = np.asarray(image.convert("L").resize((SIDE + 1, SIDE), Image.Resampling.BOX), dtype=np.int16)
    return (cells[:, 1:] > cells[:, :-1]).flatten()


def near_duplicates(splits: Mapping[str, Sequence[Row]]) -> list[Pair]:
    """Pairs of images that look the same, one in each of two splits, the most alike first.

    Images that cannot be read, or that are nearly of one tone, are left out.
    """
    places = [(name, row.path) for name, rows in splits.items() for row in rows]
    with ThreadPoolExecutor() as pool:
        hashes = list(pool.map(lambda place: _hash(place[1]), places))
    known = [(name, path, bits) for (name, path), bits in zip(places, hashes, strict=True) if bits is not None]
    if not known:
        return []
    signs = np.array([bits for _, _, bits in known], dtype=np.float32) * 2 - 1  # (n, 256)
    names = np.array([name for name, _, _ in known])
    pairs = []
    for start in range(0, len(known), 1024):
        distances = np.rint((signs.shape[1] - signs[start : start + 1024] @ signs.T) / 2).astype(int)
        for here, there in np.argwhere(distances <= NEAR):
            one, other = start + here, there
            if one < other and names[one] != names[other]:
                pairs.append(Pair(known[one][1], known[other][1], int(distances[here, there])))
    return sorted(pairs, key=lambda pair: (pair.distance, str(pair.first), str(pair.second)))


def describe_pairs(pairs: Sequence[Pair], most: int = 10) -> list[str]:
    """Their number, and a line for each of the first."""
    count = f"{len(pairs)} pair{'' if len(pairs) == 1 else 's'}"
    named = [f"  {pair.first} and {pair.second}" for pair in pairs[:most]]
    return [f"Images that look like one of another split: {count}.", *named]


def _hash(path: Path) -> NDArray | None:
    try:
        bits = perceptual_hash(read_image(path))
    except ImageError:
        return None
    return bits if bits.sum() >= 8 else None

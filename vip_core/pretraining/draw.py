"""Which images are drawn to train on: each set its share, so that a large one does not drown a small one."""

from collections.abc import Sequence

import torch
from torch import Tensor

from vip_core.pretraining.sets import PER_EPOCH, LabelledImage

REPEATS = 4  # of an image in an epoch, at most


class ImageDraw:
    """Draws rows of N training images, of each set as many as its `per_epoch` says.

    Attributes:
        mass: (N,) how often each image is drawn, relative to the others; on average 1.
        per_epoch: how many an epoch takes.
    """

    def __init__(self, images: Sequence[LabelledImage]):
        names = [image.source for image in images]
        self._rows = [
            torch.tensor([row for row, name in enumerate(names) if name == each]) for each in dict.fromkeys(names)
        ]
        wanted = [PER_EPOCH.get(name, names.count(name)) for name in dict.fromkeys(names)]
        self._taken = [min(most, REPEATS * len(rows)) for most, rows in zip(wanted, self._rows, strict=True)]
        self.per_epoch = sum(self._taken)
        self.mass = torch.empty(len(names))
        for rows, taken in zip(self._rows, self._taken, strict=True):
            self.mass[rows] = taken / len(rows) * len(names) / self.per_epoch

    def epoch(self, generator: torch.Generator) -> Tensor:
        """The rows of an epoch in random order. Of a set that is too small all are taken, more than once."""
        drawn = [
            rows[
                torch.cat([torch.randperm(len(rows), generator=generator) for _ in range(-(-taken // len(rows)))])[
                    :taken
                ]
            ]
            for rows, taken in zip(self._rows, self._taken, strict=True)
        ]
        rows = torch.cat(drawn)
        return rows[torch.randperm(len(rows), generator=generator)]

    def some(self, count: int, generator: torch.Generator) -> Tensor:
        """`count` rows, drawn with replacement."""
        return torch.multinomial(self.mass, count, replacement=True, generator=generator)

"""The features that training and evaluation need, encoded on a Ray cluster: the same as on this machine."""

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vip_core.data.features import BATCH_VIEWS, encode_stream
from vip_core.errors import ImageError
from vip_core.models.backbone import Backbone
from vip_core.scale.ray_engine import RayEngine
from vip_core.utils.device import best_device


@dataclass
class FeatureWorker:
    """Encodes batches of image files on the best device of its process. Arguments as those of `encode_stream`."""

    backbone: Backbone
    views: int
    evaluation_view: bool
    crop: float
    batch_size: int
    float32: bool
    threads: int  # of torch: the last bits depend on their number

    def __call__(self, batch: bytes) -> bytes:
        """Pickled features or errors of pickled (paths, seeds)."""
        paths, seeds = pickle.loads(batch)
        torch.set_num_threads(self.threads)
        backbone = self.backbone.to(best_device())
        options = (self.evaluation_view, self.crop, self.batch_size, self.float32)
        return pickle.dumps(list(encode_stream(backbone, paths, self.views, seeds, *options)))


@dataclass(frozen=True)
class RayFeatures:
    """An encoder for `features.encode_with`. Image files must have the same paths on all machines.

    Attributes:
        engine: the cluster.
    """

    engine: RayEngine

    def __call__(
        self,
        backbone: Backbone,
        paths: Sequence[Path],
        views: int = 0,
        seeds: Sequence[str] | None = None,
        evaluation_view: bool = True,
        crop: float = 1.0,
        batch_size: int = BATCH_VIEWS,
        float32: bool = False,
    ) -> Iterator[Tensor | ImageError]:
        """What `encode_stream` yields, from the same batches."""
        seeds = seeds or [""] * len(paths)
        size = max(1, batch_size // (evaluation_view + views))
        batches = [(paths[at : at + size], seeds[at : at + size]) for at in range(0, len(paths), size)]
        threads, home = torch.get_num_threads(), backbone.device
        worker = FeatureWorker(backbone.cpu(), views, evaluation_view, crop, batch_size, float32, threads)
        waiting: dict[int, bytes] = {}
        following = 0
        try:
            for number, result in self.engine.map(worker, [pickle.dumps(batch) for batch in batches], threads):
                waiting[number] = result
                while following in waiting:
                    yield from pickle.loads(waiting.pop(following))
                    following += 1
        finally:
            backbone.to(home)

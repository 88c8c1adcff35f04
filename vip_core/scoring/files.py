"""Scoring many image files: a batch at a time, each with its result or the reason why it cannot be read."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import torch

from vip_core.data.features import encode_stream
from vip_core.errors import ImageError
from vip_core.scoring.predictor import Diagnosis, Predictor

BATCH = 64


def score_files(predictor: Predictor, paths: Sequence[Path]) -> Iterator[tuple[Path, Diagnosis | ImageError]]:
    """Score images in order; one that cannot be read yields its error, and the others are still scored."""
    pairs = zip(paths, encode_stream(predictor.vip.backbone, paths, batch_size=BATCH), strict=True)
    while batch := list(islice(pairs, BATCH)):
        features = [item[0] for _, item in batch if not isinstance(item, ImageError)]
        scored = iter(predictor.diagnose_all(torch.stack(features)) if features else [])
        for path, item in batch:
            yield path, item if isinstance(item, ImageError) else next(scored)

"""Scores a batch of an archive: read, decode, image tower, diagnosis. Threads may share one, and it can be pickled."""

import hashlib
import threading
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from vip_core.data.images import decode_image
from vip_core.errors import ImageError
from vip_core.models.backbone import Backbone
from vip_core.models.vip import ViP
from vip_core.scale.lanes import lane_count
from vip_core.scale.preprocessing import ArchivePreprocess
from vip_core.scale.rows import row_schema, to_rows
from vip_core.scale.storage import Storage
from vip_core.scoring.predictor import Predictor
from vip_core.symptoms import SymptomSet
from vip_core.utils.device import fast_bf16

CPU_PASS = 8  # images per pass of the tower in each thread; 4, 16 and 32 are slower on two cores (docs/benchmarks.md)


class ScoringWorker:
    """Scores batches of image files.

    Args:
        vip: a trained model; it is moved to the best device of the process.
        symptoms: to score with.
        shares: of the classes, that probabilities are corrected for; empty for none.
        storage: opens the files.
        runtime: what runs the image tower: "torch", in bfloat16 where that is fast, or "openvino", in float32.

    Raises:
        SymptomError: a symptom cannot be a prompt.
        UsageError: OpenVINO cannot run the image tower.
    """

    def __init__(
        self, vip: ViP, symptoms: SymptomSet, shares: Mapping[str, float], storage: Storage, runtime: str = "torch"
    ):
        self.predictor = Predictor(vip)
        self.symptoms = self.predictor.resolve(symptoms)
        self.shares = dict(shares)
        self.storage = storage
        self.runtime = runtime
        self.schema = row_schema(self.symptoms.classes, bool(shares))
        self.predictor.encode_symptoms(self.symptoms)
        backbone = self.predictor.backbone
        self._preprocess = ArchivePreprocess(backbone)
        self._encode = _encoder(backbone, runtime)
        # One batch at a time on a GPU, whose memory it fills; on a CPU each thread computes for itself.
        self._tower = nullcontext() if backbone.device.type == "cpu" else threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        vip = self.predictor.vip
        return _restored, (vip, self.symptoms, self.shares, self.storage, self.runtime)

    @torch.inference_mode()
    def __call__(self, files: pa.RecordBatch) -> pa.RecordBatch:
        """Rows (`rows.row_schema`) of files (`sources.LISTING`), in their order."""
        batch = self._preprocess.empty(len(files))
        digests: list[str | None] = []
        errors: dict[int, str] = {}
        good = 0
        for number, path in enumerate(files.column("path").to_pylist()):
            digest = None
            try:
                data = self.storage.read(path)
                digest = hashlib.sha256(data).hexdigest()
                batch[good] = self._preprocess(decode_image(data, path.rsplit("/", 1)[-1]))
                good += 1
            except ImageError as error:
                errors[number] = str(error)
            digests.append(digest)
        scored = iter(self._score(batch[:good]) if good else [])
        results = [{"error": errors[row]} if row in errors else next(scored) for row in range(len(files))]
        return to_rows(files, digests, results, self.schema)

    def _score(self, batch: Tensor) -> list[dict[str, Any]]:
        """The results of images as `_preprocess` makes them."""
        predictor = self.predictor
        parts = batch.split(CPU_PASS if predictor.backbone.device.type == "cpu" else len(batch))
        with self._tower:
            features = torch.cat([self._encode(self._preprocess.pixels(part)) for part in parts])
            diagnoses = predictor.diagnose_all(features, self.symptoms)
        if self.shares:
            diagnoses = [predictor.at_prevalence(each, self.shares) for each in diagnoses]
        return [each.to_dict() for each in diagnoses]


def _encoder(backbone: Backbone, runtime: str) -> Callable[[Tensor], Tensor]:
    """Features (B, D) of pixels (B, 3, H, W) on the CPU."""
    if runtime == "openvino":
        from vip_core.scale.openvino_tower import OpenVinoTower

        return OpenVinoTower(backbone, lane_count(backbone.device))
    device = backbone.device
    return lambda pixels: backbone.encode_images(pixels.to(device), fast_bf16(device))


def _restored(
    vip: ViP, symptoms: SymptomSet, shares: dict[str, float], storage: Storage, runtime: str
) -> ScoringWorker:
    return ScoringWorker(vip, symptoms, shares, storage, runtime)

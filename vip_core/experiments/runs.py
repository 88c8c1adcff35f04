"""One run: train a method, choose on validation images, predict; a folder with configuration and predictions."""

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vip_core.baselines.registry import METHODS
from vip_core.data.features import FeatureSplit
from vip_core.errors import CheckpointError, ViPError
from vip_core.evaluation.reliance import symptom_reliance
from vip_core.experiments.config import RunSpec
from vip_core.experiments.knowledge import knowledge_sets
from vip_core.experiments.material import Material, TrainingImages
from vip_core.experiments.pixels import PixelSplit, PixelViews
from vip_core.models.learner import PromptLearner
from vip_core.models.vip import ViP
from vip_core.training.loop import train_prompts
from vip_core.training.parallel import predict_together
from vip_core.training.state import STATE, TrainingState
from vip_core.utils.device import fast_bf16
from vip_core.utils.distributed import agreed, is_main, wait_for_all
from vip_core.utils.files import atomic, write_json
from vip_core.utils.ranking import auroc

RUN, PREDICTIONS = "run.json", "predictions.npz"


@dataclass(frozen=True)
class RunResult:
    """A finished run, as its folder has it.

    Attributes:
        spec: what was run.
        val, test: probabilities (n, C) and labels (n,) of the images of a split.
        info: seconds, parameters, kept epoch, symptom reliance, and what else was recorded.
    """

    spec: RunSpec
    val: tuple[NDArray, NDArray]
    test: tuple[NDArray, NDArray]
    info: dict[str, Any]

    @property
    def val_auroc(self) -> float:
        """AUROC on validation images, by which a learning rate is chosen; the mean over classes of more than two."""
        return mean_auroc(*self.val)


def mean_auroc(probabilities: NDArray, labels: NDArray) -> float:
    """AUROC of the second of two classes; of more, the mean over one-vs-rest."""
    count = probabilities.shape[1]
    columns = [1] if count == 2 else list(range(count))
    return float(auroc(probabilities[:, columns], labels[:, None] == columns).mean())


def is_complete(spec: RunSpec, material: Material) -> bool:
    """Whether the folder of a run holds its result."""
    return (_folder(spec, material) / RUN).is_file()


def run_method(spec: RunSpec, material: Material) -> RunResult:
    """The result of a run: read where its folder is complete, else trained, from where a killed run stopped.

    Raises:
        ViPError: the method cannot run on this backbone, or a file cannot be written.
    """
    folder = _folder(spec, material)
    shared = shared_settings(material)
    if agreed(is_complete(spec, material)):
        return read_run(folder, spec, shared)
    images, test_features = material.images(spec.shots, spec.seed), material.test
    started, earlier = time.monotonic(), 0.0
    torch.manual_seed(spec.seed)
    symptoms = knowledge_sets(material.symptoms, material.config.train.data, spec.seed)[spec.knowledge]
    learner = METHODS[spec.method].build(material.backbone, symptoms)
    learner.fast_training = fast_bf16(material.backbone.device)  # as `vip_core.train` has it
    if not is_main() and not learner.reads_pixels:  # one process is enough for cached features
        wait_for_all()
        return read_run(folder, spec, shared)
    learner.prepare(images.views, images.labels)
    kept_epoch = None
    val: FeatureSplit | PixelSplit = images.val
    test: FeatureSplit | PixelSplit = test_features
    if learner.reads_pixels:
        val, test = (PixelSplit(learner.backbone, rows) for rows in (images.val_rows, material.data.split("test")))
    if spec.rate is not None:
        begun = time.monotonic()
        state = _train(learner, images, val, spec, material, folder)
        kept_epoch, earlier = state.best_epoch, max(0.0, state.seconds - (time.monotonic() - begun))
    learner.finish(val.features, val.labels)
    probabilities = {name: _probabilities(learner, split) for name, split in (("val", val), ("test", test))}
    info = {
        "spec": asdict(spec),
        "shared": shared,
        "own": spec.own_settings(material.config.train),
        "seconds": round(earlier + time.monotonic() - started, 2),  # of a resumed run: of all its processes
        "parameters": learner.parameter_count,
        "kept_epoch": kept_epoch,
        **_details(learner, material),
    }
    if not is_main():
        wait_for_all()
        return read_run(folder, spec, shared)
    folder.mkdir(parents=True, exist_ok=True)
    with atomic(folder / PREDICTIONS) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            val=probabilities["val"],
            test=probabilities["test"],
            val_labels=val.labels.numpy(),
            test_labels=test.labels.numpy(),
        )
    write_json(folder / RUN, info)  # last: a folder with it is complete
    (folder / STATE).unlink(missing_ok=True)
    wait_for_all()
    return read_run(folder, spec, shared)


def _folder(spec: RunSpec, material: Material) -> Path:
    return material.config.folder / "runs" / spec.name


def _train(
    learner: PromptLearner,
    images: TrainingImages,
    val: FeatureSplit | PixelSplit,
    spec: RunSpec,
    material: Material,
    folder: Path,
) -> TrainingState:
    config = spec.train_config(material.config.train)
    folder.mkdir(parents=True, exist_ok=True)
    if learner.reads_pixels:
        paths = [row.path for row in images.train]

        def views(epoch: int) -> Any:  # noqa: ANN401 - stands in for a tensor of features
            return PixelViews(learner.backbone, paths, config.crop, config.seed, epoch)
    else:
        random_views = images.views[:, 1:] if images.views.shape[1] > 1 else images.views

        def views(epoch: int) -> Any:  # noqa: ANN401
            return random_views

    return train_prompts(learner, views, images.labels, val, config, folder / STATE, images.digest)  # type: ignore[arg-type]


def _probabilities(learner: PromptLearner, split: FeatureSplit | PixelSplit) -> NDArray:
    logits: Tensor = predict_together(learner, split.features)
    return logits.double().softmax(-1).numpy()


def _details(learner: PromptLearner, material: Material) -> dict[str, Any]:
    """What is worth knowing of a trained method beside its predictions."""
    if isinstance(learner, ViP):
        return {"reliance": symptom_reliance(learner, material.test.features).to_dict()}
    names = ("inverse_regularisation", "alpha", "beta")
    return {name: getattr(learner, name) for name in names if hasattr(learner, name)}


def shared_settings(material: Material) -> dict[str, Any]:
    """What all runs of an experiment share, so that a folder of other settings is not taken for one of them."""
    train = material.config.train
    texts = {**material.symptoms.to_dict(), "source": None}  # where they come from changes no result
    return {
        "backbone": material.backbone.fingerprint,
        "data": material.data.name,
        "images": material.digest,
        "symptoms": hashlib.sha256(json.dumps(texts).encode()).hexdigest(),
        "epochs": train.epochs,
        "batch_size": train.batch_size,
        "views": train.views,
        "crop": train.crop,
        "momentum": train.momentum,
        "weight_decay": train.weight_decay,
    }


def read_run(folder: Path, spec: RunSpec, shared: dict[str, Any]) -> RunResult:
    """The result in a folder. Raises CheckpointError if it is damaged, or of other settings."""
    try:
        info = json.loads((folder / RUN).read_text(encoding="utf-8"))
        with np.load(folder / PREDICTIONS) as arrays:
            val, test = ((arrays[name], arrays[f"{name}_labels"]) for name in ("val", "test"))
        before = info["shared"]
    except (OSError, EOFError, BadZipFile, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"The run {folder} is damaged; delete it to run it again.") from error
    if before != shared:
        changed = ", ".join(name for name in shared if before.get(name) != shared[name])
        raise CheckpointError(
            f"The run {folder} was made with other settings ({changed}); use the same, another --out, or delete it."
        )
    return RunResult(spec, val, test, info)


def can_run(method: str, material: Material) -> str | None:
    """Why a method cannot run on this backbone, or None."""
    try:
        METHODS[method].build(material.backbone, material.symptoms)
    except ViPError as error:
        return str(error)
    return None

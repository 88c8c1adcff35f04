"""A whole run: data, features, training, calibration, figures, checkpoint."""

import datetime
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vip_core import __version__
from vip_core.data.features import fresh_views, image_features, plain_split
from vip_core.data.sources import Dataset, Row, few_shot, load_dataset
from vip_core.errors import CheckpointError, DataError, UsageError
from vip_core.evaluation.domain import foreign_folders, guard_figures
from vip_core.evaluation.measure import measure
from vip_core.evaluation.metrics import fit_temperature, fit_threshold
from vip_core.evaluation.tables import print_figures
from vip_core.models.backbone import Backbone
from vip_core.models.card import Card
from vip_core.models.checkpoint import load_checkpoint, save_checkpoint
from vip_core.models.reference import ReferenceBank
from vip_core.models.vip import ViP, predict
from vip_core.symptoms import SymptomSet
from vip_core.training.config import TrainConfig
from vip_core.training.loop import Progress, read_state, train_prompts
from vip_core.utils.console import console
from vip_core.utils.device import best_device, fast_bf16

STATE = "last.pt"


def train(
    config: TrainConfig, out: Path, resume: bool = False, test: bool = True, foreign: list[Path] | None = None
) -> ViP:
    """Train and write a checkpoint to `out`; returns the trained model.

    Args:
        config: every value of the run.
        out: the folder to write.
        resume: go on with the run that `out` holds.
        test: measure the test split, once, at the end.
        foreign: folders of images that the domain check should flag, to count for the card.

    Raises:
        ViPError: whatever the caller can mend; nothing that was done is lost.
    """
    started = time.monotonic()
    finished = (out / "card.json").is_file()
    if not resume and ((out / STATE).is_file() or finished):
        raise CheckpointError(f"{out} holds a run already; give --resume to go on with it, or another --out.")
    others = foreign_folders(foreign or [])  # a mistake in them is said now, not after hours
    symptoms = SymptomSet.load(config.symptoms)
    positive = _positive(config, symptoms.classes)
    data = load_dataset(config.data, Path(config.root), symptoms.classes)
    train_rows, val_rows = data.split("train"), data.split("val")
    if config.shots is not None:
        train_rows = few_shot(train_rows, config.shots, config.seed)
    backbone = Backbone.load(config.backbone, config.pretrained).to(best_device())
    torch.manual_seed(config.seed)
    vip = ViP(backbone, symptoms, config.context_length, config.class_context)
    vip.fast_training = fast_bf16(backbone.device)
    vip.encode_symptoms()  # an over-long symptom is refused before the images are read, not after
    images = _mark(train_rows, val_rows)
    if finished:
        if (out / STATE).is_file():
            read_state(out / STATE, vip, config, images)  # of what is asked for now, and of nothing else
        console.print(f"{out} holds a finished run, to which nothing is added; vip_core.evaluate measures it.")
        return load_checkpoint(out, backbone)

    paths, labels = [row.path for row in train_rows], torch.tensor([row.label for row in train_rows])
    val = plain_split(backbone, val_rows, "Validation images")
    plain, views = _training_views(backbone, paths, config)
    features_seconds = time.monotonic() - started
    done = train_prompts(vip, views, labels, val, config, out / STATE, images)

    vip.temperature = fit_temperature(predict(vip, val.features), val.labels)
    vip.reference = ReferenceBank.build(plain, labels, val.features, config.seed)
    threshold = None
    if len(symptoms.classes) == 2:
        seen = (predict(vip, val.features) / vip.temperature).softmax(-1)
        threshold = fit_threshold(seen, val.labels, positive, config.sensitivity)
    measured = {"val": measure(vip, val, val_rows, config.seed, threshold)}
    if test and data.test:
        split = plain_split(backbone, data.test, "Test images")
        measured["test"] = measure(vip, split, data.test, config.seed, threshold)
    guard = guard_figures(vip, others)
    seconds = {"features": round(features_seconds, 1), "total": round(time.monotonic() - started, 1)}
    vip.card = replace(_card(vip, config, data, train_rows, done, measured, seconds), threshold=threshold, guard=guard)
    save_checkpoint(vip, out)
    for name, result in measured.items():
        print_figures(console, f"{data.name}, {name}", result)
    console.print(f"Written to {out}. Research use, not a medical device.")
    return load_checkpoint(out, backbone)


def _training_views(
    backbone: Backbone, paths: Sequence[Path], config: TrainConfig
) -> tuple[Tensor, Callable[[int], Tensor]]:
    """Features (n, D) of the plain view, and the function that gives those to draw from in an epoch, (n, V, D)."""
    if config.views:
        encoded = image_features(backbone, paths, config.views, config.crop, "Training images")
        return encoded[:, 0], lambda epoch: encoded[:, 1:]
    plain = image_features(backbone, paths, what="Training images")[:, 0]
    return plain, lambda epoch: fresh_views(backbone, paths, config.crop, config.seed, epoch)


def _mark(*splits: Sequence[Row]) -> str:
    """A digest of the images of splits, wherever they lie: name, size and label of each file. Raises DataError."""
    try:
        marks = [[(row.path.name, row.path.stat().st_size, row.label) for row in rows] for rows in splits]
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read ({error.strerror}).") from error
    return hashlib.sha256(repr(marks).encode()).hexdigest()


def _card(
    vip: ViP,
    config: TrainConfig,
    data: Dataset,
    train_rows: Sequence[Row],
    done: Progress,
    measured: dict[str, Any],
    seconds: dict[str, float],
) -> Card:
    assert vip.reference is not None
    splits = {"train": train_rows, "val": data.val, "test": data.test}
    counts = {
        name: dict(Counter(data.classes[row.label] for row in rows).most_common()) for name, rows in splits.items()
    }
    settings = {key: value for key, value in asdict(config).items() if key not in ("data", "root", "symptoms")}
    history = [{"loss": round(loss, 5), "val_accuracy": round(accuracy, 5)} for loss, accuracy in done.history]
    return Card(
        backbone={
            "name": vip.backbone.name,
            "pretrained": vip.backbone.pretrained,
            "fingerprint": vip.backbone.fingerprint,
        },
        classes=list(data.classes),
        symptoms=vip.symptoms.to_dict(),
        context={"length": config.context_length, "per_class": config.class_context},
        temperature=vip.temperature,
        domain_threshold=vip.reference.threshold,
        training={**settings, "kept_epoch": done.best_epoch, "seconds": seconds, "history": history},
        data={"name": data.name, "images": counts},
        figures=measured,
        date=datetime.date.today().isoformat(),
        version=__version__,
    )


def _positive(config: TrainConfig, classes: Sequence[str]) -> int | None:
    """The class to find, by its place. Raises UsageError if it is none of two classes."""
    if config.positive is None:
        return None
    if config.positive not in classes or len(classes) != 2:
        raise UsageError(f"--positive {config.positive!r} must be one of two classes; these are {list(classes)}.")
    return list(classes).index(config.positive)

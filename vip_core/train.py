"""python -m vip_core.train: train the prompts on a data set, by the paper's protocol."""

import argparse
import datetime
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import MISSING, asdict, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vip_core import __version__
from vip_core.backbone import EMBEDDED, Backbone
from vip_core.checkpoint import Card, load_checkpoint, save_checkpoint
from vip_core.cli import Parser, at_least, not_negative, run, share
from vip_core.console import console
from vip_core.datasets import DATASETS, Dataset, Row, few_shot, load_dataset
from vip_core.device import best_device, fast_bf16
from vip_core.errors import CheckpointError, DataError, UsageError
from vip_core.evaluate import measure, plain_split, print_figures
from vip_core.features import fresh_views, image_features
from vip_core.guard import foreign_folders, guard_figures
from vip_core.metrics import fit_temperature, fit_threshold
from vip_core.model import ViP
from vip_core.paths import PROJECT
from vip_core.reference import ReferenceBank
from vip_core.symptoms import SymptomSet
from vip_core.training import BACKBONE_DEFAULTS, Progress, TrainConfig, predict, read_state, train_prompts

SYMPTOMS = {"pneumonia": "pneumonia", "isic2017": "melanoma", "derm7pt": "melanoma"}  # by data set, in assets/symptoms
STATE = "last.pt"


def main(argv: list[str]) -> int:
    """Parse the arguments and train. Returns 0."""
    arguments = _parser().parse_args(argv)
    config = _config(arguments)
    backbone = config.backbone.removeprefix("local-dir:")
    name = Path(backbone).name if backbone != config.backbone else backbone.replace("/", "-")
    out = arguments.out or Path("runs") / f"{config.data}-{name}-seed{config.seed}"
    try:
        train(config, out, arguments.resume, arguments.test, arguments.foreign)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"Interrupted; {out} keeps what was done; go on with --resume.") from None
    return 0


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


def _config(arguments: argparse.Namespace) -> TrainConfig:
    """The configuration: what was given, else the value for the backbone, else the paper's."""
    given = {field.name: getattr(arguments, field.name) for field in fields(TrainConfig)}
    given = {name: value for name, value in given.items() if value is not None}
    if "sensitivity" in given and "positive" not in given:
        raise UsageError("--sensitivity needs --positive with the class to find.")
    if "symptoms" not in given:
        if arguments.data not in SYMPTOMS:
            raise UsageError(f"--data {arguments.data} needs --symptoms with a JSON file of its classes.")
        given["symptoms"] = str(PROJECT / "assets" / "symptoms" / f"{SYMPTOMS[arguments.data]}.json")
    if "backbone" in given:
        given["backbone"] = _resolved(given["backbone"])
    if Path(given.get("pretrained", "")).is_file():
        given["pretrained"] = str(Path(given["pretrained"]).resolve())
    return TrainConfig(**{**BACKBONE_DEFAULTS.get(given.get("backbone", EMBEDDED), {}), **given})


def _resolved(backbone: str) -> str:
    """A backbone's name by which the card finds it from any folder; an open_clip name as its defaults have it."""
    if backbone.startswith("local-dir:"):
        return f"local-dir:{Path(backbone.removeprefix('local-dir:')).resolve()}"
    return backbone if backbone.startswith("hf-hub:") else backbone.replace("/", "-")


def _parser() -> Parser:
    parser = Parser("train", "Train ViP's prompts on a data set, by the paper's protocol. Research use only.")
    positive = at_least(1)
    parser.add_argument("--data", required=True, choices=list(DATASETS), help="the layout of the data set")
    parser.add_argument("--root", required=True, help="the folder of the data set (csv: the file, or its folder)")
    parser.add_argument("--symptoms", help="JSON file of classes and symptoms; pneumonia and melanoma bring theirs")
    parser.add_argument("--backbone", help=f"{EMBEDDED}, an open_clip name, hf-hub:org/name or local-dir:PATH")
    parser.add_argument(
        "--pretrained",
        help="open_clip's tag of the weights, a file (of OpenAI's: --backbone NAME-quickgelu), or random",
    )
    parser.add_argument("--out", type=Path, help="the folder to write; default runs/DATA-BACKBONE-seedN")
    parser.add_argument("--resume", action="store_true", help="go on with the run that --out holds")
    parser.add_argument("--no-test", dest="test", action="store_false", help="do not look at the test split")
    parser.add_argument(
        "--foreign", type=Path, nargs="+", metavar="DIR", help="images unlike these, to count what the guard flags"
    )
    parser.add_argument(
        "--seed", type=at_least(0), help="of the prompts' start and the batches, and of the views of --views 0"
    )
    parser.add_argument("--epochs", type=positive, help="passes over the training images")
    parser.add_argument(
        "--batch-size", type=positive, help="images a step (default: the paper's for the backbone, else 32)"
    )
    parser.add_argument(
        "--rate", type=not_negative, help="peak learning rate (default: the paper's for the backbone, else 0.002)"
    )
    parser.add_argument("--warmup-rate", type=not_negative, help="learning rate of the first epoch")
    parser.add_argument("--momentum", type=not_negative, help="of SGD")
    parser.add_argument("--weight-decay", type=not_negative, help="on all prompt parameters")
    parser.add_argument("--context-length", type=positive, help="context vectors before a symptom")
    parser.add_argument("--class-context", action="store_true", help="one context a class instead of one for all")
    parser.add_argument("--views", type=at_least(0), help="random views an image, encoded once; 0: anew every epoch")
    parser.add_argument(
        "--crop",
        type=share,
        help="smallest share of an image in a random view (default: 0.6 on vip-mini, else the paper's 0.08)",
    )
    parser.add_argument(
        "--positive", metavar="CLASS", help="of two classes the one to find: the card's threshold finds --sensitivity"
    )
    parser.add_argument("--sensitivity", type=share, help="share of its validation images that the threshold finds")
    parser.add_argument("--shots", type=positive, help="train on so many images a class")
    by_backbone = {name for values in BACKBONE_DEFAULTS.values() for name in values}
    defaults = {field.name: field.default for field in fields(TrainConfig) if field.name not in by_backbone}
    for action in parser._actions:  # the parser itself has none, so that the table by backbone can step in
        if action.help and defaults.get(action.dest) not in (MISSING, None, False):
            action.help += f" (default: {defaults[action.dest]})"
    return parser


if __name__ == "__main__":
    run(main)

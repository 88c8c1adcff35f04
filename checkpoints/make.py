"""Train the shipped checkpoints on vip-mini, each with its near misses.

    python checkpoints/make.py --root DATA [--out runs] [--tasks pneumonia chest_adult …] [--no-test]

DATA has the folders of `vip_core.pretraining.sets`. What was trained is not trained again; a stopped run continues.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated

from typer import Option

from vip_core.cli import run
from vip_core.data.dataset import Row, evenly_spaced
from vip_core.data.options import DataOptions
from vip_core.data.sources import load_dataset
from vip_core.data.sources.isic2017 import isic2017_table
from vip_core.errors import UsageError
from vip_core.evaluation.referral import measure_referral
from vip_core.pretraining.sets import SETS, labelled_images
from vip_core.scoring.predictor import Predictor
from vip_core.train import main as train
from vip_core.utils.options import command
from vip_core.utils.paths import PROJECT

MOST = {"train": 400, "val": 0, "test": 10_000}  # near misses of a kind, evenly spaced in its list
KINDS = {
    "pneumonia": "a child's chest X-ray",
    "chest_adult": "an adult's chest X-ray",
    "isic2017": "a dermoscopy image",
    "knee": "a knee X-ray",
    "blood_cells": "an image of a blood cell",
    "breast_ultrasound": "a breast ultrasound image",
    "brain_mri": "a brain MRI slice",
}
MISHANDLED = ("inverted", "half-black", "screenshot")
TURNED = ("upside-down", "sideways")
# Chosen on validation images (docs/figures.md): the extension with more weight decay, and the paper's prompts with the
# extension's inputs and an anchor, without which they reverse texts.
ADAPTER = ("--method", "vip-adapter", "--weight-decay", "10", "--select", "loss")
VARIED = ("--swap", "0.5", "--unrelated", "0.25", "--wordings")
ANCHORED = ("--method", "vip", *VARIED, "--anchor", "0.3", "--select", "loss")
FEW_STEPS = (*ANCHORED, "--rate", "0.01")  # 15 steps per epoch or fewer


@dataclass(frozen=True)
class Task:
    """A shipped checkpoint.

    Attributes:
        folder: of its images in DATA.
        data: the layout of the folder.
        options: how its labels are read.
        positive: the class to detect.
        arguments: further ones of `vip_core.train`.
        method: those that state how to train.
        altered: alterations after which an image is foreign to the task.
    """

    folder: str
    data: str = "csv"
    options: DataOptions = field(default_factory=DataOptions)
    positive: str | None = None
    arguments: tuple[str, ...] = ()
    method: tuple[str, ...] = ADAPTER
    altered: tuple[str, ...] = (*MISHANDLED, *TURNED)


TASKS = {
    "pneumonia": Task("pneumonia", "pneumonia", positive="pneumonia", method=ANCHORED),
    "chest_adult": Task(
        "chest_adult",
        options=DataOptions(leave_out=["other finding"], data_name="ChestX-ray14, a part of the adults' films"),
        positive="airspace opacity",
        method=FEW_STEPS,
    ),
    "melanoma": Task("isic2017", "isic2017", positive="melanoma", altered=(*MISHANDLED, "from-afar")),
    "knee_osteoarthritis": Task(
        "knee",
        options=DataOptions(
            merge=["no osteoarthritis=KL 0,KL 1", "knee osteoarthritis=KL 2,KL 3,KL 4"],
            data_name="knee X-rays of the Osteoarthritis Initiative (Chen 2018), a part",
        ),
        positive="knee osteoarthritis",
        arguments=("--equalised",),
    ),
    "blood_cells": Task(
        "blood_cells",
        options=DataOptions(patient_pattern="", data_name="blood cells of Acevedo 2020, a part"),
        altered=MISHANDLED,
    ),
    "breast_ultrasound": Task(
        "breast_ultrasound", options=DataOptions(patient_column="group", data_name="BUSI"), method=FEW_STEPS
    ),
    "brain_tumor": Task(
        "brain_mri",
        options=DataOptions(patient_pattern="", data_name="brain tumors of figshare 1512427 and others"),
        method=ANCHORED,
    ),
}


def make(
    root: Annotated[Path, Option(help="the folder of the sets")],
    out: Annotated[Path, Option(help="the folder that gets a folder per checkpoint")] = Path("runs"),
    tasks: Annotated[list[str], Option(metavar="TASK...", help=", ".join(TASKS), show_default="all")] = list(TASKS),  # noqa: B006
    no_test: Annotated[bool, Option("--no-test", help="do not evaluate the test splits")] = False,
) -> int:
    """Train the shipped checkpoints on vip-mini."""
    if unknown := sorted(set(tasks) - set(TASKS)):
        raise UsageError(f"There is no task {unknown[0]!r}; choose from {', '.join(TASKS)}.")
    for name in tasks:
        task, folder = TASKS[name], out / name
        table = write_near_misses(root, task.folder, out / "near-misses" / f"{name}.csv")
        train(
            [
                *("--data", task.data, *words(task.options), *task.arguments),
                *(["--positive", task.positive] if task.positive else []),
                *("--root", str(root / task.folder), "--out", str(folder), "--hold-out-reference"),
                *("--symptoms", str(PROJECT / "assets" / "symptoms" / f"{name}.json")),
                *("--near-misses", str(table), "--altered", *task.altered),
                *task.method,
                *(["--no-test"] if no_test else []),
                *(["--resume"] if folder.is_dir() else []),
            ]
        )
        add_referral(root, name, folder)
    return 0


def add_referral(root: Path, name: str, folder: Path) -> None:
    """Add to the card what `vip evaluate --uncertainty` finds on validation images: whom to refer to a person."""
    predictor = Predictor.from_pretrained(folder)
    vip, card = predictor.vip, predictor.vip.card
    assert card is not None
    if "referral" not in card.figures["val"]:
        found = measure_referral(predictor, rows_of(name, root, "val", vip.symptoms.classes))
        val = {**card.figures["val"], "referral": found.to_dict()}
        vip.card = card.model_copy(update={"figures": {**card.figures, "val": val}})
        vip.save_pretrained(folder)


def words(options: DataOptions) -> list[str]:
    """The options that are set, as on a command line."""
    found: list[str] = []
    for each in fields(options):
        value = getattr(options, each.name)
        if value != getattr(DataOptions(), each.name):
            found += [f"--{each.name.replace('_', '-')}", *(value if isinstance(value, list) else [value])]
    return found


def rows_of(name: str, root: Path, split: str, classes: Sequence[str]) -> list[Row]:
    """The images of a task's split."""
    task = TASKS[name]
    return load_dataset(task.data, root / task.folder, classes, task.options).split(split)


def write_near_misses(root: Path, folder: str, path: Path) -> Path:
    """A table of the images of all other sets, and of lesions with other diagnoses for the task of lesions."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "kind", "split"])
        writer.writerows(_near_misses(root, folder))
    return path


def _near_misses(root: Path, folder: str) -> Iterator[tuple[str, str, str]]:
    for split, most in MOST.items():
        kinds = {
            KINDS[each.name]: [image.path for image in labelled_images(root, split, [each])]
            for each in SETS
            if each.name != folder and most
        }
        if folder == "isic2017" and most:
            others = [image for image in isic2017_table(root / folder) if image.split == split]
            for kind, diagnosis in (("a seborrhoeic keratosis", "seborrheic_keratosis"), ("another lesion", "")):
                kinds[kind] = [image.path for image in others if image.details["diagnosis"] == diagnosis]
        for kind, paths in kinds.items():
            yield from ((str(path.resolve()), kind, split) for path in evenly_spaced(paths, most))


if __name__ == "__main__":
    run(command(make, "checkpoints/make.py"), keep_memory=True)

"""python -m vip_core.evaluate: measure a checkpoint on a split of a data set."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from torch.nn import functional as F

from vip_core.backbone import Backbone
from vip_core.carrying import carrying
from vip_core.checkpoint import load_checkpoint
from vip_core.cli import Parser, at_least, run
from vip_core.datasets import DATASETS, Row, load_dataset
from vip_core.device import best_device
from vip_core.features import image_features
from vip_core.metrics import at_threshold, expected_calibration_error, figures, share_interval
from vip_core.model import ViP
from vip_core.symptoms import SymptomSet
from vip_core.training import Split, predict


def main(argv: list[str]) -> int:
    """Parse the arguments, measure, print. Returns 0."""
    parser = Parser("evaluate", "Measure a checkpoint on a split of a data set. Research use only.")
    parser.add_argument("--checkpoint", required=True, help="a name in checkpoints/, a folder, or a Hugging Face id")
    parser.add_argument("--backbone", help="its backbone, where that lies elsewhere than the card says: local-dir:PATH")
    parser.add_argument("--data", required=True, choices=list(DATASETS), help="the layout of the data set")
    parser.add_argument("--root", required=True, type=Path, help="the folder of the data set")
    parser.add_argument("--split", required=True, choices=["train", "val", "test"], help="the images to measure on")
    parser.add_argument("--symptoms", type=Path, help="score with these symptoms instead of the checkpoint's own")
    parser.add_argument("--seed", type=at_least(0), default=1, help="of the bootstrap (default: 1)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args(argv)
    backbone = Backbone.load(arguments.backbone) if arguments.backbone else None
    vip = load_checkpoint(arguments.checkpoint, backbone).to(best_device())
    if arguments.symptoms:
        vip.symptoms = SymptomSet.load(arguments.symptoms).ordered(vip.symptoms.classes)
    data = load_dataset(arguments.data, arguments.root, vip.symptoms.classes)
    rows = data.split(arguments.split)
    threshold = None if vip.card is None else vip.card.threshold
    result = measure(vip, plain_split(vip.backbone, rows, "Images"), rows, arguments.seed, threshold)
    if arguments.json:
        print(json.dumps(result))
    else:
        print_figures(Console(), f"{arguments.checkpoint} on {data.name}, {arguments.split}", result)
        print("Research use, not a medical device.")
    return 0


def plain_split(backbone: Backbone, rows: Sequence[Row], what: str) -> Split:
    """Features of the plain view and labels of the rows. Raises DataError."""
    features = image_features(backbone, [row.path for row in rows], what=what)[:, 0]
    return Split(features, torch.tensor([row.label for row in rows]))


def measure(vip: ViP, split: Split, rows: Sequence[Row], seed: int, threshold: float | None = None) -> dict[str, Any]:
    """Figures of a model on a split as JSON, and whether its symptoms carry them.

    Args:
        vip: a trained model.
        split: features and labels.
        rows: of the split; where they have a subtype, the accuracy of each stands in the result.
        seed: of the bootstrap.
        threshold: of the second of two classes, chosen on validation images, to measure at beside one half.
    """
    logits = predict(vip, split.features)
    probabilities = (logits / vip.temperature).softmax(-1)
    result = figures(probabilities, split.labels, vip.symptoms.classes, seed).to_dict()
    if threshold is not None:
        moved = figures(at_threshold(probabilities, threshold), split.labels, vip.symptoms.classes, seed).to_dict()
        shown = ("accuracy", "balanced_accuracy", "f1_macro", "recall", "confusion")
        intervals = {name: value for name, value in moved["intervals"].items() if name != "auroc"}
        result["at_threshold"] = {
            "threshold": threshold,
            **{name: moved[name] for name in shown},
            "intervals": intervals,
        }
    result["symptoms_carry"] = asdict(carrying(vip, split.features))
    untempered = F.softmax(logits, -1).double().numpy()
    result["ece_before_temperature"] = expected_calibration_error(untempered, split.labels.numpy())
    right = (logits.argmax(-1) == split.labels).tolist()
    subtypes: dict[str, list[bool]] = {}
    for row, correct in zip(rows, right, strict=True):
        if subtype := row.details.get("subtype"):
            subtypes.setdefault(subtype, []).append(correct)
    if subtypes:
        result["subtypes"] = {
            name: {
                "n": len(hits),
                "accuracy": sum(hits) / len(hits),
                "intervals": {"accuracy": share_interval(sum(hits), len(hits))},
            }
            for name, hits in sorted(subtypes.items())
        }
    if vip.reference is not None:
        result["flagged_out_of_domain"] = sum(not check.in_domain for check in vip.reference.check(split.features))
    return result


def print_figures(console: Console, title: str, result: dict[str, Any]) -> None:
    """A table for people: each figure with its 95 % interval, and the confusion matrix."""
    table = Table(title=escape(f"{title} (n = {result['n']})"), title_justify="left")
    table.add_column("Figure")
    table.add_column("Value", justify="right")
    table.add_column("95 % interval", justify="right")
    values = {name: result[name] for name in ("auroc", "accuracy", "balanced_accuracy", "f1_macro")}
    values |= {f"recall of {name}": value for name, value in result["recall"].items()}
    for name, value in values.items():
        if value is None:
            table.add_row(escape(name), "–", "needs two classes")
            continue
        table.add_row(escape(name.replace("_", " ")), f"{value:.3f}", _interval(result["intervals"][name]))
    table.add_row("expected calibration error", f"{result['ece']:.3f}", "")
    if moved := result.get("at_threshold"):
        for name in ("accuracy", *(f"recall of {name}" for name in moved["recall"])):
            value = moved["accuracy"] if name == "accuracy" else moved["recall"][name.removeprefix("recall of ")]
            table.add_row(
                escape(f"{name} at {moved['threshold']:.3f}"), f"{value:.3f}", _interval(moved["intervals"][name])
            )
    for name, subtype in result.get("subtypes", {}).items():
        value, interval = subtype["accuracy"], subtype["intervals"]["accuracy"]
        table.add_row(escape(f"accuracy on {name} (n = {subtype['n']})"), f"{value:.3f}", _interval(interval))
    console.print(table)
    confusion = Table(title="Images by true class (rows) and prediction (columns)", title_justify="left")
    confusion.add_column("")
    for name in result["classes"]:
        confusion.add_column(escape(name), justify="right")
    for name, counts in zip(result["classes"], result["confusion"], strict=True):
        confusion.add_row(escape(name), *map(str, counts))
    console.print(confusion)


def _interval(interval: tuple[float, float] | None) -> str:
    return "all resamples agree" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"


if __name__ == "__main__":
    run(main)

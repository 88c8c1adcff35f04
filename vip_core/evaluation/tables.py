"""An evaluation as tables for people."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from vip_core.evaluation.intervals import Estimate
from vip_core.evaluation.measure import Evaluation
from vip_core.evaluation.metrics import Metrics

TITLES = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "f1_macro": "F1, mean of the classes"}


def print_evaluation(console: Console, title: str, result: Evaluation, positive: str | None = None) -> None:
    """Each figure with its 95 % interval, and the confusion matrix.

    positive: the class whose threshold is named, the second by default.
    """
    metrics = result.metrics
    table = Table(title=escape(f"{title} (n = {metrics.n})"), title_justify="left")
    table.add_column("Figure")
    table.add_column("Value", justify="right")
    table.add_column("95 % interval", justify="right")
    _add(table, "AUROC", metrics.auroc)
    for name, found in metrics.auroc_by_class.items():
        _add(table, f"AUROC of {name}", found)
    for name, words in TITLES.items():
        _add(table, words, getattr(metrics, name))
    for name, found in metrics.recall.items():
        _add(table, f"recall of {name}", found)
    table.add_row("expected calibration error", f"{metrics.ece:.3f}", "")
    if moved := result.at_threshold:
        name = positive if positive in moved.thresholds else metrics.classes[1]
        at = f"predicting {name} from a probability of {moved.thresholds[name]:.3f}"
        _add(table, f"accuracy, {at}", moved.metrics.accuracy)
        for other, found in moved.metrics.recall.items():
            _add(table, f"recall of {other}, {at}", found)
    for name, found in result.subtypes.items():
        _add(table, f"accuracy on {name} (n = {found.n})", found)
    console.print(table)
    console.print(f"Intervals: {describe_units(metrics)}.", highlight=False)
    _print_confusion(console, metrics)


def describe_units(metrics: Metrics) -> str:
    """What the intervals take as independent, in words."""
    if metrics.unit == "image":
        return f"{metrics.n:,} images, each taken as independent"
    return f"{metrics.units:,} patients; the images of a patient are drawn together"


def _add(table: Table, name: str, found: Estimate | None) -> None:
    if found is None:
        table.add_row(escape(name), "–", "needs two classes")
    elif found.low is None or found.high is None:
        table.add_row(escape(name), f"{found.value:.3f}", "all resamples agree")
    else:
        table.add_row(escape(name), f"{found.value:.3f}", f"{found.low:.3f} to {found.high:.3f}")


def _print_confusion(console: Console, metrics: Metrics) -> None:
    table = Table(title="Images by true class (rows) and prediction (columns)", title_justify="left")
    table.add_column("")
    for name in metrics.classes:
        table.add_column(escape(name), justify="right")
    for name, counts in zip(metrics.classes, metrics.confusion, strict=True):
        table.add_row(escape(name), *map(str, counts))
    console.print(table)

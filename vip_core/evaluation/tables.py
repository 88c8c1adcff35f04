"""Metrics as tables for people."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table


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

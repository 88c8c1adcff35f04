"""Tables from predictions alone: a CSV with a row per method and seed, and a summary in Markdown with paired tests."""

import csv
import io
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from vip_core.baselines.registry import METHODS
from vip_core.evaluation.comparison import delong, holm, mcnemar
from vip_core.experiments.config import row_name
from vip_core.experiments.plan import Entry
from vip_core.experiments.runs import RunResult, mean_auroc
from vip_core.utils.files import atomic_together

COLUMNS = ("method", "seed", "accuracy", "f1_macro", "auroc", "n", "seconds", "parameters", "rate", "swap_follow_rate")


def row(name: str, result: RunResult) -> dict[str, Any]:
    """The figures of one run on test images, by column."""
    probabilities, labels = result.test
    predicted = probabilities.argmax(1)
    reliance = result.info.get("reliance") or {}
    return {
        "method": name,
        "seed": result.spec.seed,
        "accuracy": round(float(np.mean(predicted == labels)), 4),
        "f1_macro": round(float(f1_score(labels, predicted, average="macro")), 4),
        "auroc": round(mean_auroc(probabilities, labels), 4),
        "n": len(labels),
        "seconds": result.info["seconds"],
        "parameters": result.info["parameters"],
        "rate": "" if result.spec.rate is None else f"{result.spec.rate:g}",
        "swap_follow_rate": round(reliance["moved_with_the_lists"], 4) if reliance else "",
    }


def write_table(path: Path, entries: Sequence[Entry], title: str, notes: Sequence[str]) -> None:
    """Write `path`.csv and `path`.md. The first entry is the one that the others are tested against.

    Args:
        path: without a suffix.
        entries: rows, of which some may have no runs.
        title: of the summary.
        notes: sentences below it.

    Raises:
        StorageError: if a file cannot be written.
    """
    text = io.StringIO()
    writer: csv.DictWriter[str] = csv.DictWriter(text, list(COLUMNS), lineterminator="\n")
    writer.writeheader()
    for each in entries:
        writer.writerows(row(each.name, result) for result in each.runs)
    contents = {".csv": text.getvalue(), ".md": summary(entries, title, notes)}
    atomic_together(path.parent, {path.name + suffix: content.encode() for suffix, content in contents.items()})


def summary(entries: Sequence[Entry], title: str, notes: Sequence[str]) -> str:
    """Mean and standard deviation (n - 1) over seeds, and tests against the first entry, as Markdown."""
    tests = against_first(entries)
    lines = [
        f"# {title}",
        "",
        "| method | rate | parameters | AUROC, validation | AUROC | accuracy | macro F1 | AUROC minus ViP's (95 %) | "
        "p, DeLong | p, McNemar | predictions that follow swapped symptoms | seconds |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for each in entries:
        if not each.runs:
            lines.append(f"| {each.label} | not run: {each.note} |" + " |" * 10)
            continue
        rows = [row(each.name, result) for result in each.runs]
        difference, p_auroc, p_accuracy = tests.get(each.name, ("", "", ""))
        cells = [
            each.label,
            str(rows[0]["rate"]),
            f"{rows[0]['parameters']:,}",
            _spread([result.val_auroc for result in each.runs]),
            *(_spread([found[name] for found in rows]) for name in ("auroc", "accuracy", "f1_macro")),
            difference,
            p_auroc,
            p_accuracy,
            _spread([found["swap_follow_rate"] for found in rows]) if rows[0]["swap_follow_rate"] != "" else "",
            f"{np.mean([found['seconds'] for found in rows]):.0f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    below = [*notes, *_method_notes(entries), *_below_start(entries), "", *_tried_lines(entries)]
    return "\n".join([*lines, "", *below]) + "\n"


def _method_notes(entries: Sequence[Entry]) -> list[str]:
    """In what the methods that ran differ from their publication, or their training from that of the others."""
    methods = [METHODS[each.name] for each in entries if each.runs and each.name in METHODS]
    shortened = [
        f"{method.label}: {method.epoch_share:.0%} of the epochs." for method in methods if method.epoch_share < 1
    ]
    return [*dict.fromkeys(method.note for method in methods if method.note), *shortened]


def _below_start(entries: Sequence[Entry]) -> list[str]:
    """A sentence that names the trained methods which are below the zero-shot classifier that they start from."""
    validated = {each.name: np.mean([result.val_auroc for result in each.runs]) for each in entries if each.runs}
    below = []
    for each in entries:
        if not each.runs or (start := METHODS[each.runs[0].spec.method].start) is None:
            continue
        start_row = row_name(start, each.runs[0].spec.knowledge)
        if start_row in validated and validated[each.name] < validated[start_row]:
            below.append(each.label)
    if not below:
        return []
    return [f"Below the zero-shot row that it starts from, in AUROC on validation images: {', '.join(below)}."]


def against_first(entries: Sequence[Entry]) -> dict[str, tuple[str, str, str]]:
    """Difference of AUROC, and p-values of DeLong's and McNemar's test with Holm's correction over the table.

    The probabilities of a method are the mean over its seeds, for ViP and the others alike. Of two classes, the
    difference has DeLong's 95 % interval, which has no correction.
    """
    first, *others = [each for each in entries if each.runs]
    ours, labels = averaged(first)
    names, differences, areas, decisions = [], [], [], []
    for each in others:
        theirs, same = averaged(each)
        if not np.array_equal(labels, same):
            raise ValueError("the runs of a table have different test images")
        names.append(each.name)
        if ours.shape[1] == 2:
            difference, error, p = delong(theirs[:, 1], ours[:, 1], labels == 1)
            low, high = (_difference(difference + side * 1.96 * error) for side in (-1, 1))
            interval = f" ({low} to {high})"
        else:
            difference, interval, p = mean_auroc(theirs, labels) - mean_auroc(ours, labels), "", None
        differences.append(_difference(difference) + interval)
        areas.append(p)
        decisions.append(mcnemar(theirs.argmax(1) == labels, ours.argmax(1) == labels))
    corrected = holm([*areas, *decisions])
    return {
        name: (difference, _p(corrected[i]), _p(corrected[len(names) + i]))
        for i, (name, difference) in enumerate(zip(names, differences, strict=True))
    }


def averaged(each: Entry) -> tuple[NDArray, NDArray]:
    """Probabilities (n, C) on test images, the mean over seeds, and labels (n,)."""
    return np.mean([result.test[0] for result in each.runs], axis=0), each.runs[0].test[1]


def _difference(value: float) -> str:
    return f"{value:+.3f}" if round(value, 3) else "0.000"  # a sign would say which is better


def _p(value: float | None) -> str:
    return "" if value is None else ("< .001" if value < 0.001 else f"{value:.3f}".lstrip("0"))


def _spread(values: Sequence[float]) -> str:
    mean = f"{statistics.mean(values):.3f}"
    return mean if len(values) < 2 else f"{mean} ± {statistics.stdev(values):.3f}"


def _tried_lines(entries: Sequence[Entry]) -> list[str]:
    """The learning rates that were tried with the first seed: AUROC on validation and on test images."""
    lines = ["AUROC by learning rate, first seed, validation / test (validation chooses):", ""]
    for each in entries:
        if each.tried:
            values = [
                f"{result.spec.rate:g}: {result.val_auroc:.3f} / {mean_auroc(*result.test):.3f}"
                for result in sorted(each.tried, key=lambda result: result.spec.rate or 0)
            ]
            lines.append(f"- {each.label}: {'; '.join(values)}")
    return lines if len(lines) > 2 else []

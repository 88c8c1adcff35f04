"""Write the tables of README.md and of docs/ from the metrics stored in checkpoints/ and results/.

`python docs/figures.py` writes them; with `--check` it only compares, and exits with status 1 if one is out of date.
"""

import csv
import json
import re
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vip_core.baselines.registry import METHODS
from vip_core.experiments.knowledge import LABELS
from vip_core.experiments.plan import Request

ROOT = Path(__file__).resolve().parent.parent
CHECKPOINTS = ROOT / "checkpoints"
RESULTS = ROOT / "results"
ROWS = {row.name: row.label for row in (Request(method, knowledge=kind) for method in METHODS for kind in LABELS)}
DOCUMENTS = [
    ROOT / name
    for name in ("README.md", "docs/vip-mini.md", "docs/ablations.md", "docs/figures.md", "docs/experiments.md")
]
TASKS = {  # the included checkpoints, as README's table names them
    "pneumonia": "pneumonia vs normal lung, children (official test split of Kermany et al.)",
    "chest_adult": "airspace opacity vs no finding, adults (own split of ChestX-ray14 images)",
    "melanoma": "melanoma vs nevus, dermoscopy (own split of ISIC 2017)",
    "knee_osteoarthritis": "knee osteoarthritis, Kellgren-Lawrence 2 to 4 vs 0 to 1",
    "blood_cells": "kind of blood cell, 8 classes",
    "breast_ultrasound": "breast ultrasound: benign, malignant, normal",
    "brain_tumor": "kind of brain tumor on MRI, 3 classes",
}
Figures = dict[str, Any]


def load(name: str) -> Figures:
    """A JSON file of checkpoints/."""
    return json.loads((CHECKPOINTS / name).read_text(encoding="utf-8"))


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(line)} |" for line in (head, *rows)]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]])


def measured(value: Figures | None) -> str:
    """A value with its interval, empty for None."""
    return written(value["value"], (value["low"], value["high"])) if value else ""


def written(value: float, interval: tuple[float, float]) -> str:
    """A value with its interval, from their parts."""
    return f"{value:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"


def rankings(figures: Figures) -> str:
    """AUROC of held-out phrasings, one row per comparison."""
    head = ("comparison", "n", "affirmative phrasings", "negated phrasings", "inverted (AUROC < .5)", "lay phrasings")
    return table(
        head,
        [
            (
                name,
                f"{row['positives']} / {row['negatives']}",
                measured(row["present"]),
                measured(row["absent"]),
                str(len(row["wrong_way"])),
                measured(row["loose"]),
            )
            for name, row in figures.items()
        ],
    )


def words(figures: Figures) -> str:
    """AUROC of single words."""
    head = ("word", "AUROC of pneumonia vs normal, in the expected direction")
    return table(head, [(word, measured(value)) for word, value in figures["words"].items()])


def agreement(figures: Figures) -> str:
    """Cosine similarity between phrasings of one finding, and between affirmative and negated ones."""
    head = ("finding", "affirmative phrasings", "negated phrasings", "affirmative with negated")
    same = figures["paraphrases"]
    rows = [
        (name.replace("_", " "), f"{same[f'{name} present']:.2f}", f"{same[f'{name} absent']:.2f}", f"{value:.2f}")
        for name, value in figures["negation"].items()
    ]
    return table(head, rows)


def placement(figures: Figures) -> str:
    """How much of the positive evidence for a finding is where the finding can be."""
    head = ("comparison", "n", "inside the region, median (quartiles)", "evenly spread")
    rows = [
        (name, str(row["n"]), f"{row['median']:.2f} ({row['low']:.2f} to {row['high']:.2f})", f"{row['area']:.2f}")
        for name, row in figures["placement"].items()
    ]
    return table(head, rows)


def tests() -> str:
    """The included checkpoints on the test splits, at a threshold of one half."""
    head = (
        "task",
        "n",
        "AUROC",
        "accuracy",
        "sensitivity",
        "specificity",
        "calibration error (before temperature scaling)",
    )
    rows = []
    for checkpoint, task in TASKS.items():
        card = load(f"{checkpoint}/card.json")
        figures = card["figures"]["test"]
        auroc = written(figures["auroc"], figures["intervals"]["auroc"])
        calibration = f"{figures['ece']:.3f} ({figures['ece_before_temperature']:.3f})"
        rows.append((task, str(figures["n"]), auroc, *decisions(card, figures), calibration))
    return table(head, rows)


def decisions(card: Figures, figures: Figures) -> tuple[str, str, str]:
    """Accuracy and, of a task with a finding, sensitivity and specificity."""
    accuracy = written(figures["accuracy"], figures["intervals"]["accuracy"])
    if len(card["classes"]) > 2:
        return accuracy, "", ""
    positive = card["training"]["positive"]
    negative = next(name for name in card["classes"] if name != positive)
    sensitivity, specificity = (
        written(figures["recall"][name], figures["intervals"][f"recall of {name}"]) for name in (positive, negative)
    )
    return accuracy, sensitivity, specificity


def screening() -> str:
    """The checkpoints with a finding on the test splits, at the threshold that was chosen on validation images."""
    rows = []
    for checkpoint in TASKS:
        card = load(f"{checkpoint}/card.json")
        if len(card["classes"]) == 2:
            positive = card["training"]["positive"]
            threshold = card["threshold"] if card["classes"][1] == positive else 1 - card["threshold"]
            at = decisions(card, card["figures"]["test"]["at_threshold"])
            rows.append((checkpoint, f"{threshold:.2f}", *at))
    return table(("checkpoint", "threshold", "accuracy", "sensitivity", "specificity"), rows)


def details() -> str:
    """What README's table leaves out: validation, Brier score, slope and intercept, symptom reliance."""
    head = (
        "checkpoint",
        "split",
        "n",
        "AUROC",
        "AUROC of a probe",
        "accuracy",
        "Brier score",
        "slope",
        "intercept",
        "flip when the lists are swapped",
        "unrelated text, furthest from even odds",
        "share of the class tokens",
    )
    rows = []
    for checkpoint in TASKS:
        card = load(f"{checkpoint}/card.json")
        even = 1 / len(card["classes"])
        for split in ("val", "test"):
            figures = card["figures"][split]
            calibration, reliance = figures["calibration"], figures["symptoms_carry"]
            furthest = max(abs(value - even) for value in reliance["probability_of_unrelated_text"].values())
            rows.append(
                (
                    checkpoint,
                    split,
                    str(figures["n"]),
                    written(figures["auroc"], figures["intervals"]["auroc"]),
                    f"{card['learning']['probe'][split]:.3f}",
                    written(figures["accuracy"], figures["intervals"]["accuracy"]),
                    *(estimated(calibration[name]) for name in ("brier", "slope", "intercept")),
                    f"{reliance['moved_with_the_lists']:.3f}",
                    f"{furthest:.3f}",
                    f"{reliance['share_of_class_tokens']:.3f}",
                )
            )
    return table(head, rows)


def estimated(value: Figures | None) -> str:
    """An estimate of a card, empty where there is none."""
    return written(value["value"], value["interval"]) if value else ""


def domain() -> str:
    """How many images of each kind the checkpoints flag as out of distribution."""
    cards = {checkpoint: load(f"{checkpoint}/card.json") for checkpoint in TASKS}
    rows: dict[str, list[str]] = {"its own validation images": [], "its own test images": []}
    kinds = dict.fromkeys(kind for card in cards.values() for kind in card["guard"])
    for card in cards.values():
        for name, split in zip(rows, ("val", "test"), strict=False):
            figures = card["figures"][split]
            rows[name].append(f"{figures['flagged_out_of_domain']:,} of {figures['n']:,}")
    for kind in kinds:
        found = [card["guard"].get(kind) for card in cards.values()]
        rows[kind] = [f"{each['flagged']:,} of {each['n']:,}" if each else "" for each in found]
    return table(("images", *TASKS), [(name, *cells) for name, cells in rows.items()])


def experiment(backbone: str, name: str) -> str:
    """A table of results/BACKBONE by method: learning rate, AUROC and accuracy on test images of both data sets."""
    found = {data: runs_by_method(RESULTS / backbone / data / f"{name}.csv") for data in ("isic2017", "pneumonia")}
    rows = [
        (ROWS[method], *(cell for runs in found.values() for cell in summarised(runs.get(method, []))))
        for method in dict.fromkeys(method for runs in found.values() for method in runs)
    ]
    head = [f"{column}, {data}" for data in found for column in ("rate", "AUROC", "accuracy")]
    return table(("method", *head), rows)


def few_shots(backbone: str) -> str:
    """Tables of results/BACKBONE by method and data set: AUROC on test images by the images per class to train on."""
    columns = ("1", "2", "4", "8", "16", "all")
    rows = []
    for data in ("isic2017", "pneumonia"):
        found = [runs_by_method(RESULTS / backbone / data / f"shots-{column}.csv") for column in columns]
        for method in found[0]:
            rows.append((data, ROWS[method], *(summarised(runs.get(method, []))[1] for runs in found)))
    return table(("data", "method", *columns), rows)


def runs_by_method(path: Path) -> dict[str, list[dict[str, str]]]:
    """The rows of a table of results by method, in its order; none where it has not been made."""
    if not path.is_file():
        return {}
    found: dict[str, list[dict[str, str]]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["method"], []).append(row)
    return found


def summarised(runs: list[dict[str, str]]) -> tuple[str, str, str]:
    """Learning rate, AUROC and accuracy of a method's runs: mean and standard deviation over seeds."""
    if not runs:
        return "", "", ""
    columns = [[float(run[name]) for run in runs] for name in ("auroc", "accuracy")]
    spread = [f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}" for values in columns]
    if runs[0]["rate"] == "" and all(len(set(values)) == 1 for values in columns):  # nothing random
        spread = [f"{values[0]:.3f}" for values in columns]
    return runs[0]["rate"], spread[0], spread[1]


TABLES: dict[str, Callable[[], str]] = {
    "checkpoints": tests,
    "details": details,
    "screening": screening,
    "domain": domain,
    "validation": lambda: rankings(load("vip-mini/figures.json")["rankings"]),
    "words": lambda: words(load("vip-mini/figures.json")),
    "agreement": lambda: agreement(load("vip-mini/figures.json")),
    "placement": lambda: placement(load("vip-mini/figures.json")),
    "test": lambda: rankings(load("vip-mini/figures-test.json")["rankings"]),
    **{
        f"{backbone.partition('-')[0]}_{name}": lambda backbone=backbone, name=name: experiment(backbone, name)
        for backbone in ("devise-mini", "vip-mini")
        for name in ("table1", "table2", "figure5")
    },
    "devise_shots": lambda: few_shots("devise-mini"),
    "vip_shots": lambda: few_shots("vip-mini"),
    "folds": lambda: rankings(load("vip-mini/folds.json")),
}
PLACE = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- /\2 -->)", re.DOTALL)


def filled(text: str) -> str:
    """A document with its tables, each between `<!-- NAME -->` and `<!-- /NAME -->`, rewritten."""
    return PLACE.sub(lambda place: f"{place[1]}{TABLES[place[2]]()}\n{place[3]}", text)


def main(check: bool) -> int:
    """Fill the documents. Returns 1 if `check` found a table that is out of date."""
    stale = False
    for path in DOCUMENTS:
        before = path.read_text(encoding="utf-8")
        after = filled(before)
        if before == after:
            continue
        stale = True
        if check:
            print(f"{path.name}: a table is out of date; run python docs/figures.py")
        else:
            path.write_text(after, encoding="utf-8")
    return int(check and stale)


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))

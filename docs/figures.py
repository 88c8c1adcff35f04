"""Writes the tables of README.md and docs/vip-mini.md from the figures that the commands left in checkpoints/.

`python docs/figures.py` writes them, `python docs/figures.py --check` says whether they are as they should be.
"""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CHECKPOINTS = ROOT / "checkpoints"
DOCUMENTS = ROOT / "README.md", ROOT / "docs" / "vip-mini.md"
Figures = dict[str, Any]


def load(name: str) -> Figures:
    """A JSON file of checkpoints/."""
    return json.loads((CHECKPOINTS / name).read_text(encoding="utf-8"))


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(line)} |" for line in (head, *rows)]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]])


def said(value: Figures | None) -> str:
    """A figure with its interval."""
    return written(value["value"], (value["low"], value["high"])) if value else ""


def written(value: float, interval: tuple[float, float]) -> str:
    """The same of its parts."""
    return f"{value:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"


def rankings(figures: Figures) -> str:
    """How well held-out wordings tell images apart."""
    head = ("told apart", "n", "said to be present", "said to be absent", "wrong way", "loose wordings")
    return table(
        head,
        [
            (
                name,
                f"{row['positives']} / {row['negatives']}",
                said(row["present"]),
                said(row["absent"]),
                str(len(row["wrong_way"])),
                said(row["loose"]),
            )
            for name, row in figures.items()
        ],
    )


def words(figures: Figures) -> str:
    """Single words."""
    head = ("word", "AUROC of pneumonia vs normal, in the right direction")
    return table(head, [(word, said(value)) for word, value in figures["words"].items()])


def agreement(figures: Figures) -> str:
    """Wordings of one finding with each other, and with its denial."""
    head = ("finding", "wordings of its presence", "of its absence", "presence with absence")
    same = figures["paraphrases"]
    rows = [
        (name.replace("_", " "), f"{same[f'{name} present']:.2f}", f"{same[f'{name} absent']:.2f}", f"{value:.2f}")
        for name, value in figures["negation"].items()
    ]
    return table(head, rows)


def tests() -> str:
    """The shipped checkpoints on the test splits, at one half and at the threshold chosen on validation."""
    head = (
        "task",
        "n",
        "AUROC",
        "accuracy",
        "sensitivity",
        "specificity",
        "calibration error (before the temperature)",
    )
    rows = []
    for checkpoint, task in (
        ("pneumonia", "pneumonia vs normal lung, official Kermany test"),
        ("melanoma", "melanoma vs nevus, a split of our own of ISIC 2017"),
    ):
        card = load(f"{checkpoint}/card.json")
        figures, sick = card["figures"]["test"], card["training"]["positive"]
        well = next(name for name in card["classes"] if name != sick)
        threshold = card["threshold"] if card["classes"][1] == sick else 1 - card["threshold"]
        calibration = f"{figures['ece']:.3f} ({figures['ece_before_temperature']:.3f})"

        def cells(at: Figures, sick: str = sick, well: str = well) -> tuple[str, ...]:
            values = [("accuracy", at["accuracy"])]
            values += [(f"recall of {name}", at["recall"][name]) for name in (sick, well)]
            return tuple(written(value, at["intervals"][name]) for name, value in values)

        auroc = written(figures["auroc"], figures["intervals"]["auroc"])
        rows.append((task, str(figures["n"]), auroc, *cells(figures), calibration))
        at = f"the same at {threshold:.2f} for {sick}, chosen on validation"
        rows.append((at, str(figures["n"]), "", *cells(figures["at_threshold"]), ""))
    return table(head, rows)


TABLES: dict[str, Callable[[], str]] = {
    "checkpoints": tests,
    "validation": lambda: rankings(load("vip-mini/figures.json")["rankings"]),
    "words": lambda: words(load("vip-mini/figures.json")),
    "agreement": lambda: agreement(load("vip-mini/figures.json")),
    "test": lambda: rankings(load("vip-mini/figures-test.json")["rankings"]),
    "folds": lambda: rankings(load("vip-mini/folds.json")),
}
PLACE = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- /\2 -->)", re.DOTALL)


def filled(text: str) -> str:
    """A document with its tables, each between `<!-- NAME -->` and `<!-- /NAME -->`, made anew."""
    return PLACE.sub(lambda place: f"{place[1]}{TABLES[place[2]]()}\n{place[3]}", text)


def main(check: bool) -> int:
    """Fill the documents. Returns 1 if `check` found a table that is not that of checkpoints/."""
    stale = False
    for path in DOCUMENTS:
        before = path.read_text(encoding="utf-8")
        after = filled(before)
        if before == after:
            continue
        stale = True
        if check:
            print(f"{path.name}: a table is not that of checkpoints/; run python docs/figures.py")
        else:
            path.write_text(after, encoding="utf-8")
    return int(check and stale)


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))

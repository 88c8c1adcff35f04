"""Write the tables of README.md and docs/vip-mini.md from the metrics stored in checkpoints/.

`python docs/figures.py` writes them; with `--check` it only compares, and exits with status 1 if one is out of date.
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


def tests() -> str:
    """The included checkpoints on the test splits, at a threshold of one half and at the one chosen on validation."""
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
    for checkpoint, task in (
        ("pneumonia", "pneumonia vs normal lung (official test split of Kermany et al.)"),
        ("melanoma", "melanoma vs nevus (own split of ISIC 2017)"),
    ):
        card = load(f"{checkpoint}/card.json")
        figures, positive = card["figures"]["test"], card["training"]["positive"]
        negative = next(name for name in card["classes"] if name != positive)
        threshold = card["threshold"] if card["classes"][1] == positive else 1 - card["threshold"]
        calibration = f"{figures['ece']:.3f} ({figures['ece_before_temperature']:.3f})"

        def cells(at: Figures, positive: str = positive, negative: str = negative) -> tuple[str, ...]:
            values = [("accuracy", at["accuracy"])]
            values += [(f"recall of {name}", at["recall"][name]) for name in (positive, negative)]
            return tuple(written(value, at["intervals"][name]) for name, value in values)

        auroc = written(figures["auroc"], figures["intervals"]["auroc"])
        rows.append((task, str(figures["n"]), auroc, *cells(figures), calibration))
        at = f"{positive} at threshold {threshold:.2f}, chosen on validation images"
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

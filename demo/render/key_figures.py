"""The key figures of a card, each with an explanation."""

from collections.abc import Mapping
from html import escape
from typing import Any

from vip_core.models.card import Card

from ..state.numbers import number

SPLITS = {"test": "Test", "val": "Validation"}
FigureRow = tuple[str, tuple[str, ...], str]  # name, path of keys in a split's figures, how to read it


def key_figures(label: str, card: Card) -> str:
    """A table of a task's main figures on test and validation images; empty where the card has none of them."""
    splits = [split for split in SPLITS if isinstance(card.figures.get(split), Mapping)]
    rows = []
    for name, path, meaning in _rows(card):
        cells = [_cell(card.figures[split], path) for split in splits]
        if any(cells):
            values = "".join(f"<td>{cell or '–'}</td>" for cell in cells)
            rows.append(f'<tr><th scope="row">{escape(name)}</th>{values}<td>{escape(meaning)}</td></tr>')
    if not rows:
        return ""
    head = "".join(f'<th scope="col">{SPLITS[split]}<br>{_sample(card.figures[split])}</th>' for split in splits)
    return (
        f'<div class="vip-scroll" tabindex="0" role="region" aria-label="Main figures of {escape(label)}">'
        '<table class="vip-key-figures">'
        f'<thead><tr><th scope="col">Metric</th>{head}<th scope="col">How to read it</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _rows(card: Card) -> list[FigureRow]:
    rows: list[FigureRow] = [
        (
            "AUROC",
            ("auroc",),
            "The probability that an image of a class ranks above an image of another. 1 is perfect, .5 is chance.",
        ),
        ("Accuracy", ("accuracy",), "The share of correct predictions. It depends on the class mix."),
    ]
    if len(card.classes) == 2:
        found = str(card.training.get("positive") or card.classes[-1])
        found = found if found in card.classes else card.classes[-1]
        other = next(name for name in card.classes if name != found)
        rows += [
            (
                f"Sensitivity for {found}",
                ("recall", found),
                f"The share of images with {found} that the model detects.",
            ),
            (
                "Specificity",
                ("recall", other),
                f"The share of images without {found} that the model does not call {found}.",
            ),
        ]
        if (threshold := card.threshold_of(card.classes.index(found))) is not None:
            at = f"{threshold:.2f}".lstrip("0")
            rows += [
                (f"Sensitivity at {at}", ("at_threshold", "recall", found), "At the screening point."),
                (f"Specificity at {at}", ("at_threshold", "recall", other), "At the screening point."),
            ]
    return [
        *rows,
        (
            "Calibration error",
            ("ece",),
            "The mean difference between predicted probabilities and observed shares. 0 is ideal.",
        ),
        (
            "Brier score",
            ("calibration", "brier"),
            "The mean squared error of the probabilities. 0 is ideal.",
        ),
        (
            "Calibration slope",
            ("calibration", "slope"),
            "Below 1 the probabilities are too extreme, above 1 too cautious.",
        ),
        (
            "Predictions that follow swapped lists",
            ("symptoms_carry", "moved_with_the_lists"),
            "The share of predictions that follow when the classes swap their lists. "
            "At 1, the decision depends only on the symptoms.",
        ),
        (
            "Not referred to a person",
            ("referral", "coverage"),
            "The share of images whose class is the same under every crop and rewording.",
        ),
        ("Accuracy, not referred", ("referral", "accuracy_kept"), "Among the images that are not referred."),
        ("Accuracy, referred", ("referral", "accuracy_referred"), "Among the images that a person should read."),
    ]


def _sample(figures: Mapping[str, Any]) -> str:
    return f"n = {figures['n']}" if "n" in figures else ""


def _cell(figures: Any, path: tuple[str, ...]) -> str:  # noqa: ANN401
    """A value with its interval; empty where there is none."""
    value, intervals = figures, None
    for key in path:
        if not isinstance(value, Mapping):
            return ""
        intervals = value.get("intervals") or intervals
        value = value.get(key)
    if isinstance(value, Mapping):  # of a later version: {"value": …, "interval": …}
        return _text(value.get("value"), value.get("interval"))
    name = f"recall of {path[-1]}" if "recall" in path else path[-1]
    return _text(value, intervals.get(name) if isinstance(intervals, Mapping) else None)


def _text(value: Any, interval: Any) -> str:  # noqa: ANN401
    if not isinstance(value, float):
        return ""
    if isinstance(interval, list | tuple) and len(interval) == 2:
        return f"{number(value, 3)} <small>({number(interval[0], 3)} to {number(interval[1], 3)})</small>"
    return number(value, 3)

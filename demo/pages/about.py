"""The About page: what the models are, how good they are, how to read the page, and what happens to an image."""

import json
import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

import gradio as gr

from vip_core.evaluation.tables import learning_sentences
from vip_core.models.card import Card
from vip_core.models.model_card import CALIBRATION
from vip_core.utils.paths import PROJECT, checkpoint_folder

from .. import DISCLAIMER
from ..render.key_figures import key_figures
from ..state.numbers import number as digits
from ..state.tasks import Task

FIRST = ("What it is for", "Limits", "How to read the page")
SPLITS = {"test": "Test", "val": "Validation", "train": "Training"}
NAMES = {
    "accuracy": "Accuracy",
    "at_threshold": "At the screening point",
    "auroc": "AUROC",
    "balanced_accuracy": "Balanced accuracy",
    "calibration": "Calibration of the probabilities",
    "ece": "Calibration error",
    "ece_before_temperature": "Calibration error before temperature scaling",
    **CALIBRATION,
    "f1_macro": "F1, mean over the classes",
    "flagged_out_of_domain": "Flagged as out of distribution",
    "moved_with_the_lists": "Predictions that follow swapped lists",
    "n": "Images",
    "accuracy_kept": "Accuracy on images not referred",
    "accuracy_referred": "Accuracy on images referred to a person",
    "coverage": "Share not referred to a person",
    "recall": "Recall",
    "share_of_class_tokens": "Share of the decision that is due to the class tokens",
    "symptoms_carry": "Reliance on the symptoms",
}
BESIDE = {
    "classes",
    "confusion",
    "interval",
    "intervals",
    "n",
    "of",
    "resamples",
    "seed",
}  # shown with other figures, or of no interest
COUNTS = {"flagged_out_of_domain"}  # of the split's images


def about_page(tasks: Mapping[str, Task]) -> None:
    """Lay the page out; called within gr.Blocks."""
    text = (PROJECT / "assets" / "about.md").read_text(encoding="utf-8")
    cards = [model_card(task.label, task.predictor.vip.card) for task in tasks.values() if task.predictor.vip.card]
    backbones = sorted({task.predictor.vip.backbone.name for task in tasks.values()})
    after = [
        *map(backbone_page, backbones),
        *(section(text, title) for title in ("Data and licences", "Privacy", "The paper")),
    ]
    first = "\n\n".join(section(text, title) for title in FIRST)
    gr.Markdown(f"**{DISCLAIMER}** The models have not been clinically validated.\n\n{first}", elem_classes="vip-about")
    gr.HTML(f'<div class="vip-about">{"".join(cards)}</div>', elem_id="vip-models", js_on_load=None)
    gr.Markdown("\n\n".join(filter(None, after)), elem_id="vip-about-more", elem_classes="vip-about")


# ---- a model card


def model_card(label: str, card: Card) -> str:
    """Data, figures and what was trained, of one checkpoint."""
    facts = {
        "Classes": ", ".join(card.classes),
        "Backbone": " ".join(filter(None, (card.backbone.name, card.backbone.pretrained))),
        "Data": str(card.data.get("name", "")),
        **{
            f"Images, {SPLITS.get(split, split).lower()}": counts(images)
            for split, images in _object(card.data.get("images")).items()
        },
        "Method": card.method,
        "Trained": f"{card.date}, version {card.version}",
        "Temperature": f"{card.temperature:.3f}",
    }
    if card.guard:
        facts["Flagged as out of distribution"] = ", ".join(
            f"{found['flagged']:,} of {found['n']:,} {kind}" for kind, found in card.guard.items()
        )
    rows = "".join(f'<tr><th scope="row">{escape(k)}</th><td>{escape(v)}</td></tr>' for k, v in facts.items())
    splits = [split for split in (*SPLITS, *card.figures) if isinstance(card.figures.get(split), Mapping)]
    splits = list(dict.fromkeys(splits))
    return (
        f'<section class="vip-model"><h2>{escape(label)}</h2><table><tbody>{rows}</tbody></table>'
        f"{key_figures(label, card)}<p>In brackets: 95\u00a0% intervals.</p>"
        f"<details><summary>All metrics</summary>{figures_table(label, card, splits)}</details>"
        f"{learning_html(card)}</section>"
    )


def learning_html(card: Card) -> str:
    """What training did: the kept epoch, the probe beside the model, what the symptoms mean, and warnings."""
    learning = card.learning
    if learning is None:
        return ""
    aurocs = {split: _object(values).get("auroc") for split, values in card.figures.items()}
    known = {split: value for split, value in aurocs.items() if isinstance(value, float)}
    kept, last = learning.epochs.get("kept"), learning.epochs.get("last")
    sentences = []
    if kept is not None and last is not None:
        sentences.append(
            f"Epoch {learning.kept_epoch} was kept: validation accuracy {kept.val_accuracy:.3f}, loss "
            f"{kept.val_loss:.3f}; the last epoch had {last.val_accuracy:.3f} and {last.val_loss:.3f}."
        )
    sentences += [*learning_sentences(learning, known), *(f"Warning: {warning}" for warning in learning.warnings)]
    return f"<h3>What training did</h3><ul>{''.join(f'<li>{escape(s)}</li>' for s in sentences)}</ul>"


def counts(images: object) -> str:
    """A split's images in words."""
    if not isinstance(images, Mapping):
        return str(images)
    return ", ".join(f"{count} {name}" for name, count in images.items())


def figures_table(label: str, card: Card, splits: list[str]) -> str:
    """One row per figure and one column per split; the cell of a figure that a split lacks is empty."""
    columns = {split: dict(metric_rows(card.figures[split], card.classes)) for split in splits}
    single = {name: value for name, value in card.figures.items() if name not in splits}
    if single:
        columns["all"] = dict(metric_rows(single, card.classes))
    names = list(dict.fromkeys(name for column in columns.values() for name in column))
    if not names:
        return "<p>Nothing was measured.</p>"
    head = "".join(
        f'<th scope="col">{escape(SPLITS.get(split, words(split)))}<br>{sample(card.figures.get(split))}</th>'
        for split in columns
    )
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(f"<td>{escape(column.get(name, ''))}</td>" for column in columns.values())
        + "</tr>"
        for name in names
    )
    return (
        f'<div class="vip-scroll" tabindex="0" role="region" aria-label="Figures of {escape(label)}">'
        f'<table><thead><tr><th scope="col">Metric</th>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def sample(figures: object) -> str:
    """The number of images that a split was measured on."""
    return f"n = {figures['n']}" if isinstance(figures, Mapping) and "n" in figures else ""


def metric_rows(values: Mapping[str, Any], classes: list[str], within: str = "") -> Iterator[tuple[str, str]]:
    """Names and texts of all the metrics in a (nested) object, known or not. within: what they belong to."""
    intervals, part = _object(values.get("intervals")), f" (n = {values['n']})" if within and "n" in values else ""
    for key, value in values.items():
        name = f"{within}: {words(key)}" if within else words(key)
        if key in BESIDE:
            continue
        if isinstance(value, Mapping) and "value" in value:
            own = f" (n = {value['n']})" if value.get("n", values.get("n")) != values.get("n") else part
            yield name, format_value(value["value"]) + interval(value.get("interval")) + own
        elif isinstance(value, Mapping):
            above = {inner: intervals.get(f"{key} of {inner}") for inner in value}  # as recall's stand there
            yield from metric_rows({**value, "intervals": {**above, **_object(value.get("intervals"))}}, classes, name)
        elif key in COUNTS and "n" in values:
            yield name, f"{format_value(value)} of {format_value(values['n'])}"
        else:
            yield name, format_value(value) + interval(intervals.get(key)) + part
    for name, row in zip(classes, values.get("confusion", ()), strict=False):
        found = ", ".join(f"{count} predicted as {other}" for other, count in zip(classes, row, strict=False))
        yield f"{within + ': ' if within else ''}True {name}", found


def words(key: str) -> str:
    """The displayed name of a figure; for an unknown one, its key with spaces."""
    return NAMES.get(key, key.replace("_", " ")[:1].upper() + key.replace("_", " ")[1:])


def format_value(value: object) -> str:
    """A value as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return digits(value, 3)
    if value is None:
        return "–"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def interval(values: object) -> str:
    """An interval in brackets, where there is one."""
    if not (isinstance(values, list | tuple) and len(values) == 2 and all(isinstance(v, int | float) for v in values)):
        return ""
    return f" ({digits(values[0], 3)} to {digits(values[1], 3)})"


# ---- Markdown of the tree


def backbone_page(name: str) -> str:
    """The model card of an embedded backbone, without its front matter; nothing for others."""
    path = checkpoint_folder(name) / "README.md"
    if not path.is_file():
        return ""
    text = re.sub(r"\A---\n.*?\n---\n", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return without_links(re.sub(r"^# (.*)$", r"## The backbone: \1", text.strip(), flags=re.MULTILINE))


def section(text: str, title: str) -> str:
    """A second-level heading and the text below it, up to the next heading or indented lines."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |^    @|\Z)", text, flags=re.DOTALL | re.MULTILINE)
    return f"## {title}\n\n{without_links(found[1].strip())}" if found else ""


def without_links(text: str) -> str:
    """Links into the tree as plain text: they lead nowhere from the page."""
    return re.sub(r"\[([^\]]+)\]\((?!https?:)[^)]*\)", r"\1", text)

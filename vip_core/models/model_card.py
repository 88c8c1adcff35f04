"""The README.md of a checkpoint: a model card for the Hugging Face Hub, written from card.json alone."""

from collections.abc import Mapping
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from vip_core.models.card import Card

METRICS = {"auroc": ("roc_auc", "AUROC"), "accuracy": ("accuracy", "Accuracy"), "f1_macro": ("f1", "F1, macro")}
CALIBRATION = {"brier": "Brier score", "slope": "Calibration slope", "intercept": "Calibration intercept"}
TAGS = ["medical-imaging", "image-classification", "clip", "explainability", "visual-symptoms"]


def model_card(card: Card) -> str:
    """Front matter (licence, tags, data set, metrics as model-index) and the text, as Markdown."""
    title = f"ViP: {' against '.join(card.classes)}" if len(card.classes) == 2 else f"ViP: {', '.join(card.classes)}"
    header = ModelCardData(
        license="apache-2.0",
        language="en",
        library_name="vip-core",
        pipeline_tag="image-classification",
        tags=TAGS,
        model_name=title,
        eval_results=_results(card) or None,
    )
    parts = [
        f"---\n{header.to_yaml()}\n---",
        f"# {title}",
        "Research use only. Not a medical device. It has not been clinically validated.",
        _use(card),
        _data(card),
        *(_figures(split, found) for split, found in card.figures.items() if isinstance(found, Mapping)),
        _symptoms(card),
        f"Trained {card.date} with vip_core {card.version}; every setting is in `card.json`.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _results(card: Card) -> list[EvalResult]:
    name = str(card.data.get("name", "unknown"))
    return [
        EvalResult(
            task_type="image-classification",
            task_name="Image classification",
            dataset_type=name,
            dataset_name=name,
            dataset_split=split,
            metric_type=kind,
            metric_name=f"{title}, {split}",
            metric_value=round(float(found[key]), 4),
        )
        for split, found in card.figures.items()
        if isinstance(found, Mapping)
        for key, (kind, title) in METRICS.items()
        if isinstance(found.get(key), float | int)
    ]


def _use(card: Card) -> str:
    backbone = " ".join(filter(None, (card.backbone.name, card.backbone.pretrained)))
    return (
        f"Prompts over the frozen backbone `{backbone}`. The classes are {', '.join(card.classes)}.\n\n"
        '```python\nfrom vip_core import Predictor\n\npredictor = Predictor.from_pretrained("THIS_FOLDER_OR_ID")\n'
        'predictor.set_image("image.png")\nprint(predictor.score().probabilities)\n```'
    )


def _data(card: Card) -> str:
    images = card.data.get("images", {})
    if not isinstance(images, Mapping):
        return ""
    splits = [split for split, counts in images.items() if isinstance(counts, Mapping) and counts]
    rows = [f"| {name} | " + " | ".join(str(images[s].get(name, 0)) for s in splits) + " |" for name in card.classes]
    head = f"| class | {' | '.join(splits)} |\n|---|{'---|' * len(splits)}"
    note = "The temperature and the thresholds were fitted on val. The probabilities assume its mix of classes."
    return f"## Data\n\n{card.data.get('name', '')}, images per split:\n\n{head}\n" + "\n".join(rows) + f"\n\n{note}"


def _figures(split: str, found: Mapping[str, Any]) -> str:
    intervals = found.get("intervals") or {}
    values = {title: (found.get(key), intervals.get(key)) for key, (_, title) in METRICS.items()}
    for name, value in (found.get("recall") or {}).items():
        values[f"Recall of {name}"] = (value, intervals.get(f"recall of {name}"))
    values["Expected calibration error"] = (found.get("ece"), None)
    calibration = found.get("calibration") or {}
    for key, title in CALIBRATION.items():
        if value := calibration.get(key):
            values[title] = (value["value"], value["interval"])
    rows = [f"| {name} | {value:.3f}{_interval(pair)} |" for name, (value, pair) in values.items() if value is not None]
    if not rows:
        return ""
    unit = found.get("unit", "image")
    head = f"## Figures, {split} (n = {found.get('n', '?')})\n\n95 % intervals, over {unit}s.\n\n| figure | value |"
    return head + "\n|---|---|\n" + "\n".join(rows)


def _interval(pair: Any) -> str:  # noqa: ANN401 - JSON
    return f" ({pair[0]:.3f} to {pair[1]:.3f})" if isinstance(pair, list | tuple) and len(pair) == 2 else ""


def _symptoms(card: Card) -> str:
    parts = ["## Symptoms"]
    for name, lines in card.symptom_set.to_dict()["classes"].items():
        parts.append(f"**{name}**\n\n" + "\n".join(f"- {line}" for line in lines))
    return "\n\n".join(parts)

"""The paper's figures 1 to 5 and the few-shot curves, from live objects and from the predictions of runs."""

from collections.abc import Mapping, Sequence
from itertools import cycle, pairwise
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from vip_core.data.images import read_image
from vip_core.experiments.knowledge import LABELS
from vip_core.experiments.material import Material
from vip_core.experiments.plan import Entry
from vip_core.experiments.runs import RunResult, mean_auroc
from vip_core.models.vip import ViP
from vip_core.scoring.zero_shot import ZeroShot
from vip_core.symptoms import SymptomSet

FAILURES = 4
BLUE, ORANGE, GREY = "#33658a", "#f26419", "#9aa5b1"
COLOURS = (BLUE, ORANGE, "#758e4f", "#7b3f61", GREY)


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write a figure as PNG and PDF. Returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.{suffix}" for suffix in ("png", "pdf")]
    for path in paths:
        figure.savefig(
            path, dpi=150, bbox_inches="tight", metadata={"CreationDate": None} if path.suffix == ".pdf" else None
        )
    return paths


def figure1(material: Material) -> Figure:
    """The pipeline, with the shapes that its tensors have here."""
    torch.manual_seed(0)
    vip, symptoms = ViP(material.backbone, material.symptoms), material.symptoms
    features = material.test.features[:1]
    with torch.inference_mode():
        text = vip.encode_symptoms()
        merged, attention = vip.merge(text, symptoms.counts)
        logits = vip(features)
    height, width = material.backbone.image_size
    tokens, vectors = tuple(vip.merge_prompt.tokens.shape), tuple(vip.context_prompt.vectors.shape)
    figure = Figure(figsize=(11, 2.8))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    axes.set(xlim=(0, 11), ylim=(0, 2.8))
    texts = [
        _box(axes, (0.9, 2.1), f"Symptoms\n{len(symptoms.texts)} texts\nof {len(symptoms.classes)} classes"),
        _box(axes, (2.8, 2.1), f"Context prompt\n{vectors}\ntrained", trained=True),
        _box(axes, (4.6, 2.1), f"Text tower\n{tuple(text.shape)}\nfrozen"),
        _box(
            axes,
            (6.5, 2.1),
            f"Merge prompt\ntokens {tokens}\nattention {tuple(attention.shape)}\ntrained",
            trained=True,
        ),
        _box(axes, (8.5, 2.1), f"Class features\n{tuple(merged.shape)}"),
    ]
    images = [
        _box(axes, (4.6, 0.6), f"Image\n(1, 3, {height}, {width})"),
        _box(axes, (6.5, 0.6), f"Image tower\n{tuple(features.shape)}\nfrozen"),
    ]
    result = _box(axes, (10.1, 1.35), f"Cosine × scale\nlogits {tuple(logits.shape)}")
    for row in (texts, images):
        for start, end in pairwise([*row, result]):
            _arrow(axes, start, end)
    return figure


def _box(axes: Axes, place: tuple[float, float], text: str, trained: bool = False) -> Text:
    face, edge = ("#fdebe0", ORANGE) if trained else ("#eef3f8", BLUE)
    box = {"boxstyle": "round,pad=0.5", "facecolor": face, "edgecolor": edge}
    return axes.text(*place, text, ha="center", va="center", fontsize=9, bbox=box)


def _arrow(axes: Axes, start: Text, end: Text) -> None:
    """From the edge of one box to that of another."""
    patches = {"patchA": start.get_bbox_patch(), "patchB": end.get_bbox_patch(), "shrinkA": 0, "shrinkB": 2}
    style = {"arrowstyle": "->", "color": BLUE}
    axes.annotate("", end.get_position(), start.get_position(), arrowprops=style | patches)


def figure2(symptoms: SymptomSet) -> Figure:
    """The symptoms of each class."""
    figure = Figure(figsize=(9, 0.6 + 0.3 * (len(symptoms.texts) + len(symptoms.classes))))
    axes = figure.add_subplot()
    axes.axis("off")
    lines = [line for name, own in zip(symptoms.classes, symptoms.symptoms, strict=True) for line in (name, *own)]
    for place, line in enumerate(lines):
        heading = line in symptoms.classes
        axes.text(0 if heading else 0.03, -place, line, weight="bold" if heading else "normal", fontsize=10)
    axes.set(xlim=(0, 1), ylim=(-len(lines), 1), title=f"Visual symptoms, {symptoms.modality}")
    return figure


def figure3(names: Entry, symptoms: Entry, material: Material) -> Figure:
    """Zero-shot with class names against symptoms, and one test image with the cosine of every symptom."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    axes, picture, bars = figure.subplots(1, 3, width_ratios=(1, 1, 1.6))
    values = [mean_auroc(*entry.runs[0].test) for entry in (names, symptoms)]
    axes.bar(["class names", "symptoms"], values, color=[GREY, BLUE])
    axes.bar_label(axes.containers[0], fmt="%.3f")
    axes.axhline(0.5, color="black", linewidth=0.8, linestyle=":")
    axes.set(ylim=(0, 1), ylabel="AUROC on test images", title="Zero-shot")
    probabilities, labels = symptoms.runs[0].test
    shown = int(np.where(probabilities.argmax(1) == labels, probabilities.max(1), 0).argmax())
    _diagnosis(picture, bars, material, shown)
    return figure


def figure4(entry: Entry, material: Material) -> Figure:
    """The most confident zero-shot failures, each with the cosine of every symptom."""
    probabilities, labels = entry.runs[0].test
    wrong = np.where(probabilities.argmax(1) != labels, probabilities.max(1), 0)
    chosen = np.argsort(-wrong, kind="stable")[: min(FAILURES, int((wrong > 0).sum()))]
    figure = Figure(figsize=(11, 3.6 * max(1, len(chosen))), layout="constrained")
    grid = figure.subplots(max(1, len(chosen)), 2, width_ratios=(1, 2), squeeze=False)
    for (picture, bars), index in zip(grid, chosen.tolist(), strict=False):
        _diagnosis(picture, bars, material, index)
    return figure


def _diagnosis(picture: Axes, bars: Axes, material: Material, index: int) -> None:
    row, symptoms = material.data.split("test")[index], material.symptoms
    diagnosis = ZeroShot(material.backbone).diagnose(material.test.features[index], symptoms)
    picture.imshow(read_image(row.path))
    picture.set_xticks([])
    picture.set_yticks([])
    predicted, label = diagnosis.prediction, symptoms.classes[row.label]
    confidence = f"{diagnosis.probabilities[predicted]:.2f}"
    picture.set_title(f"{row.path.name}\nlabel: {label}\nzero-shot: {predicted}, {confidence}", fontsize=9)
    place = 0
    for name, colour in zip(symptoms.classes, cycle(COLOURS)):
        values = [each.similarity for each in diagnosis.symptoms if each.class_name == name]
        bars.barh(range(place, place + len(values)), values, color=colour, label=f"symptoms of {name}")
        place += len(values)
    bars.set_yticks(range(place), [each.symptom for each in diagnosis.symptoms], fontsize=7)
    bars.invert_yaxis()
    bars.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, fontsize=8, frameon=False)
    bars.set_xlabel("cosine of image and symptom")


def figure5(kinds: Mapping[str, tuple[Entry, Entry]]) -> Figure:
    """AUROC by kind of knowledge, zero-shot and trained; bars are means over seeds, lines the range of the seeds."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.add_subplot()
    for offset, place, label, colour in ((-0.2, 0, "zero-shot", GREY), (0.2, 1, "ViP, trained", BLUE)):
        values = [[mean_auroc(*r.test) for r in pair[place].runs] for pair in kinds.values()]
        means = [float(np.mean(v)) for v in values]
        below = [m - min(v) for m, v in zip(means, values, strict=True)]
        above = [max(v) - m for m, v in zip(means, values, strict=True)]
        spread = np.clip([below, above], 0, None)  # rounding puts the mean of equal values just beside them
        bars = axes.bar(np.arange(len(kinds)) + offset, means, 0.38, yerr=spread, label=label, color=colour)
        axes.bar_label(bars, fmt="%.2f", fontsize=8)
    axes.axhline(0.5, color="black", linewidth=0.8, linestyle=":")
    axes.set_xticks(range(len(kinds)), [LABELS[kind] for kind in kinds], rotation=15, ha="right")
    axes.set(ylim=(0, 1.08), ylabel="AUROC on test images")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, fontsize=8, frameon=False)
    return figure


def shots_figure(curves: Mapping[int | None, Sequence[Entry]]) -> Figure:
    """AUROC by number of training images per class; mean over seeds and its standard deviation."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    ticks = [str(shots or "all") for shots in curves]
    for place, entry in enumerate(next(iter(curves.values()))):
        runs: list[tuple[RunResult, ...]] = [entries[place].runs for entries in curves.values()]
        if not all(runs):
            continue
        values = [[mean_auroc(*result.test) for result in each] for each in runs]
        spread = [float(np.std(v, ddof=1)) if len(v) > 1 else 0.0 for v in values]
        axes.errorbar(range(len(ticks)), [float(np.mean(v)) for v in values], spread, label=entry.label, capsize=2)
    axes.set_xticks(range(len(ticks)), ticks)
    axes.set(xlabel="training images per class", ylabel="AUROC on test images")
    axes.legend(fontsize=8)
    return figure

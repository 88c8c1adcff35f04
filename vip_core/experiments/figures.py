"""The paper's figures 1 to 5 and the few-shot curves, from live objects and from the predictions of runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vip_core.data.images import read_image
from vip_core.experiments.knowledge import LABELS
from vip_core.experiments.material import Material
from vip_core.experiments.plan import Entry
from vip_core.experiments.runs import RunResult, mean_auroc
from vip_core.models.vip import ViP
from vip_core.scoring.zero_shot import ZeroShot
from vip_core.symptoms import SymptomSet

FAILURES = 4


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
    steps = [
        ("Symptoms", f"{len(symptoms.texts)} texts\nof {len(symptoms.classes)} classes"),
        ("Context prompt", f"{tuple(vip.context_prompt.vectors.shape)}\ntrained"),
        ("Text tower", f"{tuple(text.shape)}\nfrozen"),
        ("Merge prompt", f"tokens {tuple(vip.merge_prompt.tokens.shape)}\nattention {tuple(attention.shape)}\ntrained"),
        ("Class features", f"{tuple(merged.shape)}"),
    ]
    images = [("Image", f"(1, 3, {height}, {width})"), ("Image tower", f"{tuple(features.shape)}\nfrozen")]
    figure = Figure(figsize=(11, 3.4))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    axes.set(xlim=(0, 11), ylim=(0, 3.4))
    for place, (name, shape) in enumerate(steps):
        _box(axes, 0.2 + 1.85 * place, 2.0, name, shape)
        if place:
            _arrow(axes, (0.2 + 1.85 * place - 0.3, 2.55), (0.2 + 1.85 * place, 2.55))
    for place, (name, shape) in enumerate(images):
        _box(axes, 3.9 + 1.85 * place, 0.3, name, shape)
    _arrow(axes, (5.45, 0.85), (5.75, 0.85))
    _box(axes, 9.35, 1.1, "Cosine × scale", f"logits {tuple(logits.shape)}")
    _arrow(axes, (9.15, 2.3), (9.6, 2.2))
    _arrow(axes, (7.3, 0.85), (9.35, 1.5))
    return figure


def _box(axes: Axes, x: float, y: float, name: str, shape: str) -> None:
    axes.text(
        x + 0.77,
        y + 0.55,
        f"{name}\n{shape}",
        ha="center",
        va="center",
        fontsize=8.5,
        bbox={"boxstyle": "round,pad=0.5", "facecolor": "#eef3f8", "edgecolor": "#33658a"},
    )


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": "#33658a"})


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
    axes.bar(["class names", "symptoms"], values, color=["#9aa5b1", "#33658a"])
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
    picture.set_title(f"true: {symptoms.classes[row.label]}\nzero-shot: {diagnosis.prediction}", fontsize=9)
    owners = [c for c, count in enumerate(symptoms.counts) for _ in range(count)]
    colours = ["#33658a", "#f26419", "#758e4f", "#7b3f61", "#9aa5b1"]
    values = [each.similarity for each in diagnosis.symptoms]
    bars.barh(range(len(values)), values, color=[colours[c % len(colours)] for c in owners])
    bars.set_yticks(range(len(values)), [each.symptom for each in diagnosis.symptoms], fontsize=7)
    bars.invert_yaxis()
    bars.set_xlabel("cosine of image and symptom")


def figure5(kinds: Mapping[str, tuple[Entry, Entry]]) -> Figure:
    """AUROC by kind of knowledge, zero-shot and trained; bars are means over seeds, lines the range of the seeds."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.add_subplot()
    for offset, place, label, colour in ((-0.2, 0, "zero-shot", "#9aa5b1"), (0.2, 1, "ViP, trained", "#33658a")):
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
    axes.legend(loc="lower left", fontsize=8)
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

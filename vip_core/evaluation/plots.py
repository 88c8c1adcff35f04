"""The figures of a report: calibration, probabilities by outcome, decision curve, ROC and precision-recall curves."""

from io import BytesIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from vip_core.evaluation.intervals import Estimate
from vip_core.evaluation.positive_class import PositiveClass
from vip_core.evaluation.predictions import Predictions
from vip_core.evaluation.report import Report

BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#6b7280"  # Okabe and Ito: told apart by the colour-blind
SIZE = (4.6, 4.0)  # inches


def draw_all(report: Report, predictions: Predictions) -> dict[str, Figure]:
    """The figures by file name; curves that one class leaves undefined are missing."""
    positive = report.positive
    figures = {"calibration": calibration(positive), "histogram": histogram(positive)}
    if positive.curve is None:
        return figures
    c = predictions.classes.index(positive.name)
    probability, own = predictions.probabilities[:, c], predictions.labels == c
    figures["roc"] = roc(probability, own, report)
    figures["precision_recall"] = precision_recall(probability, own, positive)
    figures["decision_curve"] = decision(positive)
    return figures


def calibration(positive: PositiveClass) -> Figure:
    """Observed shares with 95 % intervals over the mean probability of each bin."""
    figure, axes = _square(f"Predicted probability of {positive.name}", "Observed share")
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--", label="perfect calibration")
    bins = positive.reliability
    mean, observed = [part.mean for part in bins], np.array([part.observed.value for part in bins])
    low = observed - [part.observed.low or 0.0 for part in bins]
    high = np.array([1.0 if part.observed.high is None else part.observed.high for part in bins]) - observed
    spread = np.clip([low, high], 0, None)
    axes.errorbar(
        mean, observed, yerr=spread, fmt="o", color=BLUE, markersize=5, capsize=2, label="bins, 95 % interval"
    )
    lines = [f"Brier score {positive.brier.value:.3f}"]
    if positive.slope is not None:
        lines.append(f"slope {positive.slope.value:.2f}")
    if positive.intercept is not None:
        lines.append(f"intercept {positive.intercept.value:.2f}")
    axes.text(0.97, 0.05, "\n".join(lines), ha="right", va="bottom", transform=axes.transAxes, fontsize=9)
    axes.legend(loc="upper left", frameon=False, fontsize=9)
    return figure


def histogram(positive: PositiveClass) -> Figure:
    """The probabilities of the images of the class, above, and of the others, below."""
    figure = Figure(figsize=SIZE, layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True)
    counts = positive.histogram
    edges = np.linspace(0, 1, len(counts["positive"]) + 1)
    for axes, key, colour, name in (
        (top, "positive", ORANGE, f"labelled {positive.name}"),
        (bottom, "negative", BLUE, "labelled otherwise"),
    ):
        axes.bar(edges[:-1], counts[key], width=edges[1], align="edge", color=colour, edgecolor="white", linewidth=0.5)
        axes.set_ylabel("Images")
        axes.set_title(f"{name} (n = {sum(counts[key]):,})", fontsize=10, loc="left")
        _plain(axes)
    bottom.set_xlabel(f"Predicted probability of {positive.name}")
    return figure


def decision(positive: PositiveClass) -> Figure:
    """Net benefit over thresholds, at the stated prevalence where there is one, else at that of the images."""
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.subplots()
    at = positive.at_prevalence
    curve = positive.curve if at is None else at.curve
    assert curve is not None
    axes.axhline(0, color=GREY, linewidth=1, label="treat none")
    axes.plot(curve.thresholds, curve.treat_all, color=GREY, linewidth=1, linestyle="--", label="treat all")
    axes.plot(curve.thresholds, curve.model, color=BLUE, label="model")
    highest = [curve.prevalence, curve.model.max()]
    if at is not None and at.corrected_curve is not None:
        axes.plot(curve.thresholds, at.corrected_curve.model, color=ORANGE, label="model, prior corrected")
        highest.append(at.corrected_curve.model.max())
    top = 1.15 * max(highest)
    axes.set_ylim(-0.5 * top, top)
    axes.set_xlim(0, 1)
    axes.set_xlabel(f"Threshold probability of {positive.name}")
    axes.set_ylabel(f"Net benefit at a prevalence of {curve.prevalence:.2g}")
    axes.legend(loc="best", frameon=False, fontsize=9)
    _plain(axes)
    return figure


def roc(probability: NDArray, own: NDArray, report: Report) -> Figure:
    """Sensitivity over 1 - specificity."""
    figure, axes = _square("1 − specificity", f"Sensitivity for {report.positive.name}")
    false, true, _ = roc_curve(own, probability)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--")
    axes.plot(false, true, color=BLUE)
    found = report.evaluation.metrics
    area = found.auroc_by_class.get(report.positive.name) or found.auroc
    if area is not None:
        axes.text(0.97, 0.05, _with_interval("AUROC", area), ha="right", transform=axes.transAxes, fontsize=9)
    return figure


def precision_recall(probability: NDArray, own: NDArray, positive: PositiveClass) -> Figure:
    """Positive predictive value over sensitivity, at the prevalence of the images."""
    figure, axes = _square(f"Sensitivity for {positive.name} (recall)", "Positive predictive value (precision)")
    precision, recall, _ = precision_recall_curve(own, probability)
    axes.axhline(positive.share, color=GREY, linewidth=1, linestyle="--")
    axes.step(recall, precision, color=BLUE, where="post")
    if positive.auprc is not None:
        text = _with_interval("AUPRC", positive.auprc)
        axes.text(0.03, 0.05, text, ha="left", transform=axes.transAxes, fontsize=9)
    return figure


def png_bytes(figure: Figure) -> bytes:
    """A figure as PNG, 150 dots per inch."""
    return _saved(figure, "png")


def pdf_bytes(figure: Figure) -> bytes:
    """A figure as PDF."""
    return _saved(figure, "pdf")


def _saved(figure: Figure, kind: str) -> bytes:
    file = BytesIO()
    metadata = {"CreationDate": None} if kind == "pdf" else {"Software": None}
    figure.savefig(file, format=kind, dpi=150, metadata=metadata)
    return file.getvalue()


def _square(x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel=x, ylabel=y)
    _plain(axes)
    return figure, axes


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)


def _with_interval(name: str, found: Estimate) -> str:
    interval = "" if found.interval is None else f" ({found.low:.3f} to {found.high:.3f})"
    return f"{name} {found.value:.3f}{interval}"

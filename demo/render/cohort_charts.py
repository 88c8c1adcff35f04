"""The charts of a cohort: confusion matrix and ROC curves, as matplotlib Figures by the object interface."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from sklearn.metrics import roc_curve

from ..render.charts import COLOURS, INK, MUTED, TRACK, wrap
from ..state.cohort import CohortRow, Results

COHORT_WIDTH = 330  # pixels; shown at this size, so that the smallest text has 13 on the screen
BODY, SMALL = 14.0, 13.0  # pixels
BLUE = (0, 114, 178)  # the ground of a full cell; white text stands on it
MAX_CLASSES = 6  # whose names and counts still fit


def confusion_matrix(results: Results) -> Figure:
    """Counts, one row per given label and one column per predicted class; shaded by the share of the row."""
    assert results.figures is not None
    counts, names = results.figures.confusion, results.classes
    size, left, top = min(100.0, (COHORT_WIDTH - 112) / len(names)), 108.0, 66.0
    height = top + size * len(names) + 4
    figure, axes = _sheet(height)
    _text(axes, left, 16, "Predicted class", SMALL, MUTED)
    _text(axes, 0, top - 8, "Label given", SMALL, MUTED)
    for c, name in enumerate(names):
        x, y = left + size * c, top + size * c
        for i, line in enumerate(wrap(name, size - 8, SMALL, most=2)):
            _text(axes, x + size / 2, top - 26 + 17 * i, line, SMALL, INK, "center")
        lines = wrap(name, left - 12, SMALL, most=2)
        for i, line in enumerate(lines):
            _text(axes, 0, y + size / 2 + 5 + 17 * (i - (len(lines) - 1) / 2), line, SMALL, INK)
        total = sum(counts[c])
        for p, count in enumerate(counts[c]):
            share = count / total if total else 0.0
            _cell(axes, left + size * p, y, size, share, count, bool(total))
    return figure


def _cell(axes: Axes, x: float, y: float, size: float, share: float, count: int, known: bool) -> None:
    ground = tuple((255 - (255 - part) * share * 0.9) / 255 for part in BLUE)
    axes.add_patch(Rectangle((x + 1, y + 1), size - 2, size - 2, facecolor=ground, edgecolor=TRACK, lw=1))
    ink = "#ffffff" if share > 0.6 else INK
    _text(axes, x + size / 2, y + size / 2 + (0 if known and size > 50 else 6), f"{count}", BODY + 2, ink, "center")
    if known and size > 50:
        _text(axes, x + size / 2, y + size / 2 + 20, f"{100 * share:.0f} %", SMALL, ink, "center")


def roc_curves(results: Results, positive: int) -> Figure:
    """The ROC curve of the class `positive`; of more than two classes, each against the rest.

    The dot of a curve stands where the model decides: at a probability of one half, with two classes.
    """
    rows = [row for row in results.rows if row.label is not None and row.probabilities]
    shown = [positive] if len(results.classes) == 2 else list(range(len(results.classes)))
    shown = [c for c in shown if 0 < sum(row.label == c for row in rows) < len(rows)]
    left, top, side = 46.0, 12.0, COHORT_WIDTH - 62.0
    figure, axes = _sheet(top + side + 46 + 19 * len(shown))
    axes.add_patch(Rectangle((left, top), side, side, facecolor="none", edgecolor=TRACK, lw=1))
    axes.plot([left, left + side], [top + side, top], color=MUTED, lw=1, ls=(0, (4, 4)))
    for i, c in enumerate(shown):
        colour = COLOURS[c % len(COLOURS)]
        alarms, found = points(rows, c)
        axes.plot([left + side * x for x in alarms], [top + side - side * y for y in found], color=colour, lw=2)
        x, y = operating_point(rows, c)
        axes.plot([left + side * x], [top + side - side * y], "o", color=colour, ms=8)
        legend = f"● {results.classes[c]}: as the model decides"
        _text(axes, left, top + side + 60 + 19 * i, wrap(legend, COHORT_WIDTH - left, SMALL, most=1)[0], SMALL, colour)
    for value, word in ((0.0, "0"), (0.5, "½"), (1.0, "1")):
        _text(axes, left + side * value, top + side + 17, word, SMALL, MUTED, "center")
        _text(axes, left - 8, top + side - side * value + 5, word, SMALL, MUTED, "right")
    _text(axes, left + side / 2, top + side + 36, "1 − specificity (false alarms)", SMALL, INK, "center")
    axes.text(13, top + side / 2, "sensitivity", fontsize=SMALL, color=INK, rotation=90, ha="center", va="center")
    return figure


def points(rows: list[CohortRow], c: int) -> tuple[list[float], list[float]]:
    """Share of false alarms and sensitivity along the ROC curve of class `c`."""
    alarms, found, _ = roc_curve([row.label == c for row in rows], [row.probabilities[c] for row in rows])
    return alarms.tolist(), found.tolist()


def operating_point(rows: list[CohortRow], c: int) -> tuple[float, float]:
    """The same where the most probable class is taken."""
    own, others = [row for row in rows if row.label == c], [row for row in rows if row.label != c]
    shares = [sum(row.prediction == c for row in group) / len(group) for group in (others, own)]
    return shares[0], shares[1]


def _sheet(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(COHORT_WIDTH / 72, height / 72), dpi=72, facecolor="none")  # at 72 dpi a point is a pixel
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, COHORT_WIDTH), ylim=(height, 0))
    axes.axis("off")
    return figure, axes


def _text(axes: Axes, x: float, y: float, text: str, size: float, colour: str, align: str = "left") -> None:
    axes.text(x, y, text, fontsize=size, color=colour, ha=align, va="baseline", parse_math=False)

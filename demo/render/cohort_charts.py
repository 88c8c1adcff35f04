"""The charts of a cohort: confusion matrix, ROC, calibration, probabilities by outcome, decision curve."""

from html import escape

from vip_core.evaluation.positive_class import PositiveClass

from ..state.cohort import CohortRow, Results
from ..state.numbers import PER_CENT, number
from .svg_plot import Plot

SHARES = ((0.0, "0"), (0.5, ".5"), (1.0, "1"))
UNIT = (0.0, 1.0)
KINDS = 6  # colours of curves
FINDING, REST, EVEN = "vip-finding", "vip-rest", "vip-even"  # of the style sheet


def confusion_table(results: Results) -> str:
    """Counts, one row per given label and one column per predicted class; shaded by the share of the row."""
    assert results.figures is not None
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in results.classes)
    body = []
    for name, row in zip(results.classes, results.figures.confusion, strict=True):
        total = sum(row)
        cells = "".join(
            f'<td style="--vip-share:{count / total if total else 0:.2f}"><b>{count}</b> '
            f"<small>{f'{100 * count / total:.0f}{PER_CENT}' if total else ''}</small></td>"
            for count in row
        )
        body.append(f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>')
    return (
        '<div class="vip-scroll" tabindex="0" role="region" aria-label="Confusion matrix"><table class="vip-confusion">'
        f"<caption>Rows: label. Columns: prediction.</caption><thead><tr><td></td>{head}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def roc_plot(results: Results, positive: int) -> str:
    """The ROC curve of the finding, with a dot at the threshold; of more than two classes each against the rest."""
    rows = results.counted
    assert results.figures is not None and results.figures.auroc is not None
    plot = Plot(UNIT, UNIT, "1 − specificity (false-positive rate)", "sensitivity", SHARES, SHARES)
    plot.line([(0, 0), (1, 1)], EVEN)
    two = len(results.classes) == 2
    shown = [positive] if two else [c for c in range(len(results.classes)) if any(row.label == c for row in rows)]
    plot.skip_names(max(0, 8 - len(shown)))
    for c in shown:
        kind = FINDING if two else f"vip-c{c % KINDS}"
        alarms, found = points(rows, c)
        plot.line(list(zip(alarms, found, strict=True)), kind)
        plot.dot(*operating_point(rows, c), f"vip-dot {kind}")
        plot.name(f"● {results.classes[c]}"[:30], kind, "end")
    x, y = operating_point(rows, positive)
    at = f" At {results.asked.threshold:.3g}: sensitivity {y:.3f}, false-positive rate {x:.3f}." if two else ""
    area = results.figures.auroc.value
    return plot.svg(
        f"Sensitivity against false-positive rate at every threshold; the area under the curve is {area:.3f}.{at}"
    )


def points(rows: list[CohortRow], c: int) -> tuple[list[float], list[float]]:
    """False-positive rate and sensitivity along the ROC curve of class `c`."""
    from sklearn.metrics import roc_curve  # not needed before a cohort is evaluated

    alarms, found, _ = roc_curve([row.label == c for row in rows], [row.probabilities[c] for row in rows])
    return alarms.tolist(), found.tolist()


def operating_point(rows: list[CohortRow], c: int) -> tuple[float, float]:
    """The same two rates for the predictions in the rows."""
    own, others = [row for row in rows if row.label == c], [row for row in rows if row.label != c]
    shares = [sum(row.prediction == c for row in group) / len(group) for group in (others, own)]
    return shares[0], shares[1]


def calibration_plot(found: PositiveClass) -> str:
    """Observed shares with 95 % intervals over the mean probability of each bin."""
    plot = Plot(UNIT, UNIT, f"predicted probability of {found.name}", "observed share", SHARES, SHARES)
    plot.line([(0, 0), (1, 1)], EVEN)
    plot.line([(each.mean, each.observed.value) for each in found.reliability], FINDING)
    for each in found.reliability:
        if each.observed.interval is not None:
            low, high = each.observed.interval
            plot.line([(each.mean, low), (each.mean, high)], f"{FINDING} vip-thin")
        plot.dot(each.mean, each.observed.value, f"vip-dot {FINDING}")
    words = "; ".join(
        f"{each.observed.n} images of about {each.mean:.2f}: {each.observed.value:.2f}" for each in found.reliability
    )
    return plot.svg(f"Observed share of {found.name} by predicted probability. {words}.")


def histogram_plot(found: PositiveClass) -> str:
    """The probabilities of the images of the class, upwards, and of the others, downwards, each as shares."""
    counts = found.histogram
    shares = {key: [count / max(sum(values), 1) for count in values] for key, values in counts.items()}
    end = max(max(values) for values in shares.values()) or 1.0
    ticks = ((-end, f"{100 * end:.0f}{PER_CENT}"), (0.0, "0"), (end, f"{100 * end:.0f}{PER_CENT}"))
    plot = Plot(UNIT, (-1.05 * end, 1.05 * end), f"predicted probability of {found.name}", "images", SHARES, ticks)
    step = 1 / len(counts["positive"])
    for key, kind, sign in (("positive", FINDING, 1), ("negative", REST, -1)):
        for bin_, share in enumerate(shares[key]):
            ends = sorted((0.0, sign * share))
            plot.bar(bin_ * step + 0.002, (bin_ + 1) * step - 0.002, ends[0], ends[1], f"vip-bar {kind}")
    plot.line([(0, 0), (1, 0)], EVEN)
    plot.name(f"labelled {found.name}: n = {sum(counts['positive'])}"[:40], FINDING)
    plot.skip_names(10)
    plot.name(f"labelled otherwise: n = {sum(counts['negative'])}", REST, "end")
    return plot.svg(f"Share of images per twentieth of the probability of {found.name}, by label.")


def decision_plot(found: PositiveClass) -> str:
    """Net benefit over thresholds, at the stated prevalence where there is one, else at that of the images."""
    at = found.at_prevalence
    curve = found.curve if at is None else at.curve
    assert curve is not None
    corrected = None if at is None else at.corrected_curve
    top = 1.15 * max(curve.prevalence, curve.model.max(), 0 if corrected is None else corrected.model.max())
    ticks = ((0.0, "0"), (curve.prevalence, number(curve.prevalence).lstrip("0")))
    plot = Plot(UNIT, (-0.5 * top, top), "threshold probability", "net benefit", SHARES, ticks)
    plot.line([(0, 0), (1, 0)], EVEN)
    # What leaves the plot is cut off, not drawn along its edge.
    curves = [("treat all", curve.treat_all, "vip-all"), (found.name, curve.model, FINDING)]
    if corrected is not None:
        curves.append((f"{found.name}, prior corrected", corrected.model, REST))
    plot.skip_names(12 - len(curves))
    for name, values, kind in curves:
        pairs = zip(curve.thresholds.tolist(), values.tolist(), strict=True)
        plot.line([(t, value) for t, value in pairs if value >= -0.5 * top], kind)
        plot.name(name if name == "treat all" else f"model: {name}"[:40], kind)
    words = ", ".join(f"{number(curve.at(t), 3, '+')} at {t}" for t in (0.1, 0.3, 0.5))
    return plot.svg(f"Net benefit at a prevalence of {curve.prevalence:.2f}: {words}; treating nobody gives 0.")

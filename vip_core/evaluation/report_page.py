"""A report as one HTML page that can be attached to a paper: its pictures are inside it."""

import base64
from collections.abc import Sequence
from html import escape

from vip_core.evaluation.intervals import Estimate
from vip_core.evaluation.report import Report
from vip_core.evaluation.tables import describe_units

CAPTIONS = {
    "calibration": "Calibration: observed share of the positive class in bins of about equally many images.",
    "histogram": "Predicted probabilities by outcome.",
    "decision_curve": "Decision curve: net benefit of the model, of treating all and of treating none.",
    "roc": "ROC curve.",
    "precision_recall": "Precision-recall curve. The dashed line is the share of positives.",
}
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24 }
table { border-collapse: collapse; margin: 1rem 0 }
th, td { padding: .25rem .75rem; border-bottom: 1px solid #d8dce2; text-align: right }
th:first-child, td:first-child { text-align: left }
figure { display: inline-block; margin: 0 1rem 1rem 0; vertical-align: top }
img { width: 28rem; max-width: 100% } figcaption { max-width: 28rem; color: #4b5563 }
.warning { border-left: 4px solid #9f1c12; padding-left: 1rem }
"""


def report_page(report: Report, pictures: dict[str, bytes]) -> str:
    """The page as HTML.

    Args:
        report: what was measured.
        pictures: PNG by name.
    """
    metrics, positive = report.evaluation.metrics, report.positive
    sizes = ", ".join(f"{sum(row)} {name}" for name, row in zip(metrics.classes, metrics.confusion, strict=True))
    parts = [
        f"<h1>{escape(report.model)} on {escape(report.data)}, {escape(report.split)}</h1>",
        '<p class="warning">Research use only. Not a medical device.</p>',
        f"<p>n = {metrics.n:,} images ({escape(sizes)}). The positive class is <b>{escape(positive.name)}</b>. "
        f"Intervals are 95 %, over {escape(describe_units(metrics))}; shares have exact intervals, the others are "
        f"percentile bootstrap, {metrics.resamples:,} resamples, seed {metrics.seed}.</p>",
        "<h2>Figures</h2>",
        _table(("Figure", "Value", "95 % interval"), [(name, *_cells(value)) for name, value in report.figures()]),
    ]
    if positive.not_defined:
        parts.append(f"<p>{escape(positive.not_defined)}</p>")
    parts += [*_calibration(report), *map(_figure, pictures, pictures.values()), *_decisions(report)]
    parts += [*_confusion(report), *_subgroups(report), *_symptoms(report), *_comparison(report), *_domain(report)]
    parts.append(f"<p><small>{escape(report.written_by)}</small></p>")
    title = escape(f"{report.model} on {report.data}, {report.split}")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style></head>\n<body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def _calibration(report: Report) -> list[str]:
    positive = report.positive
    rows = [
        (f"{part.lowest:.3f} to {part.highest:.3f}", part.observed.n, f"{part.mean:.3f}", *_cells(part.observed))
        for part in positive.reliability
    ]
    return [
        "<h2>Calibration</h2>",
        f"<p>The mean probability of {escape(positive.name)} is {positive.mean_probability:.3f}; "
        f"{positive.share:.3f} of the images are in this class.</p>",
        _table(("Probability", "Images", "Mean", "Observed share", "95 % interval"), rows),
    ]


def _decisions(report: Report) -> list[str]:
    at = report.positive.at_prevalence
    if at is None or at.curve is None:
        return []
    rows = []
    for threshold in (0.05, 0.1, 0.2, 0.3, 0.5):
        fixed = "–" if at.corrected_curve is None else f"{at.corrected_curve.at(threshold):+.3f}"
        everyone = at.curve.treat_all[round(threshold * 100) - 1]
        rows.append((f"{threshold:.2f}", f"{at.curve.at(threshold):+.3f}", fixed, f"{everyone:+.3f}"))
    return [
        f"<h2>Net benefit at a prevalence of {at.prevalence:g}</h2>",
        _table(("Threshold", "Uncorrected", "Prior corrected", "Treat all"), rows),
    ]


def _confusion(report: Report) -> list[str]:
    metrics = report.evaluation.metrics
    rows = [(name, *counts) for name, counts in zip(metrics.classes, metrics.confusion, strict=True)]
    return ["<h2>True classes (rows) and predictions (columns)</h2>", _table(("", *metrics.classes), rows)]


def _subgroups(report: Report) -> list[str]:
    if not report.subgroups:
        return []
    rows = []
    for group in report.subgroups:
        counts = ", ".join(f"{count} {name}" for name, count in group.counts.items())
        found = group.metrics
        cells = ("too few images", "") if found is None else (_text(found.auroc), _text(found.accuracy))
        rows.append((f"{group.column}: {group.value}", counts, *cells))
    note = "<p>Subgroups with fewer than 10 images of a class have no figures.</p>"
    return ["<h2>Subgroups</h2>", _table(("Subgroup", "Images", "AUROC", "Accuracy"), rows), note]


def _symptoms(report: Report) -> list[str]:
    if not report.symptoms:
        return []
    rows = [
        (found.symptom, found.column, f"{found.positives} / {found.negatives}", _text(found.auroc))
        for found in report.symptoms
    ]
    head = ("Symptom", "Column", "Images with / without", "AUROC of its similarity")
    return ["<h2>Symptoms labelled by a column</h2>", _table(head, rows)]


def _comparison(report: Report) -> list[str]:
    if not report.comparison:
        return []
    rows = [(test.question, test.name, _text(test.difference), _p(test.p), _p(test.holm)) for test in report.comparison]
    head = ("Question", "Test", "Difference", "p", "p, Holm")
    title = f"<h2>Difference from {escape(report.compared_with or '')}</h2>"
    note = "<p>DeLong's and McNemar's tests treat images as independent; the intervals of the differences do not.</p>"
    return [title, _table(head, rows), note]


def _domain(report: Report) -> list[str]:
    flagged = report.evaluation.flagged
    if flagged is None:
        return []
    return [f"<p>The domain check flags {flagged:,} of {report.evaluation.metrics.n:,} images.</p>"]


def _p(value: float | None) -> str:
    if value is None:
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _cells(found: Estimate | None) -> tuple[str, str]:
    if found is None:
        return "–", "not defined"
    interval = "not given" if found.interval is None else f"{found.low:.3f} to {found.high:.3f}"
    return f"{found.value:.3f}", interval


def _text(found: Estimate | None) -> str:
    value, interval = _cells(found)
    return value if found is None or found.interval is None else f"{value} ({interval})"


def _table(head: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    cells = "".join(f"<th>{escape(str(name))}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"


def _figure(name: str, picture: bytes) -> str:
    words = escape(CAPTIONS[name])
    source = base64.b64encode(picture).decode()
    return f'<figure><img src="data:image/png;base64,{source}" alt="{words}"><figcaption>{words}</figcaption></figure>'

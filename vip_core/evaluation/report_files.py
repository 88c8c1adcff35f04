"""The folder of a report: a page, JSON, tables as CSV, and each figure as PNG and PDF."""

import csv
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

from vip_core.evaluation.plots import draw_all, pdf_bytes, png_bytes
from vip_core.evaluation.predictions import Predictions
from vip_core.evaluation.report import Report
from vip_core.evaluation.report_page import report_page
from vip_core.utils.files import atomic_together, json_bytes


def write_report(folder: Path, report: Report, predictions: Predictions) -> None:
    """Write report.html, report.json, tables as CSV, and each figure as PNG and PDF.

    Raises StorageError.
    """
    figures = draw_all(report, predictions)
    pictures = {name: png_bytes(figure) for name, figure in figures.items()}
    contents = {f"{name}.png": picture for name, picture in pictures.items()}
    contents |= {f"{name}.pdf": pdf_bytes(figure) for name, figure in figures.items()}
    contents |= {f"{name}.csv": _csv(rows) for name, rows in _tables(report).items()}
    contents["report.json"] = json_bytes({**report.to_dict(), "settings": dict(report.settings)})
    contents["report.html"] = report_page(report, pictures).encode()
    atomic_together(folder, contents)


def _tables(report: Report) -> dict[str, list[Sequence[object]]]:
    tables: dict[str, list[Sequence[object]]] = {
        "metrics": [
            ("figure", "value", "low", "high", "n"),
            *((name, e.value, e.low, e.high, e.n) for name, e in report.figures() if e is not None),
        ],
        "reliability": [
            ("lowest", "highest", "mean probability", "observed", "low", "high", "n"),
            *(
                (part.lowest, part.highest, part.mean, e.value, e.low, e.high, e.n)
                for part in report.positive.reliability
                for e in [part.observed]
            ),
        ],
    }
    if report.positive.curve is not None:
        tables["decision_curve"] = _curve_table(report)
    if report.subgroups:
        tables["subgroups"] = [
            ("column", "value", "images", "figure", "figure's value", "low", "high"),
            *(
                (group.column, group.value, sum(group.counts.values()), name, e.value, e.low, e.high)
                for group in report.subgroups
                if group.metrics is not None
                for name, e in (("AUROC", group.metrics.auroc), ("accuracy", group.metrics.accuracy))
                if e is not None
            ),
        ]
    return tables


def _curve_table(report: Report) -> list[Sequence[object]]:
    curves = {"at the images' prevalence": report.positive.curve}
    if at := report.positive.at_prevalence:
        curves |= {f"at {at.prevalence:g}": at.curve, f"at {at.prevalence:g}, prior corrected": at.corrected_curve}
    rows: list[Sequence[object]] = [("prevalence", "threshold", "net benefit", "treat all", "treat none")]
    for name, curve in curves.items():
        if curve is not None:
            points = zip(curve.thresholds, curve.model, curve.treat_all, strict=True)
            rows += [(name, f"{t:.2f}", f"{model:.5f}", f"{everyone:.5f}", 0) for t, model, everyone in points]
    return rows


def _csv(rows: list[Sequence[object]]) -> bytes:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()

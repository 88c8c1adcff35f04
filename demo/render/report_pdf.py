"""The report as a PDF: the picture, the prediction, the symptoms with bars, and the versions behind the numbers."""

import threading
from io import BytesIO
from itertools import groupby

from vip_core.scoring.diagnosis import SymptomScore

from .. import DISCLAIMER
from ..state.numbers import axis_end, number, per_cent
from ..state.report_data import DiagnosisReport
from ..state.rows import direction, signs_of
from ..state.task_view import colours_of, scope_of
from .answer_words import (
    cutoff_words,
    mix_words,
    nearest_words,
    prevalence_words,
    refusal_words,
    side_words,
    stability_words,
)
from .cards import OUT_OF_DISTRIBUTION, how_far_to_trust
from .pdf_page import BOTTOM, LINE, MARGIN, PAGE_HEIGHT, PAGE_INK, PAGE_MUTED, PAGE_WIDTH, ReportPage

PICTURE = 68  # mm, the longer side at most
SIZE = 8.5  # points, of the table's text
TOWARDS = "Towards"  # the class's name follows
COLUMNS = {  # left end and width, mm
    "Symptom": (15, 86),
    "Similarity": (104, 31),
    "": (136, 12),
    "Percentile": (149, 21),
    TOWARDS: (171, 24),
}
TRACK, WARNING = "#d8dce2", "#b42318"

_WRITING = threading.Lock()  # fontTools promises nothing about threads


def report_pdf(report: DiagnosisReport) -> bytes:
    """The report as a PDF: one page for usual lists, further pages for long ones."""
    with _WRITING:
        page = ReportPage(_foot(report), report.made, direction(report.view.task, report.view.diagnosis)[0])
        _top(page, report)
        _meaning(page, report)
        _note(page, report.note)
        if report.view.in_domain:
            _table(page, report)
        _removed(page, report)
        return bytes(page.output())


def _foot(report: DiagnosisReport) -> str:
    made = report.versions
    trained = f", trained {made['checkpoint_date'][:10]}" if made["checkpoint_date"] else ""
    backbone = " ".join(filter(None, (made["backbone"], made["backbone_pretrained"])))
    return (
        f"vip_core {made['vip_core']}; checkpoint {made['checkpoint']}{trained}; backbone {backbone}, fingerprint "
        f"{made['backbone_fingerprint']}. Made {report.date}."
    )


def _top(page: ReportPage, report: DiagnosisReport) -> None:
    """Title and date; the picture, and beside it the prediction."""
    page.write_text("Visual symptom report", 16, style="B")
    page.write_text(f"{report.date}.  {DISCLAIMER}", 9, PAGE_MUTED, "B")
    page.ln(3)
    top = page.get_y()
    x, bottom = MARGIN, top
    if report.picture is not None:
        width, height = report.picture.size
        scale = PICTURE / max(width, height)
        buffer = BytesIO()
        report.picture.save(buffer, "JPEG", quality=90)  # the pixels alone
        page.image(buffer, MARGIN, top, width * scale, height * scale, alt_text="The image")
        x, bottom = MARGIN + width * scale + 7, top + height * scale
    page.set_y(top)

    def beside(text: str, size: float, colour: str = PAGE_INK, style: str = "") -> None:
        page.write_text(text, size, colour, style, x=x, width=PAGE_WIDTH - MARGIN - x)

    view, diagnosis, answer = report.view, report.view.diagnosis, report.answer
    beside(view.task.label, 10, PAGE_MUTED)
    beside(f"Method: {report.method}", 9, PAGE_MUTED)
    page.ln(2)
    if view.in_domain:
        if answer is not None and view.task.predictor.vip.card is not None:
            beside(f"{answer.name} {per_cent(answer.probability)}", 18, style="B")
            beside(side_words(answer), 10, WARNING if answer.side == "above" else PAGE_INK, "B")
            page.ln(1)
        else:
            beside(diagnosis.prediction, 18, style="B")
        for name, value in sorted(diagnosis.probabilities.items(), key=lambda item: -item[1]):
            style = "B" if name == diagnosis.prediction else ""
            beside(f"{per_cent(value)}  {name}", 10, style=style)
        page.ln(1)
        if answer is not None and answer.prevalence is not None:
            beside("These two are as calibrated, without the clinic's prevalence.", 8, PAGE_MUTED)
        if view.edited:
            first = view.original.prediction
            share = per_cent(view.original.probabilities[first])
            beside(f"With the original lists: {first}, {share}.", 9)
    else:
        beside(OUT_OF_DISTRIBUTION, 14, WARNING, "B")
    page.ln(2)
    beside(_domain(report), 8.5, PAGE_MUTED)
    page.set_y(max(page.get_y(), bottom) + 4)


def _domain(report: DiagnosisReport) -> str:
    domain = report.view.diagnosis.domain
    if domain is None:
        return "Domain check: none, because the model has no reference images."
    found = domain.reason or "This image resembles the reference images."
    numbers = f"distance {domain.score:.3f}, threshold {domain.threshold:.3f}"
    return f"Domain check: {found[0].lower()}{found[1:].removesuffix('.')} ({numbers})."


def _meaning(page: ReportPage, report: DiagnosisReport) -> None:
    """What the page says under its answer, and which images the model is for."""
    view, answer = report.view, report.answer
    if view.in_domain:
        trust = [how_far_to_trust(view), mix_words(view), cutoff_words(view)]
        doubts = [nearest_words(view), stability_words(view, report.doubt)]
        paragraphs = [" ".join(filter(None, trust)), " ".join(filter(None, doubts))]
        paragraphs.insert(0, "" if answer is None else prevalence_words(answer))
    else:
        paragraphs = [refusal_words(view), "The scores of the symptoms are omitted because they would be meaningless."]
    for text in filter(None, [*paragraphs, f"Scope: {scope_of(view.task)}"]):
        page.write_text(text, 8.5)
        page.ln(0.8)
    page.ln(1.5)


def _note(page: ReportPage, note: str) -> None:
    if note:
        page.write_text("Note", 9, style="B")
        page.write_text(note, 9)
        page.ln(3)


def _table(page: ReportPage, report: DiagnosisReport) -> None:
    """One row per symptom, class after class; the column names are repeated on each page."""
    view = report.view
    diagnosis, axis = view.diagnosis, view.task.similarity_axis(view.mode)
    towards, against = direction(view.task, diagnosis)
    signs = signs_of(view.task, diagnosis)
    page.write_text(
        f"{_lists(report)} Similarity: between the image and the symptom’s text, axis from {axis_end(axis[0])} to "
        f"{axis_end(axis[1])}. Percentile: the percentage of reference images that are less similar. Towards "
        f"{towards}: how much the symptom adds to the logit of {towards} minus that of {against}; negative is towards "
        f"{against}.",
        8,
        PAGE_MUTED,
    )
    _head(page)
    rows = zip(diagnosis.symptoms, report.edits, _remarks(report), strict=True)
    colours = colours_of(view.task)
    for index, (name, group) in enumerate(groupby(rows, lambda row: row[0].class_name)):
        colour = colours[index % len(colours)]
        _room(page, 6 + 3 * LINE)
        page.ln(1)
        page.write_text(name, 10, colour, "B")
        for score, edit, remark in group:
            _row(page, score, edit, remark, axis, colour, signs[name])
        if signs[name]:
            _room(page, LINE + 1)
            term = number(signs[name] * diagnosis.class_terms[name], plus="+")
            page.write_text(f"Term of the class, not explained by any symptom: {term}.", 8, PAGE_MUTED, line=LINE)
    _room(page, LINE + 1)
    total = number(diagnosis.logits[towards] - diagnosis.logits[against], plus="+")
    page.write_text(f"Together, these terms add up to {total} towards {towards}.", 8, PAGE_MUTED, line=LINE)


def _remarks(report: DiagnosisReport) -> list[str]:
    """What is printed below each symptom: its text before the edit, and the reader's own finding."""
    findings = report.view.findings or (None,) * len(report.was)
    said = {"seen": "your finding: seen", "absent": "your finding: not seen", None: ""}
    return [
        ". ".join(filter(None, (f"was: {was}" if was else "", said[finding])))
        for was, finding in zip(report.was, findings, strict=True)
    ]


def _row(
    page: ReportPage,
    score: SymptomScore,
    edit: str | None,
    remark: str,
    axis: tuple[float, float],
    colour: str,
    sign: int,
) -> None:
    """A symptom with its bar and numbers; an edited one in bold, with a remark below.

    sign: of its term in the decision; 0 where its class is neither the shown one nor the strongest other.
    """
    x, width = COLUMNS["Symptom"]
    style = "B" if edit in ("added", "reworded") else ""
    text = f"+ {score.symptom}" if style else score.symptom
    lines = page.lines(text, SIZE, style, width) + (page.lines(remark, SIZE, "", width) if remark else 0)
    _room(page, LINE * lines + 1.2)
    top = page.get_y()
    page.write_text(text, SIZE, style=style, width=width, line=LINE)
    if remark:
        page.write_text(remark, SIZE, PAGE_MUTED, width=width, line=LINE)
    below = page.get_y() + 1.2
    _bar(page, top, score.similarity, axis, colour)
    percentile = "–" if score.percentile is None else f"{score.percentile:.0f}"
    towards = number(sign * score.contribution, plus="+") if sign else "–"
    numbers = (number(score.similarity), percentile, towards)
    for (x, width), text in zip(list(COLUMNS.values())[2:], numbers, strict=True):
        page.set_y(top)
        page.write_text(text, SIZE, x=x, width=width, line=LINE, align="R")
    page.set_y(below)


def _lists(report: DiagnosisReport) -> str:
    if None in report.edits:
        return "The class names alone, without symptoms."
    if report.view.edited:
        return "The symptom lists were edited: “+” and bold type mark symptoms that are not in the original lists."
    return "The original symptom lists."


def _removed(page: ReportPage, report: DiagnosisReport) -> None:
    """The lines that were removed from the original lists."""
    if report.removed:
        page.ln(2)
        _room(page, 5 + LINE)
        page.write_text("Removed from the original lists", 9, style="B")
        for name, line in report.removed:
            page.write_text(f"− {line} ({name})", SIZE, PAGE_MUTED, line=LINE)


def _head(page: ReportPage) -> None:
    top = page.get_y() + 1.5
    for column, (x, width) in COLUMNS.items():
        title = f"{TOWARDS} {page.towards}" if column == TOWARDS else column
        page.set_y(top)
        page.write_text(
            title, 8, PAGE_MUTED, "B", x=x, width=width, align="L" if title in ("Symptom", "Similarity") else "R"
        )
    page.set_draw_color(TRACK)
    page.line(MARGIN, page.get_y() + 0.5, PAGE_WIDTH - MARGIN, page.get_y() + 0.5)
    page.set_y(page.get_y() + 1)


def _room(page: ReportPage, height: float) -> None:
    """Start another page where `height` mm do not fit on this one."""
    if page.get_y() + height > PAGE_HEIGHT - BOTTOM:
        page.add_page()
        _head(page)


def _bar(page: ReportPage, top: float, value: float, axis: tuple[float, float], colour: str) -> None:
    x, width = COLUMNS["Similarity"]
    low, high = axis
    zero, end = ((min(max(end, low), high) - low) / (high - low) * width for end in (0, value))
    page.set_fill_color(TRACK)
    page.rect(x, top + 1, width, 2.2, "F")
    page.set_fill_color(colour)
    page.rect(x + min(zero, end), top + 1, abs(end - zero), 2.2, "F")
    page.set_fill_color(PAGE_MUTED)
    page.rect(x + zero - 0.15, top + 0.5, 0.3, 3.2, "F")

"""The report as a PDF: a picture, the reading, the symptoms with their bars, and what the numbers rest on."""

import threading
from functools import cache
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
from fontTools.ttLib import TTFont
from fpdf import FPDF

from demo.render.cards import DISCLAIMER, UNLIKE, how_far_to_trust, per_cent
from demo.render.charts import COLOURS
from vip_core.scoring.diagnosis import SymptomScore

if TYPE_CHECKING:
    from demo.sections.report import Report

FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"  # DejaVu Sans comes with matplotlib
FACES = {"": "DejaVuSans.ttf", "B": "DejaVuSans-Bold.ttf"}
MISSING = "\ufffd"  # stands for a character that the font has not
MARGIN, BOTTOM = 15, 24  # mm
WIDTH, HEIGHT = 210, 297  # A4
PICTURE = 68  # mm, the longer side at most
SIZE, LINE = 8.5, 4.1  # of the table's text: points, and mm from line to line
COLUMNS = {  # left end and width, mm
    "Symptom": (15, 86),
    "Similarity": (104, 31),
    "": (136, 12),
    "Percentile": (149, 21),
    "Contribution": (171, 24),
}
INK, MUTED, TRACK, WARNING = "#1b1f24", "#4b5563", "#d8dce2", "#b42318"

_WRITING = threading.Lock()  # fontTools promises nothing about threads


def report_pdf(report: "Report") -> bytes:
    """The report as a PDF: one page for usual lists, further pages for long ones."""
    with _WRITING:
        page = _Page(report)
        _top(page, report)
        _note(page, report.note)
        _table(page, report)
        _removed(page, report)
        return bytes(page.output())


class _Page(FPDF):
    """An A4 page with a foot that says what made the numbers, on every page."""

    def __init__(self, report: "Report"):
        super().__init__("P", "mm", "A4")
        for style, file in FACES.items():
            self.add_font("text", style, FONTS / file)
        self.set_title("Report of visual symptoms")
        self.set_creator("vip_core")
        self.set_creation_date(report.made)
        self.set_margin(MARGIN)
        self.c_margin = 0  # text begins where pictures and lines do
        self.set_auto_page_break(True, BOTTOM)
        self._foot = _foot(report)
        self._lacking = False
        self.add_page()

    def footer(self) -> None:
        """Called by fpdf2 at the end of each page."""
        self.set_y(-BOTTOM + 5)
        missing = f" “{MISSING}” stands for a character that this font lacks." if self._lacking else ""
        self.write_text(self._foot + missing, 7, MUTED, line=3.4)
        self.write_text(f"{DISCLAIMER} Page {self.page_no()} of {{nb}}", 7, MUTED, "B", line=3.4)

    def write_text(
        self,
        text: str,
        size: float,
        colour: str = INK,
        style: str = "",
        x: float = MARGIN,
        width: float = WIDTH - 2 * MARGIN,
        line: float | None = None,
        align: str = "L",
    ) -> None:
        """Text at `x`, wrapped to `width` mm, and the place below it."""
        self.set_font("text", style, size)
        self.set_text_color(colour)
        self.set_x(x)
        shown = writable(text, style)
        self._lacking |= shown != text
        self.multi_cell(width, line or size * 0.46, shown, align=align, new_x="LMARGIN", new_y="NEXT")

    def lines(self, text: str, size: float, style: str, width: float) -> int:
        """The number of lines that `text` takes."""
        self.set_font("text", style, size)
        return len(self.multi_cell(width, LINE, writable(text, style), dry_run=True, output="LINES"))


def writable(text: str, style: str = "") -> str:
    """`text` as the font can show it; what it lacks becomes a mark, so that nobody takes it for complete."""
    known = _characters(style)
    return "".join(char if char == "\n" or ord(char) in known else MISSING for char in text)


@cache
def _characters(style: str) -> frozenset[int]:
    return frozenset(TTFont(FONTS / FACES[style], lazy=True).getBestCmap())


def _foot(report: "Report") -> str:
    made = report.versions
    trained = f", trained {made['checkpoint_date'][:10]}" if made["checkpoint_date"] else ""
    backbone = " ".join(filter(None, (made["backbone"], made["backbone_pretrained"])))
    return (
        f"vip_core {made['vip_core']}; checkpoint {made['checkpoint']}{trained}; backbone {backbone}, fingerprint "
        f"{made['backbone_fingerprint']}. Made {report.date}."
    )


def _top(page: _Page, report: "Report") -> None:
    """Title and date; the picture, and beside it the reading."""
    page.write_text("Report of visual symptoms", 16, style="B")
    page.write_text(f"{report.date}.  {DISCLAIMER}", 9, MUTED, "B")
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
    right = {"x": x, "width": WIDTH - MARGIN - x}
    reading, diagnosis = report.reading, report.reading.diagnosis
    page.write_text(reading.task.label, 10, MUTED, **right)
    page.write_text(f"Method: {report.method}", 9, MUTED, **right)
    page.ln(2)
    if reading.in_domain:
        page.write_text(diagnosis.prediction, 18, style="B", **right)
        for name, value in sorted(diagnosis.probabilities.items(), key=lambda item: -item[1]):
            style = "B" if name == diagnosis.prediction else ""
            page.write_text(f"{per_cent(value)}  {name}", 10, style=style, **right)
        page.ln(1)
        if reading.edited:
            first = reading.original.prediction
            share = per_cent(reading.original.probabilities[first])
            page.write_text(f"With the original lists: {first}, {share}.", 9, **right)
        page.write_text(how_far_to_trust(reading), 8, MUTED, **right)
    else:
        page.write_text(UNLIKE, 14, WARNING, "B", **right)
        page.write_text(f"It must choose a class, and says “{diagnosis.prediction}”.", 10, **right)
    page.ln(2)
    page.write_text(_domain(report), 8.5, MUTED, **right)
    page.set_y(max(page.get_y(), bottom) + 4)


def _domain(report: "Report") -> str:
    domain = report.reading.diagnosis.domain
    if domain is None:
        return "Domain check: none, as the model has no reference images."
    found = "like" if domain.in_domain else "unlike"
    return (
        f"Domain check: the image is {found} the reference images (distance {domain.score:.3f}, "
        f"threshold {domain.threshold:.3f})."
    )


def _note(page: _Page, note: str) -> None:
    if note:
        page.write_text("Note", 9, style="B")
        page.write_text(note, 9)
        page.ln(3)


def _table(page: _Page, report: "Report") -> None:
    """A row a symptom, class after class; a page that ends has its column names on the next again."""
    reading = report.reading
    diagnosis, axis = reading.diagnosis, reading.task.similarity_axis(reading.mode)
    page.write_text(
        f"{_lists(report)} Similarity: of the image with the symptom’s text, on an axis from {_number(axis[0], 1)} to "
        f"{_number(axis[1], 1)}. Percentile: per cent of the reference images that are less similar. Contribution: its "
        "part of the class’s logit.",
        8,
        MUTED,
    )
    _head(page)
    rows = zip(diagnosis.symptoms, report.edits, report.was, strict=True)
    for index, (name, group) in enumerate(groupby(rows, lambda row: row[0].class_name)):
        colour = COLOURS[index % len(COLOURS)]
        _room(page, 6 + 3 * LINE)
        page.ln(1)
        page.write_text(name, 10, colour, "B")
        for score, edit, was in group:
            _row(page, score, edit, was, axis, colour)
        _room(page, LINE + 1)
        page.write_text(
            f"Class term {_number(diagnosis.class_terms[name], plus='+')}; with the contributions of its symptoms it "
            f"makes the logit {_number(diagnosis.logits[name], plus='+')}.",
            8,
            MUTED,
            line=LINE,
        )


def _row(
    page: _Page, score: SymptomScore, edit: str | None, was: str | None, axis: tuple[float, float], colour: str
) -> None:
    """A symptom with its bar and numbers; what was edited in bold, with what it was."""
    x, width = COLUMNS["Symptom"]
    style = "B" if edit in ("added", "reworded") else ""
    text = f"+ {score.symptom}" if style else score.symptom
    lines = page.lines(text, SIZE, style, width) + (page.lines(f"was: {was}", SIZE, "", width) if was else 0)
    _room(page, LINE * lines + 1.2)
    top = page.get_y()
    page.write_text(text, SIZE, style=style, width=width, line=LINE)
    if was:
        page.write_text(f"was: {was}", SIZE, MUTED, width=width, line=LINE)
    below = page.get_y() + 1.2
    _bar(page, top, score.similarity, axis, colour)
    percentile = "–" if score.percentile is None else f"{score.percentile:.0f}"
    numbers = (_number(score.similarity), percentile, _number(score.contribution, plus="+"))
    for (x, width), number in zip(list(COLUMNS.values())[2:], numbers, strict=True):
        page.set_y(top)
        page.write_text(number, SIZE, x=x, width=width, line=LINE, align="R")
    page.set_y(below)


def _lists(report: "Report") -> str:
    if None in report.edits:
        return "The class names alone, without symptoms."
    if report.reading.edited:
        return "The symptom lists were edited: “+” and bold mark what the original lists have not."
    return "The original symptom lists."


def _removed(page: _Page, report: "Report") -> None:
    """What the original lists had besides."""
    if report.removed:
        page.ln(2)
        _room(page, 5 + LINE)
        page.write_text("Removed from the original lists", 9, style="B")
        for name, line in report.removed:
            page.write_text(f"− {line} ({name})", SIZE, MUTED, line=LINE)


def _head(page: _Page) -> None:
    top = page.get_y() + 1.5
    for title, (x, width) in COLUMNS.items():
        page.set_y(top)
        page.write_text(
            title, 8, MUTED, "B", x=x, width=width, align="L" if title in ("Symptom", "Similarity") else "R"
        )
    page.set_draw_color(TRACK)
    page.line(MARGIN, page.get_y() + 0.5, WIDTH - MARGIN, page.get_y() + 0.5)
    page.set_y(page.get_y() + 1)


def _room(page: _Page, height: float) -> None:
    """Go on on another page where `height` mm have no room on this one."""
    if page.get_y() + height > HEIGHT - BOTTOM:
        page.add_page()
        _head(page)


def _bar(page: _Page, top: float, value: float, axis: tuple[float, float], colour: str) -> None:
    x, width = COLUMNS["Similarity"]
    low, high = axis
    zero, end = ((min(max(number, low), high) - low) / (high - low) * width for number in (0, value))
    page.set_fill_color(TRACK)
    page.rect(x, top + 1, width, 2.2, "F")
    page.set_fill_color(colour)
    page.rect(x + min(zero, end), top + 1, abs(end - zero), 2.2, "F")
    page.set_fill_color(MUTED)
    page.rect(x + zero - 0.15, top + 0.5, 0.3, 3.2, "F")


def _number(value: float, digits: int = 2, plus: str = "") -> str:
    value = round(value, digits) + 0.0
    return f"{'−' if value < 0 else plus if value > 0 else ''}{abs(value):.{digits}f}"

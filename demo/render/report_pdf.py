"""The report as a PDF: the picture, the prediction, the symptoms with bars, and the versions behind the numbers."""

import threading
import unicodedata
from functools import cache
from io import BytesIO
from itertools import groupby
from pathlib import Path

import matplotlib
from fontTools.ttLib import TTFont
from fpdf import FPDF

from vip_core.scoring.diagnosis import SymptomScore

from .. import DISCLAIMER
from ..render.charts import COLOURS
from ..state.report_data import DiagnosisReport
from .cards import OUT_OF_DISTRIBUTION, forced_choice, how_far_to_trust
from .numbers import axis_end, number, per_cent

FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"  # DejaVu Sans comes with matplotlib
FACES = {"": "DejaVuSans.ttf", "B": "DejaVuSans-Bold.ttf"}
MISSING = "\ufffd"  # marks a character that the font lacks
PAGES = "{number of pages}"  # fpdf2 puts the number in its place; in other texts it is taken apart
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


def report_pdf(report: DiagnosisReport) -> bytes:
    """The report as a PDF: one page for usual lists, further pages for long ones."""
    with _WRITING:
        page = _Page(report)
        _top(page, report)
        _note(page, report.note)
        _table(page, report)
        _removed(page, report)
        return bytes(page.output())


class _Page(FPDF):
    """A4 pages, each with a footer that names what made the numbers."""

    def __init__(self, report: DiagnosisReport):
        super().__init__("P", "mm", "A4")
        for style, file in FACES.items():
            self.add_font("text", style, FONTS / file)
        self.alias_nb_pages(PAGES)
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
        missing = f" “{MISSING}” marks a character that is missing in this font." if self._lacking else ""
        self.write_text(self._foot + missing, 7, MUTED, line=3.4)
        self.write_text(f"{DISCLAIMER} Page {self.page_no()} of {PAGES}", 7, MUTED, "B", line=3.4)

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
        shown = writable(text if text.startswith(DISCLAIMER) else text.replace(PAGES, "{ number of pages }"), style)
        self._lacking |= shown != text
        self.multi_cell(width, line or size * 0.46, shown, align=align, new_x="LMARGIN", new_y="NEXT")

    def lines(self, text: str, size: float, style: str, width: float) -> int:
        """The number of lines that `text` takes."""
        self.set_font("text", style, size)
        lines = self.multi_cell(width, LINE, writable(text, style), dry_run=True, output="LINES")
        return len(lines) if isinstance(lines, list) else 1


def writable(text: str, style: str = "") -> str:
    """`text` as the font can show it; a character that it lacks becomes a visible mark."""
    known = _characters(style)
    shown = "".join(char for char in text if char == "\n" or unicodedata.category(char) != "Cf")  # turns or hides text
    return "".join(char if char == "\n" or ord(char) in known else MISSING for char in shown)


@cache
def _characters(style: str) -> frozenset[int]:
    return frozenset(TTFont(FONTS / FACES[style], lazy=True).getBestCmap() or ())


def _foot(report: DiagnosisReport) -> str:
    made = report.versions
    trained = f", trained {made['checkpoint_date'][:10]}" if made["checkpoint_date"] else ""
    backbone = " ".join(filter(None, (made["backbone"], made["backbone_pretrained"])))
    return (
        f"vip_core {made['vip_core']}; checkpoint {made['checkpoint']}{trained}; backbone {backbone}, fingerprint "
        f"{made['backbone_fingerprint']}. Made {report.date}."
    )


def _top(page: _Page, report: DiagnosisReport) -> None:
    """Title and date; the picture, and beside it the prediction."""
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

    def beside(text: str, size: float, colour: str = INK, style: str = "") -> None:
        page.write_text(text, size, colour, style, x=x, width=WIDTH - MARGIN - x)

    view, diagnosis = report.view, report.view.diagnosis
    beside(view.task.label, 10, MUTED)
    beside(f"Method: {report.method}", 9, MUTED)
    page.ln(2)
    if view.in_domain:
        beside(diagnosis.prediction, 18, style="B")
        for name, value in sorted(diagnosis.probabilities.items(), key=lambda item: -item[1]):
            style = "B" if name == diagnosis.prediction else ""
            beside(f"{per_cent(value)}  {name}", 10, style=style)
        page.ln(1)
        if view.edited:
            first = view.original.prediction
            share = per_cent(view.original.probabilities[first])
            beside(f"With the original lists: {first}, {share}.", 9)
        beside(how_far_to_trust(view), 8, MUTED)
    else:
        beside(OUT_OF_DISTRIBUTION, 14, WARNING, "B")
        beside(forced_choice(diagnosis.prediction), 10)
    page.ln(2)
    beside(_domain(report), 8.5, MUTED)
    page.set_y(max(page.get_y(), bottom) + 4)


def _domain(report: DiagnosisReport) -> str:
    domain = report.view.diagnosis.domain
    if domain is None:
        return "Domain check: none, because the model has no reference images."
    found = "resembles" if domain.in_domain else "does not resemble"
    return (
        f"Domain check: the image {found} the reference images (distance {domain.score:.3f}, "
        f"threshold {domain.threshold:.3f})."
    )


def _note(page: _Page, note: str) -> None:
    if note:
        page.write_text("Note", 9, style="B")
        page.write_text(note, 9)
        page.ln(3)


def _table(page: _Page, report: DiagnosisReport) -> None:
    """One row per symptom, class after class; the column names are repeated on each page."""
    view = report.view
    diagnosis, axis = view.diagnosis, view.task.similarity_axis(view.mode)
    page.write_text(
        f"{_lists(report)} Similarity: between the image and the symptom’s text, axis from {axis_end(axis[0])} to "
        f"{axis_end(axis[1])}. Percentile: the percentage of reference images that are less similar. Contribution: the "
        "symptom’s term of the class’s logit.",
        8,
        MUTED,
    )
    _head(page)
    rows = zip(diagnosis.symptoms, report.edits, _remarks(report), strict=True)
    for index, (name, group) in enumerate(groupby(rows, lambda row: row[0].class_name)):
        colour = COLOURS[index % len(COLOURS)]
        _room(page, 6 + 3 * LINE)
        page.ln(1)
        page.write_text(name, 10, colour, "B")
        for score, edit, remark in group:
            _row(page, score, edit, remark, axis, colour)
        _room(page, LINE + 1)
        page.write_text(
            f"Class term {number(diagnosis.class_terms[name], plus='+')}; added to the "
            f"contributions of the symptoms, it gives the logit {number(diagnosis.logits[name], plus='+')}.",
            8,
            MUTED,
            line=LINE,
        )


def _remarks(report: DiagnosisReport) -> list[str]:
    """What is printed below each symptom: its text before the edit, and the reader's own finding."""
    findings = report.view.findings or (None,) * len(report.was)
    said = {"seen": "your finding: seen", "absent": "your finding: not seen", None: ""}
    return [
        ". ".join(filter(None, (f"was: {was}" if was else "", said[finding])))
        for was, finding in zip(report.was, findings, strict=True)
    ]


def _row(
    page: _Page, score: SymptomScore, edit: str | None, remark: str, axis: tuple[float, float], colour: str
) -> None:
    """A symptom with its bar and numbers; an edited one in bold, with a remark below."""
    x, width = COLUMNS["Symptom"]
    style = "B" if edit in ("added", "reworded") else ""
    text = f"+ {score.symptom}" if style else score.symptom
    lines = page.lines(text, SIZE, style, width) + (page.lines(remark, SIZE, "", width) if remark else 0)
    _room(page, LINE * lines + 1.2)
    top = page.get_y()
    page.write_text(text, SIZE, style=style, width=width, line=LINE)
    if remark:
        page.write_text(remark, SIZE, MUTED, width=width, line=LINE)
    below = page.get_y() + 1.2
    _bar(page, top, score.similarity, axis, colour)
    percentile = "–" if score.percentile is None else f"{score.percentile:.0f}"
    numbers = (number(score.similarity), percentile, number(score.contribution, plus="+"))
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


def _removed(page: _Page, report: DiagnosisReport) -> None:
    """The lines that were removed from the original lists."""
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
    """Start another page where `height` mm do not fit on this one."""
    if page.get_y() + height > HEIGHT - BOTTOM:
        page.add_page()
        _head(page)


def _bar(page: _Page, top: float, value: float, axis: tuple[float, float], colour: str) -> None:
    x, width = COLUMNS["Similarity"]
    low, high = axis
    zero, end = ((min(max(end, low), high) - low) / (high - low) * width for end in (0, value))
    page.set_fill_color(TRACK)
    page.rect(x, top + 1, width, 2.2, "F")
    page.set_fill_color(colour)
    page.rect(x + min(zero, end), top + 1, abs(end - zero), 2.2, "F")
    page.set_fill_color(MUTED)
    page.rect(x + zero - 0.15, top + 0.5, 0.3, 3.2, "F")

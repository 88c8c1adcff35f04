"""A page of the report's PDF: its fonts, its footer, and text that the font can show."""

import unicodedata
from datetime import datetime
from functools import cache
from pathlib import Path

import matplotlib
from fontTools.ttLib import TTFont
from fpdf import FPDF

from .. import DISCLAIMER

FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"  # DejaVu Sans comes with matplotlib
FACES = {"": "DejaVuSans.ttf", "B": "DejaVuSans-Bold.ttf"}
MISSING = "\ufffd"  # marks a character that the font lacks
PAGES = "{number of pages}"  # fpdf2 puts the number in its place; in other texts it is taken apart
MARGIN, BOTTOM = 15, 24  # mm
PAGE_WIDTH, PAGE_HEIGHT = 210, 297  # A4
LINE = 4.1  # mm, from line to line of the table
PAGE_INK, PAGE_MUTED = "#1b1f24", "#4b5563"


class ReportPage(FPDF):
    """A4 pages, each with a footer that names what made the numbers."""

    def __init__(self, foot: str, made: datetime, towards: str):
        super().__init__("P", "mm", "A4")
        for style, file in FACES.items():
            self.add_font("text", style, FONTS / file)
        self.alias_nb_pages(PAGES)
        self.set_title("Visual symptom report")
        self.set_creator("vip_core")
        self.set_creation_date(made)
        self.set_margin(MARGIN)
        self.c_margin = 0  # text begins where pictures and lines do
        self.set_auto_page_break(True, BOTTOM)
        self._foot = foot
        self.towards = towards  # the class that the table's last column counts towards
        self._lacking = False
        self.add_page()

    def footer(self) -> None:
        """Called by fpdf2 at the end of each page."""
        self.set_y(-BOTTOM + 5)
        missing = f" “{MISSING}” marks a character that is missing in this font." if self._lacking else ""
        self.write_text(self._foot + missing, 7, PAGE_MUTED, line=3.4)
        self.write_text(f"{DISCLAIMER} Page {self.page_no()} of {PAGES}", 7, PAGE_MUTED, "B", line=3.4)

    def write_text(
        self,
        text: str,
        size: float,
        colour: str = PAGE_INK,
        style: str = "",
        x: float = MARGIN,
        width: float = PAGE_WIDTH - 2 * MARGIN,
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

"""Drawing: charts laid out in pixels, matplotlib Figures, both as SVG, and text wrapping."""

import re
import unicodedata
import warnings
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from threading import Lock
from xml.sax.saxutils import escape

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ft2font import LoadFlags
from matplotlib.patches import Rectangle

WIDTH = 360  # pixels; shown 340 (a phone) to 420 wide, so that the smallest text has 12 or more on the screen
TITLE, BODY, SMALL = 15.0, 13.5, 13.0  # pixels
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")  # Okabe and Ito: fit for the colour-blind
INK, MUTED, TRACK, WARNING = "#1b1f24", "#4b5563", "#d8dce2", "#9f1c12"
MAX_LINES = 3  # of a symptom; the table has the whole of it
LEFT_TO_RIGHT = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])  # characters that would undo it

SPACES = re.compile(r"[^\S\u00a0]+")  # at which a line may end

_DRAWING = Lock()  # matplotlib promises nothing about threads
# The browser draws the text with its own fonts, so a glyph that matplotlib's font lacks does no harm.
warnings.filterwarnings("ignore", message=r"Glyph \d+ .*missing from font", category=UserWarning)


@dataclass(frozen=True)
class Box:
    """A rectangle, filled or as an outline."""

    x: float
    y: float
    width: float
    height: float
    colour: str
    outline: bool = False


@dataclass(frozen=True)
class Words:
    """A line of text; y is its baseline, x its left end, middle or right end."""

    x: float
    y: float
    text: str
    size: float
    colour: str
    bold: bool = False
    align: str = "left"


@dataclass(frozen=True)
class Chart:
    """What is drawn, in pixels from the upper left corner, 360 wide."""

    height: float
    boxes: tuple[Box, ...]
    words: tuple[Words, ...]


def chart_svg(chart: Chart) -> bytes:
    """The chart as SVG, its text as text: sharp on any screen, and many times faster than matplotlib's."""
    anchors = {"left": "start", "center": "middle", "right": "end"}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{chart.height:g}" '
        f'viewBox="0 0 {WIDTH} {chart.height:g}" font-family="system-ui, sans-serif">'
    ]
    for box in chart.boxes:
        paint = f'fill="none" stroke="{box.colour}" stroke-width="1.5"' if box.outline else f'fill="{box.colour}"'
        parts.append(f'<rect x="{box.x:.2f}" y="{box.y:g}" width="{box.width:.2f}" height="{box.height}" {paint}/>')
    for text in chart.words:
        weight = ' font-weight="bold"' if text.bold else ""
        parts.append(
            f'<text x="{text.x:.2f}" y="{text.y:g}" font-size="{text.size:g}px" fill="{text.colour}"{weight} '
            f'text-anchor="{anchors[text.align]}">{escape(text.text)}</text>'
        )
    return "".join([*parts, "</svg>"]).encode()


def chart_png(chart: Chart, scale: float = 2.0) -> bytes:
    """The chart as a PNG, `scale` pixels per pixel of the chart."""
    figure = Figure(figsize=(WIDTH / 100, chart.height / 100), dpi=100 * scale)
    canvas = figure.add_axes((0, 0, 1, 1))
    canvas.set(xlim=(0, WIDTH), ylim=(chart.height, 0))
    canvas.axis("off")
    for box in chart.boxes:
        face, edge = ("none", box.colour) if box.outline else (box.colour, "none")
        canvas.add_patch(Rectangle((box.x, box.y), box.width, box.height, facecolor=face, edgecolor=edge))
    for text in chart.words:
        points = text.size * 72 / 100  # sizes are pixels of a chart that is drawn at 100 per inch
        weight = "bold" if text.bold else "normal"
        words = text.text.replace("$", r"\$")  # else matplotlib reads it as mathematics
        canvas.text(text.x, text.y, words, size=points, color=text.colour, weight=weight, ha=text.align, va="baseline")
    buffer = BytesIO()
    with _DRAWING:
        figure.savefig(buffer, format="png")
    return buffer.getvalue()


def svg(figure: Figure) -> bytes:
    """A figure as SVG, its text as text: a tenth of the time and size of a PNG, and sharp on any screen."""
    buffer = BytesIO()
    with _DRAWING, rc_context({"svg.fonttype": "none", "svg.hashsalt": "vip"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def wrap(text: str, width: float, size: float, most: int = MAX_LINES) -> list[str]:
    """`text` as at most `most` lines of `width` pixels; what does not fit ends in an ellipsis.

    Characters that would break the picture or turn the direction of writing are left out.
    """
    text = "".join(" " if unicodedata.category(char) in ("Cc", "Cs", "Cn", "Zl", "Zp") else char for char in text)
    room = width / size  # in ems
    lines, line, used = [], "", 0.0
    for word in filter(None, SPACES.split(text.translate(LEFT_TO_RIGHT))):
        wide = sum(map(_advance, word))
        if line and used + _advance(" ") + wide > room:
            lines.append(line)
            line, used = "", 0.0
        elif line:
            line, used = line + " ", used + _advance(" ")
        for char in word:  # a word longer than a line is broken
            if used + _advance(char) > room:
                lines.append(line)
                line, used = "", 0.0
            line, used = line + char, used + _advance(char)
    lines.append(line)
    if len(lines) > most:
        last = lines[most - 1]
        while last and sum(map(_advance, last + "…")) > room:
            last = last[:-1]
        lines = [*lines[: most - 1], last.rstrip() + "…"]
    return lines


@cache
def _advance(char: str) -> float:
    """Width of a character in ems: of matplotlib's own font, which is wider than most."""
    font = get_font(findfont(FontProperties()))
    if not font.get_char_index(ord(char)):
        return 0.0 if unicodedata.combining(char) else 1.0
    font.set_size(1000, 72)
    return font.load_char(ord(char), flags=LoadFlags.NO_HINTING).linearHoriAdvance / 65536 / 1000

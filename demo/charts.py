"""The bar chart of a diagnosis: a matplotlib Figure by the object interface, and that figure as SVG for the page."""

import unicodedata
import warnings
from functools import cache
from io import BytesIO
from itertools import groupby
from threading import Lock

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ft2font import LoadFlags
from matplotlib.patches import Rectangle

from vip_core.predictor import Diagnosis, SymptomScore

WIDTH = 360  # pixels; shown 340 (a phone) to 420 wide, so that the smallest text has 12 or more on the screen
TITLE, BODY, SMALL = 15.0, 13.5, 13.0  # pixels
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")  # Okabe and Ito: fit for the colour-blind
INK, MUTED, TRACK = "#1b1f24", "#4b5563", "#d8dce2"
MOST_LINES = 3  # of a symptom; the table has the whole of it
MARGIN, BAR = 4, 9  # pixels
LEFT_TO_RIGHT = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])  # characters that would undo it

_DRAWING = Lock()  # matplotlib promises nothing about threads
# The browser draws the text with its own fonts, so a glyph that matplotlib's font lacks does no harm.
warnings.filterwarnings("ignore", message=r"Glyph \d+ .*missing from font", category=UserWarning)


def symptom_bars(diagnosis: Diagnosis, axis: tuple[float, float]) -> Figure:
    """Similarity as horizontal bars, class after class, each with its number and percentile in words.

    axis: its two ends, with 0 between them; the same for every image of a task, so that charts can be compared.
    """
    groups = [(name, list(scores)) for name, scores in groupby(diagnosis.symptoms, lambda score: score.class_name)]
    wrapped = [[wrap(score.symptom, WIDTH - 2 * MARGIN, BODY) for score in scores] for _, scores in groups]
    height = sum(40 + sum(19 * len(lines) + 44 for lines in symptoms) for symptoms in wrapped) + 22
    figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72, facecolor="none")  # at 72 dpi a point is a pixel
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(height, 0))
    axes.axis("off")
    y = 0
    for index, ((name, scores), symptoms) in enumerate(zip(groups, wrapped, strict=True)):
        colour = COLOURS[index % len(COLOURS)]
        _text(axes, MARGIN, y + 24, wrap(name, WIDTH - 2 * MARGIN, TITLE, most=1)[0], TITLE, colour, "bold")
        y += 40
        for score, lines in zip(scores, symptoms, strict=True):
            for line in lines:
                _text(axes, MARGIN, y + 14, line, BODY, INK)
                y += 19
            _bar(axes, y + 2, score.similarity, axis, colour)
            _text(axes, MARGIN, y + 27, in_words(score), SMALL, MUTED)
            y += 44
    for value, align in ((axis[0], "left"), (0.0, "center"), (axis[1], "right")):
        _text(axes, _place(value, axis), y + 14, f"{value:g}".replace("-", "−"), SMALL, MUTED, align=align)
    return figure


def in_words(score: SymptomScore) -> str:
    """What stands with a bar, such as "0.31, higher than 87 % of reference images"."""
    number = f"{round(score.similarity, 2) + 0.0:.2f}".replace("-", "−")  # + 0.0 turns −0 into 0
    if score.percentile is None:
        return number
    return f"{number}, higher than {score.percentile:.0f} % of reference images"


def svg(figure: Figure) -> bytes:
    """The figure as SVG, its text as text: a tenth of the time and size of a PNG, and sharp on any screen."""
    buffer = BytesIO()
    with _DRAWING, rc_context({"svg.fonttype": "none", "svg.hashsalt": "vip"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def wrap(text: str, width: float, size: float, most: int = MOST_LINES) -> list[str]:
    """`text` as at most `most` lines of `width` pixels; what does not fit ends in an ellipsis.

    Characters that would break the SVG or turn the direction of writing are left out.
    """
    text = "".join(" " if unicodedata.category(char) in ("Cc", "Cs", "Cn", "Zl", "Zp") else char for char in text)
    room = width / size  # in ems
    lines, line, used = [], "", 0.0
    for word in text.translate(LEFT_TO_RIGHT).split():
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


def _place(value: float, axis: tuple[float, float]) -> float:
    low, high = axis
    return MARGIN + (min(max(value, low), high) - low) / (high - low) * (WIDTH - 2 * MARGIN)


def _bar(axes: Axes, y: float, value: float, axis: tuple[float, float], colour: str) -> None:
    zero, end = _place(0, axis), _place(value, axis)
    axes.add_patch(Rectangle((MARGIN, y), WIDTH - 2 * MARGIN, BAR, color=TRACK, lw=0, clip_on=False))
    axes.add_patch(Rectangle((min(zero, end), y), abs(end - zero), BAR, color=colour, lw=0, clip_on=False))
    axes.add_patch(Rectangle((zero - 0.75, y - 2), 1.5, BAR + 4, color=MUTED, lw=0, clip_on=False))


def _text(
    axes: Axes, x: float, y: float, text: str, size: float, colour: str, weight: str = "normal", align: str = "left"
) -> None:
    axes.text(x, y, text, fontsize=size, color=colour, weight=weight, ha=align, va="baseline", parse_math=False)

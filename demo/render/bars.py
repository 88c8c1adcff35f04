"""The bars of a diagnosis: the length of each, the text beside it, and its value before an edit."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from vip_core.scoring.diagnosis import Diagnosis, SymptomScore

from ..render.charts import (
    BODY,
    COLOURS,
    INK,
    MUTED,
    SMALL,
    TITLE,
    TRACK,
    WARNING,
    WIDTH,
    Box,
    Chart,
    Words,
    wrap,
)
from ..state.numbers import PER_CENT, axis_end, number

WEAK_AUROC = (0.4, 0.6)  # AUROC of a symptom that barely discriminates the classes
MARGIN, BAR = 4, 9  # pixels


@dataclass(frozen=True)
class BarRow:
    """One bar. before: where it ended with the original lists; None where it ends the same or is new."""

    name: str
    value: float
    before: float | None
    words: str
    note: str = ""
    weak: bool = False


def symptom_chart(
    diagnosis: Diagnosis,
    axis: tuple[float, float],
    before: Sequence[SymptomScore | None] | None = None,
    separations: Sequence[float | None] | None = None,
    colours: Sequence[str] = COLOURS,
) -> Chart:
    """One bar per symptom, class after class, each with its number in words.

    Args:
        diagnosis: of one image.
        axis: its two ends, with 0 between or at them; the same for every image, so that charts can be compared.
        before: for each symptom, its score under the original lists; None where it is new.
        separations: for each symptom, how well it alone discriminates its class from the others (AUROC).
        colours: of the classes, again from the first where there are more classes.
    """
    count = len(diagnosis.symptoms)
    rows = list(zip(diagnosis.symptoms, before or [None] * count, separations or [None] * count, strict=True))
    boxes: list[Box] = []
    words: list[Words] = []
    y = 0.0
    for index, (name, group) in enumerate(groupby(rows, lambda row: row[0].class_name)):
        colour = colours[index % len(colours)]
        words.append(Words(MARGIN, y + 24, wrap(name, WIDTH - 2 * MARGIN, TITLE, most=1)[0], TITLE, colour, bold=True))
        y += 40
        for row in group:
            y = _draw(symptom_row(*row, is_edit=before is not None), y, axis, colour, boxes, words)
    for value, align in ((axis[0], "left"), (0.0, "center"), (axis[1], "right")):
        if align != "center" or axis[0] < 0:
            words.append(Words(_place(value, axis), y + 14, axis_end(value), SMALL, MUTED, align=align))
    return Chart(y + 22, tuple(boxes), tuple(words))


def symptom_row(
    score: SymptomScore, before: SymptomScore | None, separation: float | None, is_edit: bool = False
) -> BarRow:
    """The bar of a symptom."""
    old = None if before is None else before.similarity
    if old is not None and number(old) == number(score.similarity):
        old = None
    note, weak = separation_in_words(separation)
    if is_edit and before is None:
        note = f"New: {note if note.startswith('AUROC') else note[:1].lower() + note[1:]}" if note else "New"
    return BarRow(score.symptom, score.similarity, old, in_words(score, old), note, weak)


# ---- words


def in_words(score: SymptomScore, before: float | None = None) -> str:
    """The words of a bar, such as "0.31, higher than 87 % of reference images"."""
    now = number(score.similarity)
    was = "" if before is None else f", was {number(before)}"
    if score.percentile is None:
        return now + was
    higher = "higher than" if before is None else "above"
    return f"{now}{was}, {higher} {score.percentile:.0f}{PER_CENT} of reference images"


def separation_in_words(separation: float | None) -> tuple[str, bool]:
    """The AUROC of a symptom in words, and whether to draw attention to it."""
    if separation is None:
        return "", False
    if separation < WEAK_AUROC[0]:
        return f"Favours another class, AUROC {separation:.2f}", True
    if separation <= WEAK_AUROC[1]:
        return f"Barely discriminates, AUROC {separation:.2f}", True
    return f"AUROC {separation:.2f}", False


# ---- layout


def _draw(row: BarRow, y: float, axis: tuple[float, float], colour: str, boxes: list[Box], words: list[Words]) -> float:
    """Add a row that begins at y; returns where the next one does."""
    room = WIDTH - 2 * MARGIN
    for line in wrap(row.name, room, BODY):
        words.append(Words(MARGIN, y + 14, line, BODY, INK))
        y += 19
    zero, end = _place(0, axis), _place(row.value, axis)
    boxes.append(Box(MARGIN, y + 2, room, BAR, TRACK))
    boxes.append(Box(min(zero, end), y + 2, abs(end - zero), BAR, colour))
    boxes.append(Box(zero - 0.75, y, 1.5, BAR + 4, MUTED))
    if row.before is not None:
        ghost = _place(row.before, axis)
        boxes.append(Box(min(zero, ghost), y + 0.5, abs(ghost - zero), BAR + 3, INK, outline=True))
    words.append(Words(MARGIN, y + 28, wrap(row.words, room, SMALL, most=1)[0], SMALL, MUTED))
    if row.note:
        note = wrap(row.note, room, SMALL * (1.1 if row.weak else 1), most=1)[0]
        words.append(Words(MARGIN, y + 45, note, SMALL, WARNING if row.weak else MUTED, bold=row.weak))
    return y + (63 if row.note else 46)


def _place(value: float, axis: tuple[float, float]) -> float:
    low, high = axis
    return MARGIN + (min(max(value, low), high) - low) / (high - low) * (WIDTH - 2 * MARGIN)

"""Symptom lists as text: one symptom per line, a # before a line switches it off."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from vip_core.errors import SymptomError
from vip_core.symptoms import SymptomSet

OFF = "#"  # a line that begins with it is kept and not scored
MAX_CHARACTERS = 20_000  # of a list: far more than 64 symptoms have, and still counted in tokens at once

Texts = tuple[str, ...]  # of the boxes, one per class


@dataclass(frozen=True)
class Line:
    """A line that is not blank, without its mark; on: whether it is scored."""

    text: str
    on: bool


def lines_of(text: str) -> list[Line]:
    """The lines of a box; blank ones do not count."""
    stripped = (line.strip() for line in text.splitlines())
    return [Line(line.lstrip(OFF).strip(), not line.startswith(OFF)) for line in stripped if line]


def parse_boxes(original: SymptomSet, texts: Texts) -> SymptomSet:
    """The original set with the lists of the boxes, without the lines switched off. Raises SymptomError."""
    lists = dict(zip(original.classes, texts, strict=False))
    refuse_long(lists)
    symptoms = tuple(tuple(line.text for line in lines_of(text) if line.on) for text in lists.values())
    for name, lines, text in zip(lists, symptoms, texts, strict=False):
        if not lines and lines_of(text):
            raise SymptomError(f"All symptoms of “{name}” are switched off; remove the {OFF} from at least one.")
    return replace(original, symptoms=symptoms)


def refuse_long(lists: Mapping[str, str]) -> None:
    """Raise SymptomError for a list, given as one text, that would take long to be counted in tokens."""
    for name, text in lists.items():
        if len(text) > MAX_CHARACTERS:
            raise SymptomError(
                f"The list of “{name}” has {len(text):,} characters; the limit is {MAX_CHARACTERS:,}. Shorten it."
            )

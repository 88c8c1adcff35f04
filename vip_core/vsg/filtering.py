"""Which lines of a reply can be symptoms, and why the others cannot. Every check is linear in the line's length."""

import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vip_core.errors import SymptomError
from vip_core.symptoms import MAX_SYMPTOMS
from vip_core.vsg.parsing import clean_line

MAX_SHOWN = 200  # characters of a dropped line that are kept
MAX_LINE = 2000  # characters; no symptom is as long, whatever its words and tokens
MAX_WORD = 30  # letters, and signs in a row; small models babble, and a tokenizer takes long over such a run
CONTROL = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")  # Unicode categories
HTML = re.compile(r"<[a-zA-Z/!?]|&#?\w+;")  # "< 3 mm" is none
LINK = re.compile(r"(?<=\w)://|\bwww\.|\bjavascript:|\bdata:|\]\(", re.IGNORECASE)
COMMAND = re.compile(r"\b(?:ignore|disregard|forget|override)\b", re.IGNORECASE)
COMMAND_OBJECT = re.compile(r"\b(?:previous|above|prior|earlier|instructions?|rules?|prompts?)\b", re.IGNORECASE)
ROLE = re.compile(
    r"\b(?:system prompt|you are now|as an ai|language model)\b|\A(?:system|assistant|user)\s*:", re.IGNORECASE
)
RUN = re.compile(r"[^\W_]+|(?:[^\w\s]|_)+")  # of letters and digits, or of signs

Lists = dict[str, list[str]]


@dataclass(frozen=True)
class Dropped:
    """A line that was not taken, cut at 200 characters, and why."""

    class_name: str
    line: str
    reason: str


@dataclass(frozen=True)
class LineFilter:
    """Which lines can be symptoms.

    Attributes:
        classes: names, none of which may occur in a line, unless `names_allowed`.
        max_words: of a line.
        prompt_fault: what is wrong with a line as a prompt (its tokens), or None.
        names_allowed: for the kind of knowledge that is the class name itself.
    """

    classes: tuple[str, ...]
    max_words: int
    prompt_fault: Callable[[str], str | None]
    names_allowed: bool = False

    def filter(self, lists: Mapping[str, Sequence[object]]) -> tuple[Lists, list[Dropped]]:
        """Clean lines by class, at most 64 each, and those not taken with the reason."""
        taken: Lists = {}
        dropped: list[Dropped] = []
        owner: dict[str, str] = {}  # the class of each line that was taken, by its text without case
        for name, lines in lists.items():
            kept: list[str] = []
            for raw in lines:
                line = clean_line(raw) if isinstance(raw, str) else ""
                if len(kept) == MAX_SYMPTOMS:  # first, so that the ten-thousandth line costs nothing
                    reason: str | None = f"over the limit of {MAX_SYMPTOMS} per class"
                elif not isinstance(raw, str):
                    reason = "not a text"
                elif line.casefold() in owner:
                    same = owner[line.casefold()] == name
                    reason = "listed twice" if same else f"also listed under “{owner[line.casefold()]}”"
                else:
                    reason = self._fault(line)
                if reason is None:
                    kept.append(line)
                    owner[line.casefold()] = name
                else:
                    dropped.append(Dropped(name, _shown(raw), reason))
            taken[name] = kept
        return taken, dropped

    def _fault(self, line: str) -> str | None:
        if not line:
            return "empty"
        if len(line) > MAX_LINE:
            return f"too long: {len(line):,} characters, at most {MAX_LINE:,}"
        if any(unicodedata.category(character) in CONTROL for character in line):
            return "contains control characters"
        if HTML.search(line):
            return "contains HTML"
        if LINK.search(line):
            return "contains a link"
        if _is_instruction(line):
            return "reads as an instruction"
        if not any(character.isalpha() for character in line):
            return "has no words"
        if max(map(len, RUN.findall(line))) > MAX_WORD:
            return f"has a word of more than {MAX_WORD} letters"
        if (count := len(line.split())) > self.max_words:
            return f"too long: {count} words, at most {self.max_words}"
        if not self.names_allowed and (name := self._named(line)) is not None:
            return f"contains the class name “{name}”"
        return self.prompt_fault(line)

    def _named(self, line: str) -> str | None:
        words = f" {_words(line)} "
        for name in self.classes:
            own = _words(name)
            if own and any(f" {own}{ending} " in words for ending in ("", "s", "es")):
                return name
        return None


def _is_instruction(line: str) -> bool:
    # A command and, anywhere after the first one, what it is about: two searches, since one expression for both would
    # look through the rest of the line again from every command.
    command = COMMAND.search(line)
    return bool((command and COMMAND_OBJECT.search(line, command.end())) or ROLE.search(line))


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def prompt_fault(tokens: Callable[[str], int], limit: int) -> Callable[[str], str | None]:
    """What is wrong with a line as a prompt. tokens: counts those of a prompt, context included; limit: the most."""

    def fault(line: str) -> str | None:
        try:
            count = tokens(line)
        except SymptomError:
            return "contains a marker that the text tower reserves"
        return f"too long: {count} tokens, at most {limit}" if count > limit else None

    return fault


def _shown(raw: object) -> str:
    text = raw if isinstance(raw, str) else json.dumps(raw, default=str)
    return text[:MAX_SHOWN].encode("utf-8", "replace").decode()

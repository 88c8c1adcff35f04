"""A language model's reply: read it whatever its form, and take from it only lines that can be symptoms."""

import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import ConfigDict, Field, create_model

from vip_core.errors import SymptomError
from vip_core.symptoms import MAX_SYMPTOMS

SHOWN = 200  # characters of a dropped line that are kept
LONGEST = 400  # characters that a string may have in the schema; what is too long is told from words and tokens
LONGEST_WORD = 30  # letters; small models babble
THOUGHTS = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL)  # of models that reason aloud
FENCE = re.compile(r"```[a-zA-Z]*\n?|```")
BULLET = re.compile(r"^\s*(?:[-*•–·]|\(?\d{1,2}[.):])\s+")
HTML = re.compile(r"<[a-zA-Z/!?]|&#?\w+;")  # "< 3 mm" is none
LINK = re.compile(r"\w+://|\bwww\.|\bjavascript:|\bdata:|\]\(", re.IGNORECASE)
ORDER = re.compile(
    r"\b(?:ignore|disregard|forget|override)\b.*\b(?:previous|above|prior|earlier|instructions?|rules?|prompts?)\b"
    r"|\b(?:system prompt|you are now|as an ai|language model)\b|^(?:system|assistant|user)\s*:",
    re.IGNORECASE,
)

Lists = dict[str, list[str]]


class UnusableReply(Exception):
    """A reply from which no symptom set can be read; the message is a sentence that is also sent to the model."""


@dataclass(frozen=True)
class Dropped:
    """A line that was not taken, cut at 200 characters, and why."""

    class_name: str
    line: str
    reason: str


def schema(classes: Sequence[str], limits: tuple[int, int] | None) -> dict[str, Any]:
    """The JSON schema of a reply: a list of texts a class. limits: the fewest and the most a list may have.

    Not every server knows limits of lists and texts, so it can be had without.
    """
    if limits is None:
        lines: Any = list[str]
    else:
        text = Annotated[str, Field(max_length=LONGEST)]
        lines = Annotated[list[text], Field(min_length=limits[0], max_length=limits[1])]
    fields: dict[str, Any] = {f"class_{i}": (lines, Field(alias=name)) for i, name in enumerate(classes)}
    model = create_model("Symptoms", __config__=ConfigDict(extra="forbid"), **fields)
    return model.model_json_schema(by_alias=True)


def read_reply(text: str, classes: Sequence[str]) -> dict[str, list[object]]:
    """The lists of a reply by class, in the order asked for: JSON, bare, in a code fence or among prose, or plain text.

    In plain text a line that is a class's name begins its list, and bulleted or numbered lines are its entries.

    Raises:
        UnusableReply: if there is neither, or a class is missing.
    """
    text = THOUGHTS.sub("", text).strip()
    if not text:
        raise UnusableReply("It is empty.")
    found = _from_json(text) if "{" in text else _from_plain(text, classes)
    by_name = {" ".join(str(name).split()).casefold(): lines for name, lines in found.items()}
    missing = [name for name in classes if " ".join(name.split()).casefold() not in by_name]
    if missing:
        raise UnusableReply(f"It has no list for {', '.join(f'“{name}”' for name in missing)}.")
    lists = {name: by_name[" ".join(name.split()).casefold()] for name in classes}
    for name, lines in lists.items():
        if not isinstance(lines, list):
            raise UnusableReply(f"What it has for “{name}” is not a list.")
    return lists


def _from_json(text: str) -> Mapping[str, Any]:
    text = FENCE.sub("", text)
    try:
        data, _ = json.JSONDecoder(strict=False).raw_decode(text, text.index("{"))
    except json.JSONDecodeError as error:
        raise UnusableReply(f"It is not valid JSON: {error.msg} in line {error.lineno}.") from error
    except (RecursionError, ValueError) as error:  # nested without end; a number of thousands of digits
        raise UnusableReply("It is not valid JSON.") from error
    return data["classes"] if isinstance(data.get("classes"), dict) else data


def _from_plain(text: str, classes: Sequence[str]) -> dict[str, list[str]]:
    names = {name.casefold(): name for name in classes}
    lists: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in FENCE.sub("", text).splitlines():
        heading = BULLET.sub("", line).strip(" \t#*_:-–\"'“”").casefold()
        if heading in names:
            current = lists.setdefault(names[heading], [])
        elif current is not None and BULLET.match(line):
            current.append(line)
    if not lists:
        raise UnusableReply("It is neither a JSON object nor a list under the name of each class.")
    return lists


@dataclass(frozen=True)
class Sieve:
    """Which lines can be symptoms.

    Attributes:
        classes: names, none of which may stand in a line, unless `names_allowed`.
        words: the most words of a line.
        fault_of_prompt: gives what is wrong with a line as a prompt (its tokens), or None.
        names_allowed: for the kind of knowledge that is the class name itself.
    """

    classes: tuple[str, ...]
    words: int
    fault_of_prompt: Callable[[str], str | None]
    names_allowed: bool = False

    def sift(self, lists: Mapping[str, Sequence[object]]) -> tuple[Lists, list[Dropped]]:
        """Clean lines by class, at most 64 each, and those not taken with the reason."""
        taken: Lists = {}
        dropped: list[Dropped] = []
        owner: dict[str, str] = {}  # the class of each line that was taken, by its text without case
        for name, lines in lists.items():
            kept: list[str] = []
            for raw in lines:
                line = tidy(raw) if isinstance(raw, str) else ""
                if len(kept) == MAX_SYMPTOMS:  # first, so that the ten-thousandth line costs nothing
                    reason: str | None = f"beyond the limit of {MAX_SYMPTOMS} a class"
                elif not isinstance(raw, str):
                    reason = "not a text"
                elif line.casefold() in owner:
                    same = owner[line.casefold()] == name
                    reason = "stands twice" if same else f"stands under “{owner[line.casefold()]}” too"
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
        if any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") for character in line):
            return "contains control characters"
        if HTML.search(line):
            return "contains HTML"
        if LINK.search(line):
            return "contains a link"
        if ORDER.search(line):
            return "reads as an instruction"
        if not any(character.isalpha() for character in line):
            return "has no words"
        if max(map(len, re.findall(r"\w+", line))) > LONGEST_WORD:
            return f"has a word of more than {LONGEST_WORD} letters"
        if (count := len(line.split())) > self.words:
            return f"too long: {count} words, at most {self.words}"
        if not self.names_allowed and (name := self._named(line)) is not None:
            return f"contains the class name “{name}”"
        return self.fault_of_prompt(line)

    def _named(self, line: str) -> str | None:
        line = " ".join(re.findall(r"\w+", line.casefold()))
        for name in self.classes:
            words = " ".join(re.findall(r"\w+", name.casefold()))
            if words and re.search(rf"\b{re.escape(words)}(?:s|es)?\b", line):
                return name
        return None


def tidy(line: str) -> str:
    """A line without the bullet, quotation marks, spaces and full stop around it."""
    line = re.sub(r"[ \t\r\n]+", " ", BULLET.sub("", line)).strip()
    for left, right in ('""', "''", "“”", "**"):
        if len(line) > 1 and line[0] == left and line[-1] == right:
            line = line.strip(left + right).strip()
    return line.removesuffix(".").rstrip()


def prompt_fault(tokens: Callable[[str], int], room: int) -> Callable[[str], str | None]:
    """What is wrong with a line as a prompt. tokens: counts those of a prompt, context included; room: the most."""

    def fault(line: str) -> str | None:
        try:
            count = tokens(line)
        except SymptomError:
            return "holds a marker that the text tower reserves"
        return f"too long: {count} tokens, at most {room}" if count > room else None

    return fault


def _shown(raw: object) -> str:
    text = raw if isinstance(raw, str) else json.dumps(raw, default=str)
    return text[:SHOWN].encode("utf-8", "replace").decode()

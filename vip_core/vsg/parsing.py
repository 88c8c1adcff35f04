"""A language model's reply: the JSON schema that is requested, and a parser that accepts any form of reply.

A stranger's server may send anything, so the reply is capped and every expression here takes time linear in it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import ConfigDict, Field, create_model

MAX_REPLY = 1_000_000  # of a reply
MAX_STRING = 400  # characters of a string in the schema; words and tokens decide what is too long
THOUGHTS = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL)  # of models that reason aloud
FENCE = re.compile(r"```[a-zA-Z]*\n?")
BULLET = re.compile(r"^\s*(?:[-*•–·]|\(?\d{1,2}[.):])\s+")


class UnusableReply(Exception):
    """A reply from which no symptom set can be read; the message is a sentence that is also sent to the model."""


def schema(classes: Sequence[str], limits: tuple[int, int] | None) -> dict[str, Any]:
    """The JSON schema of a reply: a list of texts per class. limits: the smallest and the largest length of a list.

    Not every server supports limits of lists and texts; None leaves them out.
    """
    if limits is None:
        lines: Any = list[str]
    else:
        text = Annotated[str, Field(max_length=MAX_STRING)]
        lines = Annotated[list[text], Field(min_length=limits[0], max_length=limits[1])]
    fields: dict[str, Any] = {f"class_{i}": (lines, Field(alias=name)) for i, name in enumerate(classes)}
    model = create_model("Symptoms", __config__=ConfigDict(extra="forbid"), **fields)
    return model.model_json_schema(by_alias=True)


def read_reply(text: str, classes: Sequence[str]) -> dict[str, list[object]]:
    """The lists of a reply by class, in the order asked for: JSON, bare, in a code fence or among prose, or plain text.

    In plain text a line that is a class's name begins its list, and bulleted or numbered lines are its entries.

    Raises:
        UnusableReply: if there is neither, a class is missing, or the reply is longer than 1,000,000 characters.
    """
    if len(text) > MAX_REPLY:
        raise UnusableReply(f"It has more than {MAX_REPLY:,} characters.")
    text = THOUGHTS.sub("", text).strip()
    if not text:
        raise UnusableReply("It is empty.")
    found = _from_json(text) if "{" in text else _from_plain(text, classes)
    by_name = {_plain_name(str(name)): lines for name, lines in found.items()}
    missing = [name for name in classes if _plain_name(name) not in by_name]
    if missing:
        raise UnusableReply(f"It has no list for {', '.join(f'“{name}”' for name in missing)}.")
    lists: dict[str, list[object]] = {}
    for name in classes:
        lines: object = by_name[_plain_name(name)]
        if not isinstance(lines, list):
            raise UnusableReply(f"What it has for “{name}” is not a list.")
        lists[name] = list(lines)
    return lists


def _plain_name(name: str) -> str:
    return " ".join(name.split()).casefold()


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


def clean_line(line: str) -> str:
    """A line without the bullet, quotation marks, spaces and full stop around it."""
    line = re.sub(r"[ \t\r\n]+", " ", BULLET.sub("", line)).strip()
    for left, right in ('""', "''", "“”", "**"):
        if len(line) > 1 and line[0] == left and line[-1] == right:
            line = line.strip(left + right).strip()
    return line.removesuffix(".").rstrip()

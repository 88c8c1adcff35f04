"""The prompts of the generator: the kinds of knowledge of the paper's figure 5, and the messages sent for each."""

import hashlib
import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

TEMPLATES = Path(__file__).with_name("generation.md")

Message = dict[str, str]


@dataclass(frozen=True)
class Kind:
    """A kind of knowledge that may stand in a prompt.

    key: as on the command line.
    label: for people.
    words: the most words that a line may have.
    uses_model: whether a language model writes it; class names and random words need none.
    visible: whether a critique of what an image can show makes sense.
    """

    key: str
    label: str
    words: int
    uses_model: bool
    visible: bool


def _read() -> tuple[str, dict[str, dict[str, str]], dict[str, str]]:
    """Version, settings and text by section of the template file."""
    content = TEMPLATES.read_text(encoding="utf-8")
    head, *sections = re.split(r"^## (\w+)\n", content, flags=re.MULTILINE)
    version = re.search(r"^version: (\S+)$", head, flags=re.MULTILINE)
    assert version is not None
    settings: dict[str, dict[str, str]] = {}
    texts: dict[str, str] = {}
    for name, body in zip(sections[::2], sections[1::2], strict=True):
        first, _, rest = body.strip().partition("\n\n")
        lines = first.splitlines()
        if all(re.fullmatch(r"[a-z]+: .+", line) for line in lines):
            settings[name] = dict(line.split(": ", 1) for line in lines)
            texts[name] = rest.strip()
        else:
            texts[name] = body.strip()
    # The digest tells two files apart whose version nobody raised.
    return f"{version[1]}-{hashlib.sha256(content.encode()).hexdigest()[:8]}", settings, texts


VERSION, _SETTINGS, _TEXTS = _read()
KINDS: Mapping[str, Kind] = {
    name: Kind(name, values["label"], int(values["words"]), values["model"] == "yes", values["critique"] == "yes")
    for name, values in _SETTINGS.items()
}


def ask(kind: Kind, modality: str, classes: Sequence[str], number: int) -> list[Message]:
    """The messages that ask for `number` lines a class."""
    return _messages(
        kind.key,
        modality=_quoted(modality),
        classes=_quoted(list(classes)),
        number=str(number),
        words=str(kind.words),
        form=json.dumps({name: ["…"] * number for name in classes}, ensure_ascii=False),
    )


def ask_critique(modality: str, symptoms: Mapping[str, Sequence[str]]) -> list[Message]:
    """The messages that ask which lines cannot be seen in an image."""
    findings = {name: list(lines) for name, lines in symptoms.items()}
    return _messages(
        "critique", modality=_quoted(modality), findings=json.dumps(findings, ensure_ascii=False, indent=1)
    )


def ask_again(messages: list[Message], reply: str, fault: str, classes: Sequence[str]) -> list[Message]:
    """The conversation so far, the reply's beginning, and what was wrong with it."""
    again = Template(_TEXTS["again"]).substitute(fault=fault, classes=_quoted(list(classes)))
    return [*messages, {"role": "assistant", "content": reply[:2000] or "{}"}, {"role": "user", "content": again}]


def without_model(kind: Kind, classes: Sequence[str], number: int, seed: int) -> dict[str, list[str]]:
    """Lines of the kinds that no language model is needed for.

    A model's "random" words are the same few again and again, so they are drawn here from a list of everyday words,
    without replacement over all classes as long as they last.
    """
    if kind.key == "name":
        return {name: [Template(_TEXTS["name"]).substitute(name=name)] for name in classes}
    words = _TEXTS["random"].split()
    drawn: list[str] = []
    rng = random.Random(seed)
    needed = number * len(classes) * kind.words
    while len(drawn) < needed:
        drawn += rng.sample(words, len(words))
    lines = [" ".join(drawn[i : i + kind.words]) for i in range(0, needed, kind.words)]
    return {name: lines[c * number : (c + 1) * number] for c, name in enumerate(classes)}


def _messages(section: str, **values: str) -> list[Message]:
    return [
        {"role": "system", "content": _TEXTS["system"]},
        {"role": "user", "content": Template(_TEXTS[section]).substitute(values)},
    ]


def _quoted(value: str | list[str]) -> str:
    # As JSON: a quotation mark or line break in a name cannot end the place where it stands.
    return json.dumps(value, ensure_ascii=False)

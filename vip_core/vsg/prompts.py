"""The messages that are sent to a language model, made from the templates."""

import json
import random
from collections.abc import Mapping, Sequence
from string import Template

from vip_core.vsg.templates import AGAIN, CRITIQUE, SYSTEM, Kind

Message = dict[str, str]


def ask(kind: Kind, modality: str, classes: Sequence[str], number: int) -> list[Message]:
    """The messages that ask for `number` lines per class."""
    return _messages(
        kind.template,
        modality=_quoted(modality),
        classes=_quoted(list(classes)),
        number=str(number),
        words=str(kind.max_words),
        form=json.dumps({name: ["…"] * number for name in classes}, ensure_ascii=False),
    )


def ask_critique(modality: str, symptoms: Mapping[str, Sequence[str]]) -> list[Message]:
    """The messages that ask which lines cannot be seen in an image."""
    findings = {name: list(lines) for name, lines in symptoms.items()}
    return _messages(CRITIQUE, modality=_quoted(modality), findings=json.dumps(findings, ensure_ascii=False, indent=1))


def ask_again(messages: list[Message], reply: str, fault: str, classes: Sequence[str]) -> list[Message]:
    """The conversation so far, the beginning of the reply, and what was wrong with it."""
    again = Template(AGAIN).substitute(fault=fault, classes=_quoted(list(classes)))
    return [*messages, {"role": "assistant", "content": reply[:2000] or "{}"}, {"role": "user", "content": again}]


def without_model(kind: Kind, classes: Sequence[str], number: int, seed: int) -> dict[str, list[str]]:
    """Lines of the kinds that need no language model.

    A model's "random" words are the same few again and again, so they are drawn here from a list of everyday words,
    without replacement over all classes as long as they last.
    """
    if kind.key == "name":
        return {name: [Template(kind.template).substitute(name=name)] for name in classes}
    words = kind.template.split()
    drawn: list[str] = []
    rng = random.Random(seed)
    needed = number * len(classes) * kind.max_words
    while len(drawn) < needed:
        drawn += rng.sample(words, len(words))
    lines = [" ".join(drawn[i : i + kind.max_words]) for i in range(0, needed, kind.max_words)]
    return {name: lines[c * number : (c + 1) * number] for c, name in enumerate(classes)}


def _messages(template: str, **values: str) -> list[Message]:
    return [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": Template(template).substitute(values)},
    ]


def _quoted(value: str | list[str]) -> str:
    # As JSON: a quotation mark or line break in a name cannot end the place that it was put into.
    return json.dumps(value, ensure_ascii=False)

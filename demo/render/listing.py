"""A symptom set as editable text and as HTML: its sources, its AUROCs on the reference images, dropped lines."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from html import escape
from typing import Any

from vip_core.errors import SymptomError
from vip_core.symptoms import SymptomSet
from vip_core.vsg import Dropped, GroundedLine

MAX_CHARACTERS = 100_000  # of a text
MAX_CLASSES = 64


def to_text(symptoms: SymptomSet) -> str:
    """Each class in square brackets, below it its symptoms. A symptom in brackets loses them: it is not a class."""
    return "\n\n".join(
        "\n".join([f"[{name}]", *(_heading(line) or line for line in lines)])
        for name, lines in zip(symptoms.classes, symptoms.symptoms, strict=True)
    )


def from_text(text: str, modality: str = "", source: Mapping[str, Any] | None = None) -> SymptomSet:
    """The symptom set that such a text, or a symptom file's JSON, describes. Raises SymptomError.

    Blank lines and lines that begin with # are left out.
    """
    if len(text) > MAX_CHARACTERS:
        raise SymptomError(f"The list has {len(text):,} characters; the limit is {MAX_CHARACTERS:,}. Shorten it.")
    if text.lstrip().startswith("{"):
        try:
            pasted = SymptomSet.from_dict(json.loads(text))
        except (json.JSONDecodeError, RecursionError) as error:
            raise SymptomError(
                "The text looks like JSON but is not valid JSON; paste a whole symptom file, or plain lines."
            ) from error
        return replace(pasted, modality=pasted.modality or modality.strip(), source=pasted.source or dict(source or {}))
    classes: list[str] = []
    symptoms: list[list[str]] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        if name := _heading(line):
            classes.append(name)
            symptoms.append([])
        elif not classes:
            raise SymptomError(
                "The list does not begin with a class; write one in square brackets first, such as [pneumonia]."
            )
        elif not line.startswith("#"):
            symptoms[-1].append(line)
    if len(classes) > MAX_CLASSES:
        raise SymptomError(f"The list has {len(classes)} classes; the limit is {MAX_CLASSES}. Shorten it.")
    return SymptomSet(tuple(classes), tuple(map(tuple, symptoms)), modality.strip(), dict(source or {}))


def _heading(line: str) -> str:
    return line[1:-1].strip() if line.startswith("[") and line.endswith("]") else ""


def sources(source: Mapping[str, Any]) -> str:
    """Where a list comes from."""
    rows = "".join(
        f"<dt>{escape(str(key).replace('_', ' '))}</dt><dd>{_value(value)}</dd>" for key, value in source.items()
    )
    return (
        f'<details class="vip-sources" open><summary>Where this list comes from</summary><dl>{rows}</dl></details>'
        if rows
        else ""
    )


def _value(value: object) -> str:
    if isinstance(value, list):
        return "<ul>" + "".join(f"<li>{_value(item)}</li>" for item in value) + "</ul>"
    return escape(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))


def findings_table(findings: Iterable[GroundedLine], note: str) -> str:
    """AUROC of each symptom on the reference images of a checkpoint; the note says how far they can be trusted."""
    rows = [
        (each.class_name, each.symptom, _separation(each), f"{each.tokens} of {each.limit}", " ".join(each.notes))
        for each in findings
    ]
    explained = (
        "How well each symptom alone ranks the images of its class above the others (AUROC, 95\u00a0% interval): 1 is "
        "perfect, 0.5 is chance, below 0.5 it favours another class. " + note
    )
    return _table(
        "How well the symptoms discriminate between the classes",
        explained,
        ("Class", "Symptom", "AUROC", "Tokens", "Notes"),
        rows,
    )


def _separation(finding: GroundedLine) -> str:
    if finding.auroc is None:
        return "–"
    if finding.interval is None:
        return f"{finding.auroc:.2f}"
    return f"{finding.auroc:.2f} ({finding.interval[0]:.2f} to {finding.interval[1]:.2f})"


def dropped_lines(dropped: Iterable[Dropped]) -> str:
    """The lines of a language model that were not taken, each with the reason."""
    rows = [(each.class_name, each.line, each.reason) for each in dropped]
    return _table("Lines that were dropped", "", ("Class", "Line", "Why"), rows) if rows else ""


def _table(title: str, explained: str, heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table that scrolls on its own if it is too wide, also by keyboard."""
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>" for row in rows)
    return (
        f'<div class="vip-said"><h2>{title}</h2><p>{explained}</p>'
        f'<div class="vip-scroll" tabindex="0" role="region" aria-label="{title}"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div></div>"
    )

"""The symptom lists that a visitor edits: their lines, what each line was before, undo, files and links."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import parse_qs, urlencode

from vip_core.errors import SymptomError
from vip_core.symptoms import SymptomSet

OFF = "#"  # a line that begins with it is kept and not scored
MAX_CHARACTERS = 20_000  # of a list: far more than 64 symptoms have, and still counted in tokens at once
MAX_FILE = 256 * 1024  # bytes of a symptom file: 64 long symptoms a class are a tenth of it
MAX_LINK = 8_000  # characters of the query; servers and mail programs cut longer ones
ONE_STEP = 1.5  # seconds; typing in one box without such a pause is undone at once
MAX_STEPS = 50

Texts = tuple[str, ...]  # of the boxes, a class each


@dataclass(frozen=True)
class Line:
    """A line that is not blank, without its mark; on: whether it is scored."""

    text: str
    on: bool


@dataclass(frozen=True)
class Step:
    """The boxes at one time. at: seconds of a monotonic clock; typed_in: the box being typed in, None for the rest."""

    texts: Texts
    at: float
    typed_in: int | None = None


Steps = tuple[Step, ...]

# ---- lines


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
                f"The list of “{name}” has {len(text):,} characters, and at most {MAX_CHARACTERS:,} are read; "
                "shorten it."
            )


def origins(original: SymptomSet, texts: Texts) -> list[int | None]:
    """For each line that is scored, class after class: which of the original set's lines it was, None if it is new."""
    found: list[int | None] = []
    first = 0
    for own, text in zip(original.symptoms, texts, strict=False):
        lines = lines_of(text)
        matched = _match(own, [line.text for line in lines])
        found += [
            None if index is None else first + index for line, index in zip(lines, matched, strict=True) if line.on
        ]
        first += len(own)
    return found


def _match(own: tuple[str, ...], lines: list[str]) -> list[int | None]:
    """Original index of each line: the line of the same text, else the free one that its neighbours leave for it."""
    free = list(range(len(own)))
    matched: list[int | None] = []
    for line in lines:
        index = next((i for i in free if own[i] == line), None)
        if index is not None:
            free.remove(index)
        matched.append(index)
    for i, index in enumerate(matched):
        if index is None:
            after = -1 if i == 0 else matched[i - 1]
            before = matched[i + 1] if i + 1 < len(matched) else None
            near = (None if after is None else after + 1, None if before is None else before - 1)
            found = next((candidate for candidate in near if candidate is not None and candidate in free), None)
            if found is not None:
                free.remove(found)
            matched[i] = found
    return matched


# ---- undo


def remember(steps: Steps | None, before: Texts, texts: Texts, now: float | None = None, typing: bool = True) -> Steps:
    """The visitor's steps with the boxes as they stand now; rapid typing in one box makes one step.

    Args:
        steps: so far; None before the first edit.
        before: the boxes before the first edit.
        texts: the boxes now.
        now: seconds of a monotonic clock.
        typing: whether this may be the same typing as the last step.
    """
    now = monotonic() if now is None else now
    steps = steps or (Step(before, float("-inf")),)
    last = steps[-1]
    changed = [i for i, (old, new) in enumerate(zip(last.texts, texts, strict=True)) if old != new]
    if not changed:
        return steps
    typed_in = changed[0] if typing and len(changed) == 1 else None
    goes_on = typed_in is not None and typed_in == last.typed_in and now - last.at < ONE_STEP
    kept = steps[:-1] if goes_on else steps
    return (*kept, Step(texts, now, typed_in))[-MAX_STEPS:]


def undone(steps: Steps | None) -> Steps | None:
    """The steps without the last edit; none are left where there was none."""
    if steps is None or len(steps) < 2:
        return steps
    return (*steps[:-2], replace(steps[-2], typed_in=None))  # what is typed next is a step of its own


# ---- files and links


def box_texts(symptoms: SymptomSet) -> list[str]:
    """What the boxes show of a set; lines that were saved as switched off come last in theirs."""
    off = symptoms.source.get("switched_off")
    off = off if isinstance(off, Mapping) else {}
    texts = []
    for name, lines in zip(symptoms.classes, symptoms.symptoms, strict=True):
        kept = off.get(name)
        kept = [line for line in kept if isinstance(line, str)] if isinstance(kept, list) else []
        texts.append("\n".join([*lines, *(f"{OFF} {' '.join(line.split())}" for line in kept)]))
    return texts


def read_lists(path: Path, classes: tuple[str, ...]) -> list[str]:
    """The boxes' texts from a symptom file, in either form. Raises SymptomError, naming the file without its folder."""
    size = path.stat().st_size
    if size > MAX_FILE:
        raise SymptomError(
            f"The symptom file {path.name} has {size / 1024:,.0f} KB, and at most {MAX_FILE // 1024} are read; "
            "choose a smaller one."
        )
    try:
        symptoms = SymptomSet.load(path).ordered(classes)
    except (RecursionError, ValueError) as error:  # the latter of a number with thousands of digits
        raise SymptomError(
            f"The symptom file {path.name} is no symptom file; it should hold a list of texts a class."
        ) from error
    except SymptomError as error:
        raise SymptomError(str(error).replace(str(path), path.name)) from error
    texts = box_texts(symptoms)
    refuse_long(dict(zip(classes, texts, strict=True)))
    return texts


def file_of(original: SymptomSet, texts: Texts) -> str:
    """The lists as a symptom file, with the lines that are switched off beside them. Raises SymptomError."""
    symptoms = parse_boxes(original, texts)
    off = {
        name: [line.text for line in lines_of(text) if not line.on and line.text]
        for name, text in zip(original.classes, texts, strict=False)
    }
    if symptoms != original or any(off.values()):
        source = {"kind": "edited on the page", "date": date.today().isoformat(), "edited_from": dict(original.source)}
        symptoms = replace(symptoms, source=source | {"switched_off": off} if any(off.values()) else source)
    return json.dumps(symptoms.to_dict(), indent=2, ensure_ascii=False) + "\n"


def link_query(task: str, classes: tuple[str, ...], texts: Texts) -> str:
    """The query of a link that opens the page with these lists. Raises SymptomError if it is too long."""
    lists = {
        name: [line.strip() for line in text.splitlines() if line.strip()]
        for name, text in zip(classes, texts, strict=False)
    }
    text = json.dumps(lists, ensure_ascii=False, separators=(",", ":"))
    query = urlencode({"task": task, "symptoms": text}, errors="replace")
    if len(query) > MAX_LINK:
        raise SymptomError(
            f"These lists make a link of {len(query):,} characters, and many programs cut one of more than "
            f"{MAX_LINK:,}; save them as a file instead."
        )
    return query


def read_link(query: str, tasks: Mapping[str, tuple[str, ...]]) -> tuple[str, list[str] | None] | None:
    """Task and texts of the boxes from a link's query; None where it names neither. Raises SymptomError.

    tasks: the classes of each task. The texts are None for a task's own lists.
    """
    sent: dict[str, Any] = {}
    if len(query) <= MAX_LINK + 1_000:  # other fields may stand beside ours
        sent = parse_qs(query.removeprefix("?"), max_num_fields=20) if query.count("&") < 20 else {}
    elif "symptoms=" in query:
        raise SymptomError("The link to this page is too long to be one of its own; ask for the lists as a file.")
    if not {"task", "symptoms"} & sent.keys():
        return None
    task = sent.get("task", [next(iter(tasks))])[0]
    if task not in tasks:
        raise SymptomError(f"The link names a task that is not here; choose one of {', '.join(tasks)}.")
    if "symptoms" not in sent:
        return task, None
    try:
        lists = json.loads(sent["symptoms"][0])
        SymptomSet.from_dict(_switched_on(lists)).ordered(tasks[task])
    except (ValueError, RecursionError) as error:
        raise SymptomError("The symptoms in the link are damaged; ask for the link again, or for a file.") from error
    except SymptomError as error:
        raise SymptomError(f"The symptoms in the link cannot be used: {error}") from error
    texts = ["\n".join(" ".join(line.splitlines()) for line in lists[name]) for name in tasks[task]]
    refuse_long(dict(zip(tasks[task], texts, strict=True)))
    return task, texts


def _switched_on(lists: object) -> object:
    """The lists of a link as a symptom set's JSON, without the lines switched off; what is no object as it is."""
    if not isinstance(lists, dict):
        return lists
    on = {
        name: [line for line in lines if not (isinstance(line, str) and line.lstrip().startswith(OFF))]
        if isinstance(lines, list)
        else lines
        for name, lines in lists.items()
    }
    return {"classes": on}

"""What the Diagnose page asks for, checked."""

from dataclasses import dataclass, replace
from typing import Any

from vip_core.errors import SymptomError
from vip_core.symptoms import SymptomSet

from .lists import MAX_CHARACTERS
from .tasks import MODES, Task

SEEN, ABSENT, UNKNOWN = "seen", "absent", "unknown"
Json = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """A request of the page, checked.

    Attributes:
        mode: a key of MODES.
        symptoms: what is scored.
        places: for each scored symptom, class and place in the page's list.
        findings: for each scored symptom, "seen" or "absent" where the visitor overrules the model, else None.
        drawn: for each scored symptom, whether the page has its distributions already.
    """

    mode: str
    symptoms: SymptomSet
    places: tuple[tuple[str, int], ...]
    findings: tuple[str | None, ...]
    drawn: tuple[bool, ...] = ()


def read_request(task: Task, request: Json, lists: Json | None = None) -> Asked:
    """Check a request of the page. Raises SymptomError with a sentence for the visitor."""
    mode = request.get("mode")
    if mode not in MODES:
        raise SymptomError("This method is not available; reload the page.")
    own = task.predictor.symptoms
    lists = request.get("lists") if lists is None else lists
    if not isinstance(lists, dict) or list(lists) != list(own.classes):
        raise SymptomError("The page has the lists of another task; reload it.")
    if mode == "names":
        symptoms = task.prompts(mode, own)
        return Asked(
            mode,
            symptoms,
            tuple((name, 0) for name in own.classes),
            (None,) * len(own.classes),
            (False,) * len(own.classes),
        )
    chosen, places, findings, drawn = [], [], [], []
    for name, rows in lists.items():
        kept = []
        for index, row in enumerate(rows if isinstance(rows, list) else []):
            text, on, finding = (
                (row.get("text"), row.get("on"), row.get("finding")) if isinstance(row, dict) else (None, 0, 0)
            )
            if not isinstance(text, str) or not text.strip() or not on or finding == UNKNOWN:
                continue
            kept.append(text.strip())
            places.append((name, index))
            findings.append(finding if finding in (SEEN, ABSENT) else None)
            drawn.append(bool(row.get("drawn")))
        if not kept:
            raise SymptomError(f"No symptom of “{name}” is scored; switch one on, or write one.")
        if sum(map(len, kept)) > MAX_CHARACTERS:
            raise SymptomError(f"The list of “{name}” is longer than {MAX_CHARACTERS:,} characters; shorten it.")
        chosen.append(tuple(kept))
    return Asked(mode, replace(own, symptoms=tuple(chosen)), tuple(places), tuple(findings), tuple(drawn))

"""Grounding: each line of a symptom set checked against a checkpoint: its length, its duplicates and its AUROC."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vip_core.evaluation.intervals import hanley_mcneil
from vip_core.models.backbone import Backbone
from vip_core.models.vip import ViP
from vip_core.symptoms import SymptomSet
from vip_core.vsg.duplicates import SAME_MEANING, closeness, sentence_tower


@dataclass(frozen=True)
class Duplicate:
    """A line that means nearly the same as another: its text, its class, and the cosine of the two."""

    line: str
    class_name: str
    cosine: float


@dataclass(frozen=True)
class GroundedLine:
    """What grounding found about one line.

    Attributes:
        class_name: of the line.
        symptom: the line.
        tokens: of its prompt, context included.
        limit: the tokens that the text tower takes.
        auroc: how well it ranks the reference images of its class above the others, under the trained context; 0.5 is
            chance. The reference images are training images, so it is optimistically biased. None if the line is too
            long.
        interval: its 95 % interval (Hanley and McNeil, Radiology 1982), or None where it would have no width, which
            is at an AUROC of 0 or 1, however few the images.
        duplicate: an earlier line of its class, or any line of another class, of nearly the same meaning.
        notes: objections to the line, a sentence each.
    """

    class_name: str
    symptom: str
    tokens: int
    limit: int
    auroc: float | None
    interval: tuple[float, float] | None
    duplicate: Duplicate | None
    notes: tuple[str, ...]


def ground(symptoms: SymptomSet, vip: ViP) -> list[GroundedLine]:
    """Check every line, class after class in the checkpoint's order; its reference bank takes the place of images.

    Raises:
        SymptomError: if the set has other classes than the checkpoint, or a line cannot be a prompt at all.
    """
    symptoms = symptoms.ordered(vip.symptoms.classes)
    owners = [c for c, count in enumerate(symptoms.counts) for _ in range(count)]
    context = vip.context_prompt.vectors.shape[-2]
    tokens = [vip.backbone.token_count(line) + context for line in symptoms.texts]
    limit = vip.backbone.context_length
    short = [row for row, count in enumerate(tokens) if count <= limit]
    aurocs = dict(zip(short, _separations(symptoms, short, owners, vip), strict=True))
    duplicates = _duplicates(symptoms, owners, sentence_tower(vip.backbone))
    lines = []
    for row, line in enumerate(symptoms.texts):
        auroc = aurocs.get(row)
        interval = None if auroc is None else _interval(auroc, owners[row], vip)
        name = symptoms.classes[owners[row]]
        lines.append(GroundedLine(name, line, tokens[row], limit, auroc, interval, duplicates[row], ()))
    return [replace(line, notes=tuple(_notes(line))) for line in lines]


def select_best(
    symptoms: SymptomSet, grounded: Sequence[GroundedLine], number: int, backbone: Backbone | None = None
) -> SymptomSet:
    """The best lines of each class, at most `number`, the best first.

    The rule: by the AUROC on the reference bank, that is on training images, never on test images. A line is skipped
    if it is too long, means the same as a better one of its class, or favours the other classes (AUROC below 0.5). If
    that leaves a class with no line, its best one that is short enough is kept all the same.

    Args:
        symptoms: the set that was grounded.
        grounded: what `ground` returned for it.
        number: the most lines per class.
        backbone: avoids loading vip-mini if it is vip-mini.

    Raises:
        SymptomError: if a class has no line that is short enough.
    """
    chosen = []
    tower = sentence_tower(backbone)
    for name in symptoms.classes:
        usable = [line for line in grounded if line.class_name == name and line.auroc is not None]
        usable.sort(key=lambda line: -(line.auroc or 0.0))  # stable: the model's own order decides a tie
        cosines = closeness([line.symptom for line in usable], tower) if usable else torch.zeros(0, 0)
        kept: list[int] = []
        for row, line in enumerate(usable):
            if len(kept) < number and (line.auroc or 0.0) >= 0.5 and not (cosines[row, kept] >= SAME_MEANING).any():
                kept.append(row)
        chosen.append(tuple(usable[row].symptom for row in kept or range(min(1, len(usable)))))
    source = {
        **symptoms.source,
        "kept": f"the {number} best per class by AUROC on the reference bank (training images)",
    }
    return replace(symptoms, symptoms=tuple(chosen), source=source)


@torch.inference_mode()
def _separations(symptoms: SymptomSet, rows: list[int], owners: list[int], vip: ViP) -> list[float]:
    """The AUROC of each of the rows under the trained context."""
    counts = [sum(owners[row] == c for row in rows) for c in range(len(symptoms.classes))]
    text = vip.backbone.encode_prompts([symptoms.texts[row] for row in rows], vip.context_prompt(counts))
    reference = vip.adapted_reference
    assert reference is not None  # every checkpoint has one
    return [auroc for c, group in enumerate(text.split(counts)) for auroc in reference.separation(group, c)]


def _interval(auroc: float, label: int, vip: ViP) -> tuple[float, float] | None:
    """95 % interval of an AUROC of the reference images of a class against the others."""
    assert vip.reference is not None
    positives = int((vip.reference.labels == label).sum())
    return hanley_mcneil(auroc, positives, len(vip.reference.labels) - positives)


def _duplicates(symptoms: SymptomSet, owners: list[int], tower: Backbone) -> list[Duplicate | None]:
    """For each line the nearest one of the same meaning; lines too long for the tower have none."""
    lines = symptoms.texts
    fitting = [row for row, line in enumerate(lines) if tower.token_count(line) <= tower.context_length]
    cosines = closeness([lines[row] for row in fitting], tower)
    found: list[Duplicate | None] = [None] * len(lines)
    for here, row in enumerate(fitting):
        nearest = _nearest(cosines[here], row, fitting, owners)
        if nearest is not None:
            other, cosine = nearest
            found[row] = Duplicate(lines[other], symptoms.classes[owners[other]], cosine)
    return found


def _nearest(cosines: Tensor, row: int, rows: list[int], owners: list[int]) -> tuple[int, float] | None:
    # In its own class only earlier lines count, so that the first of two has no note.
    others = [
        (cosine, other)
        for cosine, other in zip(cosines.tolist(), rows, strict=True)
        if owners[other] != owners[row] or other < row
    ]
    if not others:
        return None
    cosine, other = max(others, key=lambda pair: pair[0])
    return (other, cosine) if cosine >= SAME_MEANING else None


def _notes(line: GroundedLine) -> list[str]:
    notes = []
    if line.tokens > line.limit:
        notes.append(f"Too long: {line.tokens} tokens; the text tower takes {line.limit}.")
    if line.duplicate is not None:
        elsewhere = "" if line.duplicate.class_name == line.class_name else f" of “{line.duplicate.class_name}”"
        notes.append(f"Means the same as “{line.duplicate.line}”{elsewhere}.")
    if line.auroc is None:
        return notes
    low, high = line.interval or (line.auroc, line.auroc)
    value = f"AUROC {line.auroc:.2f}" + (f" ({low:.2f} to {high:.2f})" if line.interval else "")
    if high < 0.5:
        notes.append(f"Favours the other classes: {value}.")
    elif low <= 0.5:
        notes.append(f"Does not discriminate between the classes: {value}.")
    return notes

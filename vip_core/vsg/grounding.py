"""Grounding: each line of a symptom set checked against a checkpoint: its length, its twins, what it separates."""

import math
from dataclasses import dataclass, replace

import torch

from vip_core.models.backbone import Backbone
from vip_core.models.vip import ViP
from vip_core.symptoms import SymptomSet
from vip_core.vsg.agreement import SAME_MEANING, closeness, meaning_tower


@dataclass(frozen=True)
class Finding:
    """What grounding found of one line.

    Attributes:
        class_name, symptom: which line.
        tokens: of its prompt, context included; limit: what the text tower takes.
        auroc: how it ranks the reference images of its class above the others, under the trained context; 0.5 is
            chance. The reference images are training images, so it flatters. None if the line is too long.
        interval: its 95 % interval (Hanley and McNeil, Radiology 1982).
        twin: a line of nearly the same meaning, an earlier one of its class or any of another class, with its class
            and the cosine.
        notes: what speaks against the line, a sentence each.
    """

    class_name: str
    symptom: str
    tokens: int
    limit: int
    auroc: float | None
    interval: tuple[float, float] | None
    twin: str | None
    twin_class: str | None
    twin_cosine: float | None
    notes: tuple[str, ...]


def ground(symptoms: SymptomSet, vip: ViP) -> list[Finding]:
    """Check every line, class after class in the checkpoint's order; no image is needed, the reference bank has some.

    Raises:
        SymptomError: if the set has other classes than the checkpoint, or a line cannot be a prompt at all.
    """
    symptoms = symptoms.ordered(vip.symptoms.classes)
    owners = [c for c, count in enumerate(symptoms.counts) for _ in range(count)]
    extra = vip.context_prompt.vectors.shape[-2]
    tokens = [vip.backbone.token_count(line) + extra for line in symptoms.texts]
    limit = vip.backbone.context_length
    short = [row for row, count in enumerate(tokens) if count <= limit]
    aurocs = dict(zip(short, _separations(symptoms, short, owners, vip), strict=True))
    tower = meaning_tower(vip.backbone)
    clear = [row for row, line in enumerate(symptoms.texts) if tower.token_count(line) <= tower.context_length]
    cosines = closeness([symptoms.texts[row] for row in clear], tower)
    findings = []
    for row, line in enumerate(symptoms.texts):
        twin = _twin(row, clear, cosines, owners)
        interval = None if aurocs.get(row) is None else _interval(aurocs[row], owners[row], vip)
        findings.append(
            Finding(
                class_name=symptoms.classes[owners[row]],
                symptom=line,
                tokens=tokens[row],
                limit=limit,
                auroc=aurocs.get(row),
                interval=interval,
                twin=None if twin is None else symptoms.texts[twin[0]],
                twin_class=None if twin is None else symptoms.classes[owners[twin[0]]],
                twin_cosine=None if twin is None else twin[1],
                notes=(),
            )
        )
    return [replace(finding, notes=tuple(_notes(finding))) for finding in findings]


def keep_best(
    symptoms: SymptomSet, findings: list[Finding], number: int, backbone: Backbone | None = None
) -> SymptomSet:
    """The best lines of each class, at most `number`, the best first.

    The rule: by the AUROC on the reference bank, that is on training images, never on test images. A line is passed
    over if it is too long, means the same as a better one of its class, or speaks for the other classes (AUROC below
    0.5). If that leaves a class with no line, its best one that is short enough is kept all the same.

    Args:
        symptoms: the set that was grounded.
        findings: of `ground`.
        number: the most lines a class.
        backbone: spares loading vip-mini if it is vip-mini.

    Raises:
        SymptomError: if a class has no line that is short enough.
    """
    chosen = []
    tower = meaning_tower(backbone)
    for name in symptoms.classes:
        usable = [finding for finding in findings if finding.class_name == name and finding.auroc is not None]
        usable.sort(key=lambda finding: -(finding.auroc or 0.0))  # stable: the model's own order decides a tie
        cosines = closeness([finding.symptom for finding in usable], tower) if usable else torch.zeros(0, 0)
        kept: list[int] = []
        for row, finding in enumerate(usable):
            if len(kept) < number and (finding.auroc or 0.0) >= 0.5 and not (cosines[row, kept] >= SAME_MEANING).any():
                kept.append(row)
        chosen.append(tuple(usable[row].symptom for row in kept or range(min(1, len(usable)))))
    source = {**symptoms.source, "kept": f"the {number} best a class by AUROC on the reference bank (training images)"}
    return replace(symptoms, symptoms=tuple(chosen), source=source)


@torch.inference_mode()
def _separations(symptoms: SymptomSet, rows: list[int], owners: list[int], vip: ViP) -> list[float]:
    """The AUROC of each of the rows under the trained context."""
    counts = [sum(owners[row] == c for row in rows) for c in range(len(symptoms.classes))]
    text = vip.backbone.encode_prompts([symptoms.texts[row] for row in rows], vip.context_prompt(counts))
    assert vip.reference is not None  # every checkpoint has one
    return [auroc for c, group in enumerate(text.split(counts)) for auroc in vip.reference.separation(group, c)]


def _interval(auroc: float, label: int, vip: ViP) -> tuple[float, float]:
    """95 % interval of an AUROC of p images of the class and n others (Hanley and McNeil, Radiology 1982)."""
    assert vip.reference is not None
    p = int((vip.reference.labels == label).sum())
    n = len(vip.reference.labels) - p
    q1, q2 = auroc / (2 - auroc), 2 * auroc**2 / (1 + auroc)
    variance = (auroc * (1 - auroc) + (p - 1) * (q1 - auroc**2) + (n - 1) * (q2 - auroc**2)) / (p * n)
    half = 1.96 * math.sqrt(max(variance, 0.0))
    return max(0.0, auroc - half), min(1.0, auroc + half)


def _twin(row: int, rows: list[int], cosines: torch.Tensor, owners: list[int]) -> tuple[int, float] | None:
    if row not in rows:
        return None
    here = rows.index(row)
    others = [
        (float(cosines[here, there]), other)
        for there, other in enumerate(rows)
        if owners[other] != owners[row] or other < row  # of its own class only earlier ones, so that one of two is free
    ]
    if not others:
        return None
    cosine, other = max(others, key=lambda pair: pair[0])
    return (other, cosine) if cosine >= SAME_MEANING else None


def _notes(finding: Finding) -> list[str]:
    notes = []
    if finding.tokens > finding.limit:
        notes.append(f"Too long: {finding.tokens} tokens, and the text tower takes {finding.limit}.")
    if finding.twin is not None and finding.twin_class == finding.class_name:
        notes.append(f"Means the same as “{finding.twin}”.")
    elif finding.twin is not None:
        notes.append(f"Means the same as “{finding.twin}” of “{finding.twin_class}”.")
    if finding.interval is not None:
        low, high = finding.interval
        if high < 0.5:
            notes.append(f"Speaks for the other classes: AUROC {finding.auroc:.2f} ({low:.2f} to {high:.2f}).")
        elif low <= 0.5:
            notes.append(f"Does not separate the classes: AUROC {finding.auroc:.2f} ({low:.2f} to {high:.2f}).")
    return notes

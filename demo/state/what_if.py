"""What if: a visitor's own findings in place of the model's, and the symptoms on which the prediction depends."""

from dataclasses import replace
from itertools import combinations

import torch
from torch import Tensor

from vip_core.scoring.diagnosis import Diagnosis, SymptomScore

from .numbers import per_cent
from .request import SEEN, Asked
from .task_view import finding_of
from .tasks import Task

CLEARLY_SEEN, CLEARLY_ABSENT = 0.95, 0.05  # quantiles of the symptom's class, and of the other classes
NEIGHBOURS = 5


def diagnose(task: Task, features: Tensor, asked: Asked) -> tuple[Diagnosis, Tensor]:
    """The diagnosis of an image (D,) under what was asked, and the text features (n, D) of the symptoms."""
    scorer = task.scorer(asked.mode)
    diagnosis, text = scorer.diagnose(features, asked.symptoms), scorer.encode_symptoms(asked.symptoms)
    return overruled(task, asked, diagnosis, text), text


def overruled(task: Task, asked: Asked, diagnosis: Diagnosis, text: Tensor) -> Diagnosis:
    """The diagnosis with the visitor's own findings in place of the model's similarities.

    A symptom's term of the logit is proportional to its similarity. A finding that is seen sets the similarity to the
    95th percentile of the reference images of the symptom's class, one that is absent to the 5th percentile of those of
    the other classes, and scales the term with it. The 5th percentile of the symptom's own class would not do: those
    images have the finding too, and even the least similar of them can be more similar than most images without it.
    """
    bank = task.scorer(asked.mode).similarity_reference
    if bank is None or not any(asked.findings):
        return diagnosis
    known = bank.similarities(text)  # (N, n)
    logits = dict(diagnosis.logits)
    scores: list[SymptomScore] = []
    for row, (score, finding) in enumerate(zip(diagnosis.symptoms, asked.findings, strict=True)):
        own = bank.labels == asked.symptoms.classes.index(score.class_name)
        if finding is not None and own.any() and not own.all():  # a class that the visitor added has no images
            seen = finding == SEEN
            similarity = known[own if seen else ~own, row].quantile(CLEARLY_SEEN if seen else CLEARLY_ABSENT).item()
            weight = score.contribution / score.similarity if score.similarity else 0.0
            changed = replace(score, similarity=similarity, contribution=weight * similarity)
            logits[score.class_name] += changed.contribution - score.contribution
            score = changed
        scores.append(score)
    temperature = task.scorer(asked.mode).temperature
    values = (torch.tensor(list(logits.values()), dtype=torch.float64) / temperature).softmax(-1).tolist()
    probabilities = dict(zip(logits, values, strict=True))
    prediction = max(probabilities, key=lambda name: probabilities[name])
    return replace(diagnosis, prediction=prediction, probabilities=probabilities, logits=logits, symptoms=tuple(scores))


def nearest_classes(task: Task, features: Tensor) -> list[int]:
    """How many of the most similar reference images had each class; empty without a bank."""
    bank = task.predictor.vip.reference
    if bank is None or not len(bank.labels):
        return []
    similar = bank.similarities(features[None]).flatten().topk(min(NEIGHBOURS, len(bank.labels))).indices
    return bank.labels[similar.cpu()].bincount(minlength=len(task.classes)).tolist()


def neighbours(task: Task, features: Tensor) -> str:
    """The labels of the most similar reference images, in words."""
    counts = nearest_classes(task, features)
    found = [f"{count} {name}" for count, name in zip(counts, task.classes, strict=False) if count]
    return f"Labels of the {sum(counts)} most similar reference images: {', '.join(found)}." if found else ""


def what_would_change(task: Task, features: Tensor, asked: Asked, diagnosis: Diagnosis) -> list[str]:
    """The symptom whose removal moves the probability most, and the one or two whose removal flips the prediction."""
    finding = finding_of(task)
    name = diagnosis.prediction if finding is None else task.classes[finding]
    value = diagnosis.probabilities[name]
    singles = {(row,): found for row in range(len(asked.places)) if (found := _without(task, features, asked, (row,)))}
    if not singles:
        return ["Every class has only one symptom; none can be removed."]
    best = max(singles, key=lambda rows: abs(singles[rows].probabilities[name] - value))
    moved = singles[best].probabilities[name]
    most = diagnosis.symptoms[best[0]].symptom
    lines = [f"Removing “{most}” changes the probability of {name} most: from {per_cent(value)} to {per_cent(moved)}."]
    flips = [rows for rows, found in singles.items() if found.prediction != diagnosis.prediction]
    if not flips:
        pairs = combinations(range(len(asked.places)), 2)
        for rows in pairs:
            found = _without(task, features, asked, rows)
            if found is not None and found.prediction != diagnosis.prediction:
                flips = [rows]
                break
    if flips:
        texts = " and ".join(f"“{diagnosis.symptoms[row].symptom}”" for row in flips[0])
        return [*lines, f"The prediction flips without {texts}."]
    return [*lines, "No single symptom or pair is decisive: the prediction is the same without any one or two of them."]


def _without(task: Task, features: Tensor, asked: Asked, rows: tuple[int, ...]) -> Diagnosis | None:
    """The diagnosis without some rows; None where a class would have none left."""
    kept = [row for row in range(len(asked.places)) if row not in rows]
    lists: dict[str, list[str]] = {name: [] for name in task.classes}
    for row in kept:
        lists[asked.places[row][0]].append(asked.symptoms.texts[row])
    if not all(lists.values()):
        return None
    symptoms = replace(asked.symptoms, symptoms=tuple(map(tuple, lists.values())))
    findings = tuple(asked.findings[row] for row in kept)
    return diagnose(task, features, Asked(asked.mode, symptoms, tuple(asked.places[row] for row in kept), findings))[0]

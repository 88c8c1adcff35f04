"""The rows of the Diagnose page: every symptom with its numbers for one image, as JSON."""

import math
from typing import Any

import torch
from torch import Tensor

from vip_core.errors import SymptomError
from vip_core.scoring.diagnosis import Diagnosis

from .diagnosis import before_edits
from .request import Asked, Json, read_request
from .task_view import axis_of, cautions, finding_of, strip_groups
from .tasks import Task
from .visit import Visit
from .what_if import diagnose, nearest_classes, neighbours, what_would_change

BINS = 28  # of a strip's distributions
MAX_VERSIONS = 20


def score_rows(task: Task, visit: Visit, request: Json) -> Json:
    """The rows of a request with their numbers. Raises SymptomError with a sentence for the visitor."""
    assert visit.features is not None
    asked = read_request(task, request)
    diagnosis, text = diagnose(task, visit.features, asked)
    original = task.scorer(asked.mode).diagnose(visit.features, task.prompts(asked.mode, task.predictor.symptoms))
    second, second_domain = None, None
    if visit.second is not None:
        second, _ = diagnose(task, visit.second.features, asked)
        second_domain = domain(visit.second.warning, second)
    foreign = second_domain is not None and not second_domain["in_domain"]
    changed = asked.symptoms.symptoms != task.prompts(asked.mode, task.predictor.symptoms).symptoms
    answer: Json = {
        "choice": visit.choice,
        "id": request.get("id", 0),
        "mode": asked.mode,
        "axis": [round(end, 3) for end in axis_of(task, asked.mode)],
        "probabilities": _rounded(diagnosis.probabilities.values(), 5),
        "original": _rounded(original.probabilities.values(), 5),
        "edited": changed or any(asked.findings),
        "domain": domain(visit.warning, diagnosis),
        "nearest": nearest_classes(task, visit.features),
        "direction": list(direction(task, diagnosis)),
        "rows": rows(task, asked, diagnosis, original, text, None if foreign else second),
    }
    if second is not None:  # of an image that is out of distribution, no number is given
        values = None if foreign else _rounded(second.probabilities.values(), 5)
        answer["second"] = {"probabilities": values, "domain": second_domain}
    if request.get("changes"):
        answer["neighbours"] = neighbours(task, visit.features)
        answer["changes"] = what_would_change(task, visit.features, asked, diagnosis)
    if versions := request.get("versions"):
        answer["versions"] = [_version(task, visit.features, request, version) for version in versions[:MAX_VERSIONS]]
    return answer


def domain(warning: str, diagnosis: Diagnosis) -> Json | None:
    """Whether the image is in domain, and if not, why. warning: by its DICOM header."""
    if warning:
        return {"in_domain": False, "reason": warning}
    if diagnosis.domain is None:
        return None
    check = diagnosis.domain
    return {
        "in_domain": check.in_domain,
        "reason": check.reason,
        "near_miss": check.near_miss,
        "score": round(check.score, 4),
        "threshold": round(check.threshold, 4),
    }


def rows(
    task: Task, asked: Asked, diagnosis: Diagnosis, original: Diagnosis, text: Tensor, second: Diagnosis | None
) -> list[Json]:
    """A row per scored symptom, as the page paints it."""
    separations = task.scorer(asked.mode).separations(asked.symptoms)
    before = before_edits(original, asked)
    counts, below = distributions(task, asked, diagnosis, text)
    signs, known_cautions = signs_of(task, diagnosis), cautions(task)
    found = []
    for row, (score, place) in enumerate(zip(diagnosis.symptoms, asked.places, strict=True)):
        old = before[row]
        found.append(
            {
                "class": place[0],
                "index": place[1],
                "symptom": score.symptom,
                "similarity": round(score.similarity, 4),
                "before": None if old is None else round(old.similarity, 4),
                "percentile": None if score.percentile is None else round(score.percentile, 1),
                "percentiles": below[row],
                "contribution": round(score.contribution, 4),
                "adds": round(signs[score.class_name] * score.contribution, 4),
                "attention": round(score.attention, 4),
                "auroc": None if (auroc := separations[row]) is None or math.isnan(auroc) else round(auroc, 3),
                "counts": counts[row],
                "note": note(score.symptom, known_cautions),
                **({} if second is None else {"second": round(second.symptoms[row].similarity, 4)}),
            }
        )
    return found


def direction(task: Task, diagnosis: Diagnosis) -> tuple[str, str]:
    """The class that a positive number counts towards, and the one that it counts against.

    Of two classes the finding and the other one; of more the predicted class and the strongest other.
    """
    finding = finding_of(task)
    if finding is not None:
        return task.classes[finding], task.classes[1 - finding]
    first, second, *_ = sorted(diagnosis.logits, key=lambda name: -diagnosis.logits[name])
    return first, second


def signs_of(task: Task, diagnosis: Diagnosis) -> dict[str, int]:
    """The sign with which each class's terms count in `direction`; 0 for a class on neither side."""
    towards, against = direction(task, diagnosis)
    return {name: 1 if name == towards else -1 if name == against else 0 for name in diagnosis.logits}


def distributions(task: Task, asked: Asked, diagnosis: Diagnosis, text: Tensor) -> tuple[list[Any], list[Any]]:
    """For each symptom: reference images per bin in two groups unless drawn, and the share of each below this image."""
    bank = task.scorer(asked.mode).similarity_reference
    if bank is None:
        return [None] * len(text), [None] * len(text)
    known = bank.similarities(text).float()  # (N, n)
    low, high = axis_of(task, asked.mode)
    groups = [
        [torch.isin(bank.labels, torch.tensor(labels)) for labels in strip_groups(task, label)]
        for label in range(len(task.classes))
    ]
    similarity = torch.tensor([score.similarity for score in diagnosis.symptoms])  # (n,)
    below_all = known < similarity  # (N, n)
    counts, below = [], []
    for row, score in enumerate(diagnosis.symptoms):
        both = groups[asked.symptoms.classes.index(score.class_name)]
        counts.append(None if asked.drawn[row] else [_histogram(known[group, row], low, high) for group in both])
        below.append([round(100 * below_all[group, row].float().mean().nan_to_num().item()) for group in both])
    return counts, below


def _histogram(values: Tensor, low: float, high: float) -> list[int]:
    return values.clamp(low, high).histc(BINS, low, high).int().tolist()


def note(symptom: str, known_cautions: list[Json]) -> str:
    """Why a row may be misleading; empty if no reason is known. known_cautions: see `cautions`."""
    words = {word.strip(".,;:()").lower() for word in symptom.split()}
    if found := [caution["note"] for caution in known_cautions if words & set(caution["words"])]:
        return " ".join(found)
    letters = [character for character in symptom if character.isalpha()]
    if letters and sum(character.isascii() for character in letters) < 0.7 * len(letters):
        return "Not English: the model’s text tower was trained on English only."
    return ""


def _version(task: Task, features: Tensor, request: Json, version: Json) -> Json:
    name = str(version.get("name", ""))[:40]
    try:
        diagnosis, _ = diagnose(task, features, read_request(task, request, version.get("lists")))
    except SymptomError as error:
        return {"name": name, "error": str(error)}
    return {"name": name, "probabilities": _rounded(diagnosis.probabilities.values(), 5)}


def _rounded(values: Any, digits: int) -> list[float]:  # noqa: ANN401
    return [round(value, digits) for value in values]

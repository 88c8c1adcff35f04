"""Which symptom is on the map, and how it is followed through edits."""

from dataclasses import dataclass

from vip_core.scoring.diagnosis import Diagnosis


@dataclass(frozen=True)
class Chosen:
    """The symptom on the map: its class, place in that class's list, and text.

    of: a mark of the image for which it was chosen by itself; None where the visitor chose it, for whatever image.
    """

    class_name: str
    place: int
    symptom: str
    of: float | None = None


def placed(diagnosis: Diagnosis, row: int, of: float | None) -> Chosen:
    """The symptom in a row, as it is looked for when the lists change."""
    score = diagnosis.symptoms[row]
    before = sum(other.class_name == score.class_name for other in diagnosis.symptoms[:row])
    return Chosen(score.class_name, before, score.symptom, of)


def follow(chosen: Chosen | None, diagnosis: Diagnosis) -> int:
    """The row of the chosen symptom: by its text, or its place where it was reworded; else the strongest reason's."""
    scores = diagnosis.symptoms
    if chosen is not None:
        own = [i for i, s in enumerate(scores) if s.class_name == chosen.class_name]
        same = [i for i in own if scores[i].symptom == chosen.symptom]
        if own:
            here = own[min(chosen.place, len(own) - 1)]
            return here if here in same or not same else same[0]
    reasons = [i for i, s in enumerate(scores) if s.class_name == diagnosis.prediction] or range(len(scores))
    return max(reasons, key=lambda i: scores[i].contribution)

"""The diagnosis of an image under a visitor's lists, and its diagnosis under the original lists."""

from dataclasses import dataclass

from torch import Tensor

from vip_core.scoring.diagnosis import Diagnosis, SymptomScore
from vip_core.symptoms import SymptomSet

from .request import Asked
from .task_view import Json, cutoffs, finding_of
from .tasks import Task
from .what_if import diagnose, nearest_classes


@dataclass(frozen=True)
class DiagnosisView:
    """A diagnosis and all that is shown beside it.

    Attributes:
        task: what was looked for.
        mode: how, one of demo.state.tasks.MODES.
        symptoms: what was scored.
        diagnosis: under these.
        original: the diagnosis under the task's own lists.
        before: for each symptom, its score there, None for a new line; None as a whole where the lists are these.
        separations: for each symptom, its AUROC on the reference images.
        findings: for each symptom, "seen" or "absent" where the visitor overruled the model, else None.
        warning: why the image does not fit the task, by its DICOM header; empty where it does.
        nearest: how many of the most similar reference images had each class; empty without a bank.
    """

    task: Task
    mode: str
    symptoms: SymptomSet
    diagnosis: Diagnosis
    original: Diagnosis
    before: tuple[SymptomScore | None, ...] | None
    separations: tuple[float | None, ...]
    findings: tuple[str | None, ...] = ()
    warning: str = ""
    nearest: tuple[int, ...] = ()

    @property
    def edited(self) -> bool:
        """Whether the lists are others than the task's own."""
        return self.before is not None

    @property
    def in_domain(self) -> bool:
        """Whether the image resembles the reference images; also true if there are none to compare with."""
        return not self.warning and (self.diagnosis.domain is None or self.diagnosis.domain.in_domain)

    @property
    def finding(self) -> str | None:
        """The class that a task of two classes is for; None with more classes."""
        index = finding_of(self.task)
        return None if index is None else self.task.classes[index]

    @property
    def cutoffs(self) -> dict[str, Json]:
        """The trained model's cut-offs on the scale of the finding, "half" and "screening"; empty in other modes."""
        if self.mode != "vip":
            return {}
        found = cutoffs(self.task.predictor.vip.card, self.task.classes, finding_of(self.task))
        return {each["kind"]: each for each in found}


def view_asked(task: Task, features: Tensor, asked: Asked, warning: str = "") -> DiagnosisView:
    """What the page shows of an image, given as its feature (D,). Raises SymptomError.

    warning: why the image does not fit the task, by its DICOM header.
    """
    own = task.prompts(asked.mode, task.predictor.symptoms)
    original = task.scorer(asked.mode).diagnose(features, own)
    diagnosis, _ = diagnose(task, features, asked)
    edited = asked.symptoms.symptoms != own.symptoms or any(asked.findings)
    before = tuple(before_edits(original, asked)) if edited else None
    separations = tuple(task.scorer(asked.mode).separations(asked.symptoms))
    return DiagnosisView(
        task,
        asked.mode,
        asked.symptoms,
        diagnosis,
        original,
        before,
        separations,
        asked.findings,
        warning,
        tuple(nearest_classes(task, features)),
    )


def before_edits(original: Diagnosis, asked: Asked) -> list[SymptomScore | None]:
    """For each symptom its score under the task's own lists: of the same text, else of the text that it replaced."""
    by_text = {(score.class_name, score.symptom): score for score in original.symptoms}
    by_place: dict[tuple[str, int], SymptomScore] = {}
    for score in original.symptoms:
        by_place[score.class_name, sum(name == score.class_name for name, _ in by_place)] = score
    taken = {
        asked_text for asked_text in zip(_classes(asked), asked.symptoms.texts, strict=True) if asked_text in by_text
    }
    found: list[SymptomScore | None] = []
    for name, text, place in zip(_classes(asked), asked.symptoms.texts, asked.places, strict=True):
        there = by_place.get(place)
        free = there is not None and (there.class_name, there.symptom) not in taken
        found.append(by_text.get((name, text)) or (there if free else None))
    return found


def _classes(asked: Asked) -> list[str]:
    return [asked.symptoms.classes[label] for label in asked.symptoms.labels]

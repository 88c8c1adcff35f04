"""What an image and the lists of a visitor give: the diagnosis, and what it was with the original lists."""

from dataclasses import dataclass

from torch import Tensor

from vip_core.scoring.diagnosis import Diagnosis, SymptomScore
from vip_core.symptoms import SymptomSet

from ..state.lists import Texts, origins, parse_boxes
from ..state.tasks import Task


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
    """

    task: Task
    mode: str
    symptoms: SymptomSet
    diagnosis: Diagnosis
    original: Diagnosis
    before: tuple[SymptomScore | None, ...] | None
    separations: tuple[float | None, ...]

    @property
    def edited(self) -> bool:
        """Whether the lists are others than the task's own."""
        return self.before is not None

    @property
    def in_domain(self) -> bool:
        """Whether the image is like those that the model knows; also where nobody can tell."""
        return self.diagnosis.domain is None or self.diagnosis.domain.in_domain


def prompts_of(task: Task, mode: str, texts: Texts) -> SymptomSet:
    """What is scored for the boxes of a page. Raises SymptomError."""
    own = task.predictor.symptoms
    return task.prompts(mode, own if mode == "names" else parse_boxes(own, texts))


def diagnose_boxes(task: Task, mode: str, features: Tensor, texts: Texts) -> DiagnosisView:
    """Read an image, given as its feature (D,), under the boxes of a page. Raises SymptomError."""
    scorer, own = task.scorer(mode), task.prompts(mode, task.predictor.symptoms)
    symptoms = prompts_of(task, mode, texts)
    original = scorer.diagnose(features, own)
    edited = symptoms.symptoms != own.symptoms
    diagnosis = scorer.diagnose(features, symptoms) if edited else original
    before = None
    if edited:
        lines = origins(own, texts)
        before = tuple(None if line is None else original.symptoms[line] for line in lines)
    return DiagnosisView(task, mode, symptoms, diagnosis, original, before, tuple(scorer.separations(symptoms)))

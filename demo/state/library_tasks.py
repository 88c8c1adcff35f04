"""Libraries without a trained model as tasks: zero-shot on the embedded backbone, and marked as untrained."""

from collections.abc import Mapping

from vip_core.models.vip import ViP
from vip_core.scoring.predictor import Predictor
from vip_core.symptoms import SymptomSet
from vip_core.utils.paths import PROJECT

from .tasks import Task

AXIS = (-0.5, 0.5)  # of similarities without reference images


def library_tasks(tasks: Mapping[str, Task]) -> dict[str, Task]:
    """A task for each shipped library whose classes no trained task has. Raises SymptomError for a damaged library."""
    backbone = next(iter(tasks.values())).predictor.vip.backbone.with_contrast(None)
    trained = {tuple(sorted(task.classes)) for task in tasks.values()}
    found = {}
    for path in sorted((PROJECT / "assets" / "symptoms").glob("*.json")):
        symptoms = SymptomSet.load(path)
        if tuple(sorted(symptoms.classes)) not in trained and path.stem not in tasks:
            label = f"{symptoms.modality}: {', '.join(symptoms.classes[:2])}{' …' if len(symptoms.classes) > 2 else ''}"
            found[path.stem] = Task(path.stem, label, Predictor(ViP(backbone, symptoms)), AXIS, ())
    return found

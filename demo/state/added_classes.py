"""Classes that a visitor adds to a task: scored zero-shot, since no model was trained for them."""

from collections.abc import Mapping
from dataclasses import replace

from vip_core.errors import SymptomError
from vip_core.models.vip import ViP
from vip_core.scoring.predictor import Predictor
from vip_core.utils.lru import LRU

from .request import Json
from .tasks import Task

MAX_ADDED = 6  # classes
MAX_NAME = 60  # characters
KEPT = 32  # extended tasks
_EXTENDED: LRU[tuple[int, tuple[str, ...]], Task] = LRU(KEPT)


def task_asked(tasks: Mapping[str, Task], request: Json) -> Task:
    """The task of a request; with the classes that its lists add, a task without a trained model.

    Raises:
        SymptomError: too many classes, or a name that is empty or too long.
    """
    task, lists = tasks[request["task"]], request.get("lists")
    names = tuple(lists) if isinstance(lists, dict) else ()
    added = names[len(task.classes) :]
    if not added or names[: len(task.classes)] != task.classes:
        return task
    if len(added) > MAX_ADDED:
        raise SymptomError(f"At most {MAX_ADDED} classes can be added; remove one.")
    for name in added:
        if not name.strip() or len(name) > MAX_NAME:
            raise SymptomError(f"A class name must have 1 to {MAX_NAME} characters; “{name[:20]}” does not.")
    return _EXTENDED.get([(id(task), added)], lambda new: [_extended(task, names) for _, names in new])[0]


def _extended(task: Task, added: tuple[str, ...]) -> Task:
    """The task with more classes. It keeps the reference images, none of which belongs to the new ones."""
    own = task.predictor.symptoms
    symptoms = replace(
        own, classes=(*own.classes, *added), symptoms=(*own.symptoms, *((name,) for name in added)), source={}
    )
    vip = ViP(task.predictor.vip.backbone, symptoms)
    vip.reference = task.predictor.vip.reference
    return Task(task.key, task.label, Predictor(vip), task.axis, ())

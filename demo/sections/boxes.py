"""The symptom lists as text boxes, one per class."""

from ..state.tasks import Task
from .wiring import Json, Tasks


def most_classes(tasks: Tasks) -> int:
    """The number of boxes that the page has."""
    return max(len(task.classes) for task in tasks.values())


def boxes_of(task: Task, count: int) -> list[Json]:
    """Label, text and visibility of `count` boxes: one for each class of the task, the rest hidden."""
    symptoms = task.predictor.symptoms
    filled = [
        {"value": "\n".join(lines), "label": name, "visible": True}
        for name, lines in zip(symptoms.classes, symptoms.symptoms, strict=True)
    ]
    return filled + [{"value": "", "label": "", "visible": False}] * (count - len(filled))


def original_lists(tasks: Tasks, key: str) -> list[str]:
    """The text of each box as the task's checkpoint has it."""
    return [box["value"] for box in boxes_of(tasks[key], most_classes(tasks))]

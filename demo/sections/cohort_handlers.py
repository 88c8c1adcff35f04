"""What happens on the Cohort page: plain functions of the tasks and of what the page sends."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import gradio as gr

from vip_core.data.tables import class_key
from vip_core.errors import DataError, SymptomError, UsageError

from ..render.cards import message
from ..render.cohort_cards import INVITATION, charts_card, download_link, invitation, progress_line, said, summary_card
from ..render.cohort_details import WAITING, details_card
from ..state.cohort import (
    HALF,
    STEP,
    Cohort,
    CohortChoices,
    Results,
    finding,
    reference_cohort,
    score_cohort,
    screening_point,
)
from ..state.cohort_details import cohort_details
from ..state.cohort_loader import read_cohort
from ..state.cohort_table import ALL, UPLOADED
from ..state.labels import Labels, read_labels, unknown_labels
from ..state.lists import parse_boxes
from ..state.numbers import per_cent
from ..state.tasks import Task
from .boxes import boxes_of, most_classes
from .cohort_rows import filtered, kinds, not_chosen, orders
from .uploads import GONE, uploaded_files
from .wiring import Json, Tasks, Updates, boxes_named

FIX_LISTS = "Fix the symptom lists to see the results of these images."


# ---- images


def read_upload(tasks: Tasks, key: str, upload: list[Json] | None, visitor: str) -> Iterator[Updates]:
    """Yield the cohort repeatedly, as far as it has been read. upload: as the page sends it."""
    files = uploaded_files(upload)
    last, cohort_read = GONE.format(thing="files"), False
    if files:
        yield {"cohort": None, "progress": said("Opening the files …"), **usable(reading=True)}
        try:
            for step in read_cohort(tasks[key].predictor.vip.backbone, files, visitor):
                last, cohort_read = step.sentence, step.cohort is not None
                yield {"cohort": step.cohort, "progress": progress_line(step.done, step.of, last)}
        except DataError as error:
            last = str(error)
        except OSError:
            last = GONE.format(thing="files")
    yield {"progress": said(last, results=cohort_read), **usable(reading=False)}


def usable(reading: bool) -> Updates:
    """Disable upload, reference images and task while a cohort is read, and enable the Stop button."""
    free = gr.update(interactive=not reading)
    files = gr.update(value=None, interactive=not reading)
    return {"files": files, "reference": free, "task": free, "stop": gr.update(interactive=reading)}


def take_reference(tasks: Tasks, key: str) -> Updates:
    """The reference images as the cohort."""
    try:
        cohort = reference_cohort(tasks[key])
    except DataError as error:
        return {"progress": said(str(error))}
    return {"cohort": cohort, "progress": said(f"{len(cohort.names)} reference images in use.", results=True)}


# ---- labels


def take_labels(tasks: Tasks, key: str, upload: Json | None, meanings: Mapping[str, int] | None) -> Updates:
    """The labels of an uploaded file, and questions about labels that are not class names."""
    files = uploaded_files(upload)
    if not files:
        return no_labels(tasks) | {"labels note": message(GONE.format(thing="files"))}
    try:
        labels = read_labels(*files[0])
    except DataError as error:
        return no_labels(tasks) | {"labels note": message(str(error))}
    count = f"{len(labels.lines):,} label{'' if len(labels.lines) == 1 else 's'} read."
    return {
        "labels": labels,
        "labels note": said(count, results=True),
        **_questions(tasks, tasks[key], labels, meanings or {}),
    }


def no_labels(tasks: Tasks) -> Updates:
    """No labels file, and no question about it."""
    hidden = gr.update(visible=False, value=[], choices=[])
    return {"labels": None, "labels note": message(), **{f"meaning {c}": hidden for c in range(most_classes(tasks))}}


def _questions(tasks: Tasks, task: Task, labels: Labels, meanings: Mapping[str, int]) -> Updates:
    """One question per class: which labels mean it. Earlier answers are kept."""
    unknown = unknown_labels(labels, task.classes)
    return {
        f"meaning {c}": gr.update(
            visible=bool(unknown) and c < len(task.classes),
            choices=unknown,
            value=[label for label in unknown if meanings.get(class_key(label)) == c],
            label=f"Labels that mean “{task.classes[c]}”" if c < len(task.classes) else "",
        )
        for c in range(most_classes(tasks))
    }


def take_meanings(tasks: Tasks, key: str, *answers: list[str] | None) -> Updates:
    """The meanings of labels that the visitor chose; a label chosen for two classes means neither."""
    found: dict[str, int] = {}
    twice: set[str] = set()
    for c, labels in enumerate(answers[: len(tasks[key].classes)]):
        for label in labels or []:
            if class_key(label) in found:
                twice.add(label)
            found[class_key(label)] = c
    for label in twice:
        del found[class_key(label)]
    note = f"{', '.join(f'“{label}”' for label in sorted(twice))}: chosen for two classes. Remove one." if twice else ""
    return {"meanings": found, "labels note": message(note)}


# ---- results


def show(
    tasks: Tasks,
    key: str,
    cohort: Cohort | None,
    labels: Labels | None,
    before: Results | None,
    threshold: float | None,
    prevalence: str | None,
    meanings: Mapping[str, int] | None,
    search: str,
    which: str,
    order: str,
    *texts: str,
) -> Updates:
    """The cohort scored with the current lists; while these are invalid, the last result stays, marked as such."""
    task = tasks[key]
    try:
        symptoms = parse_boxes(task.predictor.symptoms, texts)
        if cohort is None:
            return {**cleared_cohort(), "list note": message()}
        asked = CohortChoices(_threshold(task, threshold), _prevalence(prevalence), dict(meanings or {}))
        results = score_cohort(task, cohort, labels, symptoms, before, asked)
    except (SymptomError, UsageError) as error:
        note = {"list note": message(str(error))}
        if before is not None and before.cohort is cohort:
            return note
        return {**cleared_cohort(INVITATION if cohort is None else FIX_LISTS), **note}
    positive = finding(task)
    return {
        "results": results,
        "summary": summary_card(results, positive),
        "charts": charts_card(results, positive),
        "details": WAITING if results.figures is not None else "",
        **filtered(tasks, key, results, search, which, order),
        "link": download_link(results),
        "list note": message(),
    }


def _threshold(task: Task, value: float | None) -> float:
    """The chosen threshold; one half for more than two classes, which have none.

    At the slider's start it is the exact screening point, which may be between two steps.
    """
    if len(task.classes) != 2 or value is None or not 0 < value < 1:
        return HALF
    return screening_point(task) if abs(value - slider_value(task)) < STEP / 2 else value


def _prevalence(per_cent: str | None) -> float | None:
    """A share from what was typed in per cent. Raises UsageError."""
    text = (per_cent or "").strip().removesuffix("%").strip().replace(",", ".")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 100:
        raise UsageError(f"“{text[:20]}” is not a percentage; give a number between 0 and 100, such as 10.")
    return value / 100


def detail(tasks: Tasks, key: str, results: Results | None, versions: str) -> Updates:
    """The slowest metrics of the current results. versions: JSON of those that the browser keeps."""
    try:
        kept: Any = json.loads(versions or "[]")
    except ValueError:
        kept = []
    details = None if results is None else cohort_details(tasks[key], results, kept if isinstance(kept, list) else [])
    return {"details": details_card(details)}


def cleared_cohort(sentence: str = INVITATION) -> Updates:
    """A sentence, and nothing else."""
    empty = {"charts": charts_card(), "details": "", "table": None, "count": "", "link": "", **not_chosen()}
    return {"results": None, "summary": invitation(sentence), **empty}


def switch_task(tasks: Tasks, key: str, *texts: str) -> Updates:
    """The page of another task: no images, no labels, its own lists. texts: of the boxes, as Diagnose has them."""
    task = tasks[key]
    boxes = boxes_of(task, most_classes(tasks))
    return {
        **{"cohort": None, "progress": said(""), **no_labels(tasks), "labels file": None, "meanings": None},
        "which": gr.update(choices=kinds(task), value=ALL),
        "order": gr.update(choices=orders(task), value=UPLOADED),
        "threshold": gr.update(
            label=threshold_label(task),
            info=threshold_info(task),
            value=slider_value(task),
            visible=len(task.classes) == 2,
        ),
        "prevalence": gr.update(label=prevalence_label(task), value=""),
        **boxes_named(
            [
                gr.update(value=text, label=box["label"], visible=bool(box["visible"]))
                for box, text in zip(boxes, texts, strict=True)
            ]
        ),
        **cleared_cohort(),
        "list note": message(),
    }


def threshold_label(task: Task) -> str:
    """What the slider on the ROC curve does."""
    return f"Predict {task.classes[finding(task)]} at a probability of at least"


def slider_value(task: Task) -> float:
    """The step of the slider that is nearest to the screening point."""
    return min(max(round(round(screening_point(task) / STEP) * STEP, 3), 0.01), 0.99)


def threshold_info(task: Task) -> str:
    """Where the slider starts, and what it does."""
    at = screening_point(task)
    start = "one half" if at == HALF else f"the model’s screening point, {per_cent(at)}"
    return f"Starts at {start}. Moves the dot on the ROC curve and updates every figure that depends on the threshold."


def prevalence_label(task: Task) -> str:
    """What the box of the prevalence asks."""
    return f"Prevalence of {task.classes[finding(task)]} where you work, in per cent (optional)"

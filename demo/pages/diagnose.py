"""The Diagnose page: an image, the model's prediction, and the symptom lists, which re-score while one types."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr
from torch import Tensor

from vip_core.errors import ImageError, SymptomError

from ..render.bars import SHOWN
from ..render.cards import FIX_LISTS, bars_card, message, placeholder, result_card
from ..sections.choices import KEEP_PICTURE, NEW, OF_EXAMPLE, OF_UPLOAD, announce, show_reading
from ..sections.diagnose_api import diagnose_endpoint
from ..sections.editor import PRIVATE, READ, SHOW, Tasks, boxes_of, list_editor, most_classes, original_lists
from ..sections.report import report_section
from ..sections.uploads import GONE, uploaded_file
from ..sections.where import where_section
from ..sections.wiring import Json, Updates, boxes_named, listener
from ..state.choices import CHOICES
from ..state.diagnosis import DiagnosisView, diagnose_boxes, prompts_of
from ..state.image_view import ImageView, view_file
from ..state.lists import Steps, remember
from ..state.tasks import MODES, Task

READING = "Reading the image …"
NOT_READ = "The image could not be read just now. Please choose it again."
HEADERS = ["Class", "Symptom", "Similarity", "Percentile", "Contribution", "AUROC"]
WIDTHS: list[str | int] = ["120px", "286px", "120px", "120px", "145px", "105px"]
METHODS = (
    '<p class="vip-hint">ViP: prompts trained on labelled images. Zero-shot: no training; a class scores by its '
    "symptoms’ mean similarity with the image, or by its name alone.</p>"
)


@dataclass(frozen=True)
class DiagnosePage:
    """What other pages may fill: the choice of task, and a box of symptoms per class."""

    task: gr.Radio
    boxes: tuple[gr.Textbox, ...]


def diagnose_page(tasks: Tasks) -> DiagnosePage:
    """Lay the page out and wire it; called within gr.Blocks."""
    first = next(iter(tasks.values()))
    features, cells = gr.State(None), gr.State(None)  # this visitor's; the models are shared, and no image is kept
    choice, shown_choice = gr.Number(visible=False), gr.State(0)
    with gr.Row(elem_classes="vip-page"):
        with gr.Column(scale=3, min_width=280, elem_classes="vip-left"):
            task = gr.Radio([(t.label, t.key) for t in tasks.values()], value=first.key, label="What to look for")
            image = gr.Image(
                type="filepath",
                image_mode=None,
                sources=["upload", "clipboard"],
                label="Image",
                height=300,
                buttons=["fullscreen"],
                placeholder="Drop an image here, or click to choose one",
                elem_id="vip-image",
            )
            with gr.Column(elem_classes="vip-file", min_width=100):
                other = gr.UploadButton("Open a DICOM or TIFF file", size="sm", elem_id="vip-file")
            image_note = gr.HTML(elem_id="vip-image-note", js_on_load=None)
            galleries = [example_gallery(t, visible=t is first) for t in tasks.values()]
            modes = [(name, mode) for mode, name in MODES.items()]
            mode = gr.Radio(modes, value="vip", label="Method", elem_id="vip-mode")
            gr.HTML(METHODS, js_on_load=None)
        with gr.Column(scale=9, min_width=300):
            result = gr.HTML(placeholder(), elem_id="vip-result", js_on_load=None)
            with gr.Row(equal_height=False):
                with gr.Column(min_width=320):
                    choices = [(name, shown) for shown, name in SHOWN.items()]
                    kind = gr.Radio(choices, value="similarity", label="The bars show", elem_id="vip-kind")
                    bars = gr.HTML(bars_card(), elem_id="vip-bars", js_on_load=None)
                with gr.Column(min_width=320):
                    editor = list_editor(tasks, first, task)
            table = gr.Dataframe(
                headers=HEADERS,
                datatype=["str", "str", "number", "number", "number", "number"],
                column_widths=WIDTHS,
                label="The numbers: ⋮ in a heading sorts them; click a row to see where in the image the symptom is",
                interactive=False,
                wrap=True,
                max_height=900,
                elem_id="vip-table",
            )
            lists = [task, mode, *editor.boxes]
            where = where_section(
                tasks, lists=lists, features=features, cells=cells, image=image, table=table, read=partial(read, tasks)
            )
            report_section(tasks, lists=lists, features=features, image=image)

    result_parts = {"result": result, "bars": bars, "table": table}
    shown = {**result_parts, "list note": editor.note, "steps": editor.steps, "undo": editor.undo}
    kept = {"image": image, "features": features, "cells": cells, "image note": image_note, "choice": shown_choice}
    asked = [features, editor.steps, kind, *lists]

    # The browser shows a new picture before the server has it. Until its own result is there, no result is shown.
    parts = [result, bars, table]
    for upload in (image.upload, other.upload):
        # After a later choice, the file that arrives late is not shown at all.
        upload(None, None, [image, *parts], js=show_reading(no_result(READING)), **PRIVATE)
    for gallery in galleries:
        gallery.select(None, None, parts, js=f"() => {json.dumps(no_result(READING))}", **PRIVATE)
    image.change(None, image, None, js=KEEP_PICTURE)
    told = {"queue": False, "trigger_mode": "multiple", **PRIVATE}
    gr.on([image.upload, other.upload], announce, choice, None, js=OF_UPLOAD, **told)
    gr.on([gallery.select for gallery in galleries], announce, choice, None, js=OF_EXAMPLE, **told)
    gr.on([image.clear, task.change], announce, choice, None, js=NEW, **told)

    # Plain functions with their own names: Gradio finds no Request or SelectData behind a partial.
    def read_upload(number: float, key: str, upload: Json | None, request: gr.Request) -> Updates:
        return read_if_latest(number, request.session_hash, lambda: read(tasks, key, upload))

    def read_example(number: float, key: str, request: gr.Request, event: gr.SelectData) -> Updates:
        path = tasks[key].examples[event.index][0]
        return read_if_latest(number, request.session_hash, lambda: view_file(tasks[key], path))

    def show_image(number: float, request: gr.Request, *values: Any) -> Updates:  # noqa: ANN401
        latest = CHOICES.is_latest(request.session_hash or "", int(number))
        return show_boxes(tasks, *values, new_image=True) if latest else {}

    how = {**READ, "trigger_mode": "multiple"}
    uploads = [
        upload(**listener(read_upload, [choice, task, source], kept, js=OF_UPLOAD, show_progress_on=image, **how))
        for upload, source in ((image.upload, image), (other.upload, other))
    ]
    examples = [
        gallery.select(**listener(read_example, [choice, task], kept, js=OF_EXAMPLE, **how)) for gallery in galleries
    ]
    cleared = image.clear(**listener(clear, choice, kept, js=NEW, **SHOW))
    for event in (*uploads, *examples, cleared):
        event.then(**listener(show_image, [shown_choice, *asked], shown, **SHOW)).then(**where.refresh)
    for event in (*uploads, *examples):  # the server could not be asked: a full queue, a lost connection
        event.failure(None, None, parts, js=f"() => {json.dumps(no_result(NOT_READ))}", **PRIVATE)

    # Not `input`: Gradio's Textbox fires that for a pressed character only, not for Backspace, cut or paste.
    show = listener(partial(show_boxes, tasks), asked, shown, trigger_mode="always_last", **SHOW)
    gr.on([*(box.change for box in editor.boxes), mode.change], **show).then(**where.refresh)
    kind.change(**show)
    boxes = boxes_named(editor.boxes)
    tied = {f"gallery {t.key}": gallery for t, gallery in zip(tasks.values(), galleries, strict=True)}
    switched = {**kept, **boxes, **tied, **shown, "file note": editor.file_note}
    task.change(**listener(partial(switch_task, tasks), [choice, task], switched, js=NEW, **SHOW))
    diagnose_endpoint(tasks)
    return DiagnosePage(task, tuple(editor.boxes))


def example_gallery(task: Task, visible: bool) -> gr.Gallery:
    """The example images of a task, each with its known diagnosis below."""
    return gr.Gallery(
        list(task.examples),
        label="Examples, with their known diagnosis",
        columns=3,
        height="auto",
        object_fit="cover",
        allow_preview=False,
        interactive=False,
        buttons=[],
        visible=visible and bool(task.examples),
        elem_id=f"vip-examples-{task.key}",
        elem_classes="vip-examples",
    )


def no_result(sentence: str) -> list[Any]:
    """A sentence instead of result, bars and numbers, as the browser takes them."""
    return [placeholder(sentence), bars_card(), {"headers": HEADERS, "data": [], "metadata": None}]


# ---- what happens: plain functions of the tasks and of what the page sends


def read(tasks: Tasks, key: str, upload: Json | None) -> ImageView:
    """What an uploaded file gives. upload: as the page sends it. Raises ImageError."""
    path = uploaded_file(upload)
    if path is None:
        raise ImageError(GONE.format(thing="image"))
    return view_file(tasks[key], path)


def read_if_latest(number: float, visitor: str | None, read: Callable[[], ImageView]) -> Updates:
    """The image of a choice, or the sentence why it cannot be read; nothing once a later choice was announced."""
    visitor, number = visitor or "", int(number)
    CHOICES.announce(visitor, number)
    if not CHOICES.is_latest(visitor, number):
        return {}
    try:
        view = read()
        updates = {"image": view.picture, "features": view.feature, "cells": view.cells, "image note": message()}
    except ImageError as error:
        updates = {"image": None, "features": None, "cells": None, "image note": message(str(error))}
    return {**updates, "choice": number} if CHOICES.is_latest(visitor, number) else {}


def clear(number: float) -> Updates:
    """No image."""
    return {"features": None, "cells": None, "image note": message(), "choice": int(number)}


def show_boxes(
    tasks: Tasks,
    features: Tensor | None,
    steps: Steps | None,
    kind: str,
    key: str,
    mode: str,
    *texts: str,
    new_image: bool = False,
) -> Updates:
    """The image under the lists as they are.

    While these cannot be used, the last result stays, marked by the CSS; but not beside a new image.
    """
    task = tasks[key]
    steps = remember(steps, tuple(original_lists(tasks, key)), texts)
    always = {"steps": steps, "undo": gr.update(interactive=len(steps) > 1)}
    try:
        if features is None:
            prompts_of(task, mode, texts)
            return {
                "result": placeholder(),
                "bars": bars_card(shown=kind),
                "table": None,
                "list note": message(),
                **always,
            }
        view = diagnose_boxes(task, mode, features, texts)
    except SymptomError as error:
        stale = {"result": placeholder(FIX_LISTS), "bars": bars_card(shown=kind), "table": None} if new_image else {}
        return {**stale, "list note": message(str(error)), **always}
    result = {"result": result_card(view), "bars": bars_card(view, kind), "table": table_of(view)}
    return {**result, "list note": message(), **always}


def table_of(view: DiagnosisView) -> list[list[Any]]:
    """One row per symptom, as HEADERS names the columns."""
    return [
        [
            score.class_name,
            score.symptom,
            round(score.similarity, 3),
            None if score.percentile is None else round(score.percentile, 1),
            round(score.contribution, 3),
            None if separation is None else round(separation, 3),
        ]
        for score, separation in zip(view.diagnosis.symptoms, view.separations, strict=True)
    ]


def switch_task(tasks: Tasks, number: float, key: str) -> Updates:
    """The page of another task: no image, its own labels and examples; its lists come from what changed the task."""
    labels = [{"label": box["label"], "visible": box["visible"]} for box in boxes_of(tasks[key], most_classes(tasks))]
    return {
        "image": None,
        **clear(number),
        **boxes_named([gr.update(**label) for label in labels]),
        **{f"gallery {t.key}": gr.update(visible=t.key == key and bool(t.examples)) for t in tasks.values()},
        **{"result": placeholder(), "bars": bars_card(), "table": None, "list note": message(), "file note": message()},
        **{"steps": None, "undo": gr.update(interactive=False)},
    }

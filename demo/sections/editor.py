"""The editor of the symptom lists: a box per class, undo and reset, symptom files, a link with the lists."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import gradio as gr
from gradio.context import Context

from vip_core.errors import SymptomError

from ..render.cards import message
from ..state.lists import Steps, file_of, link_query, parse_boxes, read_link, read_lists, remember, undone
from ..state.tasks import Task
from .uploads import GONE, uploaded_file
from .wiring import Json, Updates, boxes_named, listener

LISTS = (
    '<div class="vip-lists"><h2>The symptom lists</h2>'
    "<p>One symptom per line. Reword, add or delete lines; a # before a line switches it off. The bars and the "
    "prediction follow as you type.</p></div>"
)
UNUSED = (
    '<p class="vip-unused">With class names alone the lists are not used; they wait here for the other methods.</p>'
)
PRIVATE: Json = {"api_visibility": "private"}
# One at a time and in the order of arrival, so that an older result never replaces a newer one.
SHOW: Json = {"concurrency_id": "show", "concurrency_limit": 1, "show_progress": "hidden", **PRIVATE}
# A large image takes seconds and much memory. Gradio's own processing would open an upload before us, log a traceback
# for what is no image, and keep a file of each picture that we show.
READ: Json = {"concurrency_id": "read", "concurrency_limit": 2, "preprocess": False, "postprocess": False, **PRIVATE}
SAVE = """(text, task) => {
  if (!text) return
  const link = document.createElement("a")
  link.href = URL.createObjectURL(new Blob([text], {type: "application/json"}))
  link.download = `${task}-symptoms.json`
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 60000)
}"""
HERE = "(_, ...lists) => [location.origin + location.pathname, ...lists]"
COPY = "link => { if (link.includes('?')) navigator.clipboard?.writeText(link).catch(() => {}) }"

Tasks = Mapping[str, Task]


@dataclass(frozen=True)
class Editor:
    """The components of the lists.

    Attributes:
        boxes: one per class, as many as the task with the most classes needs.
        note: what is wrong with the lists.
        file_note: what is wrong with a file or a link.
        steps: a visitor's edits, for undo.
        undo: can be pressed where there is something to undo.
        reset: back to the original lists.
    """

    boxes: list[gr.Textbox]
    note: gr.HTML
    file_note: gr.HTML
    steps: gr.State
    undo: gr.Button
    reset: gr.Button


def list_editor(tasks: Tasks, first: Task, task: gr.Radio) -> Editor:
    """Lay the editor out and wire what only fills the boxes, which then count as edited; called within gr.Blocks."""
    gr.HTML(LISTS + UNUSED, js_on_load=None)
    boxes = [
        gr.Textbox(**box, lines=9, max_lines=9, elem_id=f"vip-box-{index}", elem_classes="vip-box")
        for index, box in enumerate(boxes_of(first, most_classes(tasks)))
    ]
    note = gr.HTML(message(), elem_id="vip-list-note", js_on_load=None)
    with gr.Row(elem_classes="vip-buttons"):
        undo = gr.Button("Undo", size="sm", interactive=False, elem_id="vip-undo", min_width=90)
        reset = gr.Button("Reset to the original lists", size="sm", elem_id="vip-reset", min_width=190)
    with gr.Row(elem_classes="vip-buttons"):
        load = gr.UploadButton(
            "Load a file", file_types=[".json"], size="sm", elem_id="vip-load", min_width=90, variant="secondary"
        )
        save = gr.Button("Save as a file", size="sm", elem_id="vip-save", min_width=90)
        share = gr.Button("Copy a link", size="sm", elem_id="vip-share", min_width=90)
    link = gr.Textbox(
        visible=False, interactive=False, label="A link to this task and these lists; it carries no image",
        max_lines=3, buttons=["copy"], elem_id="vip-link",
    )  # fmt: skip
    file_note = gr.HTML(message(), elem_id="vip-file-note", js_on_load=None)
    steps = gr.State(None)
    saved = gr.Textbox(visible="hidden", label="Saved lists")
    editor = Editor(boxes, note, file_note, steps, undo, reset)

    named = boxes_named(boxes)
    filled = {"steps": steps, "file note": file_note, **named}
    reset.click(**listener(partial(reset_lists, tasks), [steps, task], filled, **SHOW))
    undo.click(**listener(undo_edit, steps, {"steps": steps, **named}, **SHOW))
    load.upload(**listener(partial(load_file, tasks), [steps, task, load], filled, preprocess=False, **SHOW))
    to_save = {"saved": saved, "file note": file_note}
    written = save.click(**listener(partial(save_file, tasks), [task, *boxes], to_save, **SHOW))
    written.then(None, [saved, task], None, js=SAVE)
    to_link = {"link": link, "file note": file_note}
    copied = share.click(**listener(partial(make_link, tasks), [link, task, *boxes], to_link, js=HERE, **SHOW))
    copied.then(None, link, None, js=COPY)
    task.input(**listener(lambda key: boxes_named(original_lists(tasks, key)), task, named, **SHOW))

    def open_link(request: gr.Request) -> Updates:
        return opened(tasks, request.url.query)

    page = Context.root_block
    assert page is not None, "list_editor is called within gr.Blocks"
    page.load(**listener(open_link, None, {"task": task, "file note": file_note, **named}, **SHOW))
    return editor


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


def padded(tasks: Tasks, texts: list[str]) -> list[str]:
    """The texts of all boxes, also of those that the task does not need."""
    return texts + [""] * (most_classes(tasks) - len(texts))


# ---- what the buttons do: plain functions of the tasks and of what the page sends


def reset_lists(tasks: Tasks, steps: Steps | None, key: str) -> Updates:
    """The original lists; to be undone as any edit."""
    texts = original_lists(tasks, key)
    steps = steps and remember(steps, tuple(texts), tuple(texts), typing=False)
    return {"steps": steps, "file note": message(), **boxes_named(texts)}


def undo_edit(steps: Steps | None) -> Updates:
    """The boxes as they were before the last edit."""
    left = undone(steps)
    return {"steps": left, **boxes_named(left[-1].texts if left else ())}


def load_file(tasks: Tasks, steps: Steps | None, key: str, upload: Json | None) -> Updates:
    """The lists of a symptom file."""
    path = uploaded_file(upload)
    if path is None:
        return {"file note": message(GONE.format(thing="file"))}
    try:
        texts = padded(tasks, read_lists(path, tasks[key].classes))
    except SymptomError as error:
        return {"file note": message(str(error))}
    steps = remember(steps, tuple(original_lists(tasks, key)), tuple(texts), typing=False)
    return {"steps": steps, "file note": message(), **boxes_named(texts)}


def save_file(tasks: Tasks, key: str, *texts: str) -> Updates:
    """The lists as a symptom file, for the browser to save."""
    try:
        return {"saved": file_of(tasks[key].predictor.symptoms, texts), "file note": message()}
    except SymptomError as error:
        return {"saved": "", "file note": message(str(error))}


def make_link(tasks: Tasks, base: str, key: str, *texts: str) -> Updates:
    """A link to this page at `base` with the lists."""
    task = tasks[key]
    try:
        parse_boxes(task.predictor.symptoms, texts)  # no link to what cannot be used
        query = link_query(key, task.classes, texts)
    except SymptomError as error:
        return {"link": gr.update(value="", visible=False), "file note": message(str(error))}
    return {"link": gr.update(value=f"{base}?{query}", visible=True), "file note": message()}


def opened(tasks: Tasks, query: str) -> Updates:
    """Task and lists from the query of the page's address; nothing where it is not one of our links."""
    try:
        found = read_link(query, {key: task.classes for key, task in tasks.items()})
    except SymptomError as error:
        return {"file note": message(str(error))}
    if found is None:
        return {}
    key, texts = found
    texts = original_lists(tasks, key) if texts is None else padded(tasks, texts)
    return {"task": key, "file note": message(), **boxes_named(texts)}

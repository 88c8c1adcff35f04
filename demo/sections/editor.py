"""The editor of the symptom lists: a box a class, undo and reset, symptom files, and a link that carries the lists."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.context import Context
from gradio.utils import get_upload_folder

from demo.render.cards import message
from demo.state.lists import Steps, file_of, link_query, parse_boxes, read_link, read_lists, remember, undone
from demo.state.tasks import Task
from vip_core.errors import SymptomError

LISTS = (
    '<div class="vip-lists"><h2>The symptom lists</h2>'
    "<p>A symptom a line. Reword, add or delete lines; a # before a line switches it off. The bars and the reading "
    "follow as you type.</p></div>"
)
UNUSED = (
    '<p class="vip-unused">With class names alone the lists are not used; they wait here for the other methods.</p>'
)
# One at a time and in the order of arrival, so that an older result never lands upon a newer one.
SHOW = {"concurrency_id": "show", "concurrency_limit": 1, "show_progress": "hidden"}
# A large image takes seconds and much memory. Gradio's own processing would open an upload before us, log a traceback
# for what is no image, and keep a file of each picture that we show.
READ = {"concurrency_id": "read", "concurrency_limit": 2, "preprocess": False, "postprocess": False}
PRIVATE = {"api_visibility": "private"}
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
Json = dict[str, Any]


@dataclass(frozen=True)
class Editor:
    """The components of the lists.

    Attributes:
        boxes: a list a class, as many as the task with the most classes needs.
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

    settings = {**SHOW, **PRIVATE}
    filled = [steps, file_note, *boxes]
    reset.click(partial(reset_lists, tasks), [steps, task], filled, **settings)
    undo.click(partial(undo_edit, len(boxes)), steps, [steps, *boxes], **settings)
    load.upload(partial(load_file, tasks), [steps, task, load], filled, preprocess=False, **settings)
    written = save.click(partial(save_file, tasks), [task, *boxes], [saved, file_note], **settings)
    written.then(None, [saved, task], None, js=SAVE)
    copied = share.click(partial(make_link, tasks), [link, task, *boxes], [link, file_note], js=HERE, **settings)
    copied.then(None, link, None, js=COPY)
    task.input(partial(original_lists, tasks), task, boxes, **settings)

    def open_link(request: gr.Request) -> list[Any]:
        return opened(tasks, request.url.query)

    Context.root_block.load(open_link, None, [task, file_note, *boxes], **settings)
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


def reset_lists(tasks: Tasks, steps: Steps | None, key: str) -> list[Any]:
    """Steps, message and boxes with the original lists; to be undone as any edit."""
    texts = original_lists(tasks, key)
    return [steps and remember(steps, tuple(texts), tuple(texts), typing=False), message(), *texts]


def undo_edit(count: int, steps: Steps | None) -> list[Any]:
    """Steps and boxes as they were before the last edit."""
    left = undone(steps)
    return [left, *(left[-1].texts if left else [gr.skip()] * count)]


def load_file(tasks: Tasks, steps: Steps | None, key: str, upload: Json | None) -> list[Any]:
    """Steps, message and boxes from a symptom file."""
    path = uploaded_file(upload)
    try:
        if path is None:
            raise SymptomError("The upload is not here any more; choose the file again.")
        texts = padded(tasks, read_lists(path, tasks[key].classes))
    except SymptomError as error:
        return [gr.skip(), message(str(error)), *[gr.skip()] * most_classes(tasks)]
    return [remember(steps, tuple(original_lists(tasks, key)), tuple(texts), typing=False), message(), *texts]


def save_file(tasks: Tasks, key: str, *texts: str) -> tuple[str, str]:
    """The lists as a symptom file, for the browser to save; and a message."""
    try:
        return file_of(tasks[key].predictor.symptoms, texts), message()
    except SymptomError as error:
        return "", message(str(error))


def make_link(tasks: Tasks, base: str, key: str, *texts: str) -> tuple[Json, str]:
    """A link to this page at `base` with the lists; and a message."""
    task = tasks[key]
    try:
        parse_boxes(task.predictor.symptoms, texts)  # no link to what cannot be used
        query = link_query(key, task.classes, texts)
    except SymptomError as error:
        return gr.update(value="", visible=False), message(str(error))
    return gr.update(value=f"{base}?{query}", visible=True), message()


def opened(tasks: Tasks, query: str) -> list[Any]:
    """Task, message and boxes from the query of the page's address; nothing where it is not one of our links."""
    nothing = [gr.skip()] * most_classes(tasks)
    try:
        found = read_link(query, {key: task.classes for key, task in tasks.items()})
    except SymptomError as error:
        return [gr.skip(), message(str(error)), *nothing]
    if found is None:
        return [gr.skip(), gr.skip(), *nothing]
    key, texts = found
    return [key, message(), *(original_lists(tasks, key) if texts is None else padded(tasks, texts))]


def uploaded_file(upload: Json | None) -> Path | None:
    """The file of an upload, if there is one; nothing else on this machine can be named."""
    path = upload.get("path") if isinstance(upload, dict) else None
    if not isinstance(path, str) or "\0" in path:
        return None
    path = Path(path).resolve()
    return path if path.is_relative_to(Path(get_upload_folder()).resolve()) and path.is_file() else None

"""The Diagnose page: an image, what the model makes of it, and the symptom lists, which re-score while one types."""

import base64
import json
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import ImageData
from PIL import Image
from torch import Tensor

from demo.render.bars import SHOWN
from demo.render.cards import bars_card, message, placeholder, result_card
from demo.sections.editor import (
    PRIVATE,
    READ,
    SHOW,
    Json,
    Tasks,
    boxes_of,
    list_editor,
    most_classes,
    original_lists,
    uploaded_file,
)
from demo.sections.report import mark_of, report_section
from demo.sections.where import encode_cells, where_section
from demo.state.diagnosis import Reading, prompts_of, read_boxes
from demo.state.lists import Steps, refuse_long, remember
from demo.state.tasks import MODES, Task
from vip_core.data.images import read_image
from vip_core.errors import ImageError, SymptomError, UsageError, ViPError
from vip_core.symptoms import SymptomSet

READING = "The image is being read …"
NOT_READ = "The image could not be read just now; choose it again."
PREVIEW = 768  # pixels of the picture on the page; the model reads its own size
HEADERS = ["Class", "Symptom", "Similarity", "Percentile", "Contribution", "AUROC"]
WIDTHS = ["120px", "286px", "120px", "120px", "145px", "105px"]
METHODS = (
    '<p class="vip-hint">ViP: prompts trained on labelled images. Zero-shot: no training; a class scores by its '
    "symptoms’ mean similarity with the image, or by its name alone.</p>"
)

Read = tuple[Json | None, Tensor | None, Tensor | None, str]  # picture, feature (D,), cells, message at the image
Shown = tuple[Any, ...]  # result, bars, table, message at the lists, steps, undo


@dataclass(frozen=True)
class DiagnosePage:
    """What other pages may fill: the choice of task, and a box of symptoms a class."""

    task: gr.Radio
    boxes: tuple[gr.Textbox, ...]


def diagnose_page(tasks: Tasks) -> DiagnosePage:
    """Lay the page out and wire it; called within gr.Blocks."""
    first = next(iter(tasks.values()))
    features, cells = gr.State(None), gr.State(None)  # this visitor's; the models are shared, and no image is kept
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
                datatype=["str", "str", *["number"] * 4],
                column_widths=WIDTHS,
                label="The numbers: ⋮ in a heading sorts them, a click on a row shows where the symptom is seen",
                interactive=False,
                wrap=True,
                max_height=900,
                elem_id="vip-table",
            )
            lists = [task, mode, *editor.boxes]
            read = partial(read_upload, tasks)
            where = where_section(
                tasks, lists=lists, features=features, cells=cells, image=image, table=table, read=read
            )
            report_section(tasks, lists=lists, features=features, image=image)

    shown = [result, bars, table, editor.note, editor.steps, editor.undo]
    asked = [features, editor.steps, kind, *lists]
    show_image = {"fn": partial(show_new_image, tasks), "inputs": asked, "outputs": shown, **SHOW, **PRIVATE}
    to_image = [image, features, cells, image_note]
    # The browser shows a new picture before the server has it; until its own result is here there is none. This stands
    # before the reading, so that it also happens before.
    for chosen in (image.upload, other.upload, *(gallery.select for gallery in galleries)):
        chosen(None, None, [result, bars, table], js=no_result(READING), **PRIVATE)
    reads = [
        upload(
            read,
            [task, source],
            to_image,
            trigger_mode="always_last",
            **READ,
            **PRIVATE,
            show_progress="minimal",
            show_progress_on=image,
        )
        for upload, source in ((image.upload, image), (other.upload, other))
    ]

    def read_example(key: str, event: gr.SelectData) -> Read:  # Gradio finds no SelectData behind a partial
        return read_file(tasks[key], tasks[key].examples[event.index][0])

    reads += [
        gallery.select(read_example, task, to_image, **READ, **PRIVATE, show_progress="hidden") for gallery in galleries
    ]
    nothing = {"fn": lambda: (None, None, message()), "inputs": None, "outputs": [features, cells, image_note]}
    cleared = image.clear(**nothing, cancels=reads, **PRIVATE, show_progress="hidden")
    for event in (*reads, cleared):
        event.then(**show_image).then(**where.refresh)
    for event in reads:  # the browser's own step first, since the server's may fail as well
        event.failure(None, None, [result, bars, table], js=no_result(NOT_READ), **PRIVATE)
        event.failure(**nothing, **PRIVATE, show_progress="hidden")
    # Not `input`: Gradio's Textbox fires that for a pressed character only, not for Backspace, cut or paste.
    edits = [*(box.change for box in editor.boxes), mode.change]
    show = partial(show_edit, tasks)
    gr.on(edits, show, asked, shown, trigger_mode="always_last", **SHOW, **PRIVATE).then(**where.refresh)
    kind.change(show, asked, shown, trigger_mode="always_last", **SHOW, **PRIVATE)
    switched = [*to_image, *editor.boxes, *galleries, *shown, editor.file_note]
    task.change(partial(switch_task, tasks), task, switched, cancels=reads, **SHOW, **PRIVATE)
    diagnose_endpoint(tasks)
    return DiagnosePage(task, tuple(editor.boxes))


def diagnose_endpoint(tasks: Tasks) -> None:
    """The API's `/diagnose`, which is on no page; called within gr.Blocks."""
    inputs = [gr.Image(visible=False, label="image"), gr.Textbox(visible=False, label="task")]
    inputs.append(gr.JSON(visible=False, label="symptoms"))
    gr.Button(visible=False).click(
        partial(answer, tasks), inputs, gr.JSON(visible=False), api_name="diagnose", **READ, show_progress="hidden"
    )


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


# ---- what happens: plain functions of the tasks and of what the page sends


def read_upload(tasks: Tasks, key: str, upload: Json | None) -> Read:
    """What an uploaded file gives. upload: as the page sends it."""
    path = uploaded_file(upload)
    if path is None:
        return None, None, None, message("The upload is not here any more; choose the image again.")
    return read_file(tasks[key], path)


def read_file(task: Task, path: Path) -> Read:
    """What a file gives: a picture, a feature and its cells, or a message."""
    try:
        image = read_image(path)
        features, cells = task.predictor.encode(image), encode_cells(task, image)
    except ImageError as error:
        return None, None, None, message(str(error))
    return picture(image, features), features, cells, message()


def picture(image: Image.Image, features: Tensor) -> Json:
    """The image for the page, within the page itself, named after its features: the server needs no file of it."""
    image.thumbnail((PREVIEW, PREVIEW))
    image.info = {}  # Pillow would write a comment of the upload into the picture
    buffer = BytesIO()
    image.save(buffer, format="JPEG", quality=90)
    data = base64.b64encode(buffer.getvalue()).decode()
    return ImageData(url=f"data:image/jpeg;base64,{data}", orig_name=f"{mark_of(features)}.jpg").model_dump()


def show_edit(
    tasks: Tasks, features: Tensor | None, steps: Steps | None, kind: str, key: str, mode: str, *texts: str
) -> Shown:
    """The image under the lists as they stand; while these cannot be used, the last result stays, marked by the CSS."""
    task = tasks[key]
    steps = remember(steps, tuple(original_lists(tasks, key)), texts)
    undo = gr.update(interactive=len(steps) > 1)
    try:
        if features is None:
            prompts_of(task, mode, texts)
            return placeholder(), bars_card(shown=kind), None, message(), steps, undo
        reading = read_boxes(task, mode, features, texts)
    except SymptomError as error:
        return gr.skip(), gr.skip(), gr.skip(), message(str(error)), steps, undo
    return result_card(reading), bars_card(reading, kind), table_of(reading), message(), steps, undo


def show_new_image(
    tasks: Tasks, features: Tensor | None, steps: Steps | None, kind: str, key: str, mode: str, *texts: str
) -> Shown:
    """The same for another image: the last result would be taken for this one's, so it goes."""
    result, bars, table, note, *rest = show_edit(tasks, features, steps, kind, key, mode, *texts)
    if note != message():
        mend = placeholder("Mend the symptom lists to see the result of this image.")
        return mend, bars_card(shown=kind), None, note, *rest
    return result, bars, table, note, *rest


def table_of(reading: Reading) -> list[list[Any]]:
    """A row a symptom, as HEADERS names the columns."""
    return [
        [
            score.class_name,
            score.symptom,
            round(score.similarity, 3),
            None if score.percentile is None else round(score.percentile, 1),
            round(score.contribution, 3),
            None if separation is None else round(separation, 3),
        ]
        for score, separation in zip(reading.diagnosis.symptoms, reading.separations, strict=True)
    ]


def no_result(sentence: str) -> str:
    """What the browser does to show a sentence instead of result, bars and numbers."""
    return (
        f"() => {json.dumps([placeholder(sentence), bars_card(), {'headers': HEADERS, 'data': [], 'metadata': None}])}"
    )


def switch_task(tasks: Tasks, key: str) -> tuple[Any, ...]:
    """The page of another task: no image, its own labels and examples; its lists come from what changed the task."""
    boxes = [gr.update(label=box["label"], visible=box["visible"]) for box in boxes_of(tasks[key], most_classes(tasks))]
    galleries = [gr.update(visible=task.key == key and bool(task.examples)) for task in tasks.values()]
    nothing = placeholder(), bars_card(), None, message(), None, gr.update(interactive=False)
    return (None, None, None, message(), *boxes, *galleries, *nothing, message())


def answer(tasks: Tasks, image: Json | None, task: str, symptoms: dict[str, list[str]] | None = None) -> Json:
    """Diagnose one image: class, probabilities, a score for each symptom, and whether the image is in domain.

    image: a PNG, JPEG, WebP, TIFF, BMP or DICOM file; task: "pneumonia" or "melanoma"; symptoms: {class: [line, …]}
    or null for the model's own. The answer is that of `python -m vip_core.score --json`, without the image's name.
    """
    try:
        if not isinstance(task, str) or task not in tasks:
            raise UsageError(f"There is no task “{task}”; give one of {', '.join(tasks)}.")
        path = uploaded_file(image)
        if path is None:
            raise ImageError("There is no image; upload a file and give it.")
        predictor = tasks[task].predictor
        chosen = None if symptoms is None else SymptomSet.from_dict(symptoms)
        if chosen is not None:
            refuse_long({name: "\n".join(lines) for name, lines in zip(chosen.classes, chosen.symptoms, strict=True)})
        return predictor.diagnose(predictor.encode(path), chosen).to_dict()
    except ViPError as error:
        raise gr.Error(str(error), print_exception=False) from None

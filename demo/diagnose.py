"""The Diagnose page: an image, what the model makes of it, and the symptom lists, which re-score while one types."""

import base64
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import ImageData
from gradio.utils import get_upload_folder
from PIL import Image
from torch import Tensor

from demo.cards import bars_card, message, placeholder, result_card
from demo.tasks import Task
from vip_core.errors import ImageError, SymptomError, UsageError, ViPError
from vip_core.images import read_image
from vip_core.predictor import Diagnosis
from vip_core.symptoms import SymptomSet

PREVIEW = 768  # pixels of the picture on the page; the model reads its own size
MOST_CHARACTERS = 20_000  # of a list: far more than 64 symptoms have, and still counted in tokens at once
LISTS = (
    '<div class="vip-lists"><h2>The symptom lists</h2>'
    "<p>A symptom a line. Reword, add or delete lines; the bars and the reading follow.</p></div>"
)
HEADERS = ["Class", "Symptom", "Similarity", "Percentile", "Contribution"]
# A large image takes seconds and much memory. Gradio's own processing would open an upload before us, log a traceback
# for what is no image, and keep a file of each picture that we show.
READ = {"concurrency_id": "read", "concurrency_limit": 2, "preprocess": False, "postprocess": False}
# One at a time and in the order of arrival, so that an older result never lands upon a newer one.
SHOW = {"concurrency_id": "show", "concurrency_limit": 1, "show_progress": "hidden"}
PRIVATE = {"api_visibility": "private"}

Tasks = Mapping[str, Task]
Json = dict[str, Any]
Read = tuple[Json | None, Tensor | None, str]  # picture, image feature (D,), message at the image
Shown = tuple[Any, Any, Any, str]  # result, bars, table, message at the lists


def diagnose_page(tasks: Tasks) -> None:
    """Lay the page out and wire it; called within gr.Blocks."""
    first = next(iter(tasks.values()))
    features = gr.State(None)  # this visitor's; the models are shared, and no image is kept
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
        with gr.Column(scale=9, min_width=300):
            result = gr.HTML(placeholder(), elem_id="vip-result", js_on_load=None)
            with gr.Row(equal_height=False):
                with gr.Column(min_width=320):
                    bars = gr.HTML(bars_card(), elem_id="vip-bars", js_on_load=None)
                with gr.Column(min_width=320):
                    gr.HTML(LISTS, js_on_load=None)
                    boxes = symptom_boxes(tasks, first)
                    list_note = gr.HTML(message(), elem_id="vip-list-note", js_on_load=None)
                    reset = gr.Button("Reset to the original lists", size="sm", elem_id="vip-reset")
            table = gr.Dataframe(
                headers=HEADERS,
                datatype=["str", "str", "number", "number", "number"],
                column_widths=["120px", "420px", "105px", "105px", "125px"],
                label="The numbers",
                interactive=False,
                wrap=True,
                max_height=900,
                elem_id="vip-table",
            )

    shown = [result, bars, table, list_note]
    lists = [task, features, *boxes]
    read = partial(read_upload, tasks)
    show_image = {"fn": partial(show_new_image, tasks), "inputs": lists, "outputs": shown, **SHOW, **PRIVATE}
    to_image = [image, features, image_note]

    reads = [
        upload(read, [task, source], to_image, **READ, **PRIVATE, show_progress="minimal", show_progress_on=image)
        for upload, source in ((image.upload, image), (other.upload, other))
    ]

    def read_example(key: str, event: gr.SelectData) -> Read:  # Gradio finds no SelectData behind a partial
        return read_file(tasks[key], tasks[key].examples[event.index][0])

    reads += [
        gallery.select(read_example, task, to_image, **READ, **PRIVATE, show_progress="hidden") for gallery in galleries
    ]
    for event in reads:
        event.then(**show_image)
    cleared = image.clear(lambda: (None, message()), None, [features, image_note], **PRIVATE, show_progress="hidden")
    cleared.then(**show_image)
    # Not `input`: Gradio's Textbox fires that for a pressed character only, not for Backspace, cut or paste.
    edits = [box.change for box in boxes]
    gr.on(edits, partial(show_edit, tasks), lists, shown, trigger_mode="always_last", **SHOW, **PRIVATE)
    # These only fill the boxes, which then count as edited.
    reset.click(partial(original_lists, tasks), task, boxes, **SHOW, **PRIVATE)
    switched = [*to_image, *boxes, *galleries, *shown]
    task.change(partial(switch_task, tasks), task, switched, cancels=reads, **SHOW, **PRIVATE)
    diagnose_endpoint(tasks)


def diagnose_endpoint(tasks: Tasks) -> None:
    """The API's `/diagnose`, which is on no page; called within gr.Blocks."""
    inputs = [gr.Image(visible=False, label="image"), gr.Textbox(visible=False, label="task")]
    inputs.append(gr.JSON(visible=False, label="symptoms"))
    gr.Button(visible=False).click(
        partial(answer, tasks), inputs, gr.JSON(visible=False), api_name="diagnose", **READ, show_progress="hidden"
    )


def symptom_boxes(tasks: Tasks, first: Task) -> list[gr.Textbox]:
    """As many boxes as the task with the most classes needs."""
    return [
        gr.Textbox(**box, lines=9, max_lines=9, elem_id=f"vip-box-{index}", elem_classes="vip-box")
        for index, box in enumerate(boxes_of(first, most_classes(tasks)))
    ]


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
        return None, None, message("The upload is not here any more; choose the image again.")
    return read_file(tasks[key], path)


def uploaded_file(upload: Json | None) -> Path | None:
    """The file of an upload, if there is one; nothing else on this machine can be named."""
    path = upload.get("path") if isinstance(upload, dict) else None
    if not isinstance(path, str) or "\0" in path:
        return None
    path = Path(path).resolve()
    return path if path.is_relative_to(Path(get_upload_folder()).resolve()) and path.is_file() else None


def read_file(task: Task, path: Path) -> Read:
    """What a file gives: a picture and a feature, or a message."""
    try:
        image = read_image(path)
        features = task.predictor.encode(image)
    except ImageError as error:
        return None, None, message(str(error))
    return picture(image), features, message()


def picture(image: Image.Image) -> Json:
    """The image for the page, within the page itself: the server needs no file of it."""
    image.thumbnail((PREVIEW, PREVIEW))
    buffer = BytesIO()
    image.save(buffer, format="JPEG", quality=90)
    data = base64.b64encode(buffer.getvalue()).decode()
    return ImageData(url=f"data:image/jpeg;base64,{data}", orig_name="image.jpg").model_dump()


def show_edit(tasks: Tasks, key: str, features: Tensor | None, *texts: str) -> Shown:
    """The image under the lists as they stand; while these cannot be used, the last result stays, marked by the CSS."""
    task = tasks[key]
    try:
        symptoms = parse_boxes(task.predictor.symptoms, texts)
        if features is None:
            return placeholder(), bars_card(), None, message()
        return show(task, task.predictor.diagnose(features, symptoms))
    except SymptomError as error:
        return gr.skip(), gr.skip(), gr.skip(), message(str(error))


def show_new_image(tasks: Tasks, key: str, features: Tensor | None, *texts: str) -> Shown:
    """The same for another image: the last result would be taken for this one's, so it goes."""
    result, bars, table, note = show_edit(tasks, key, features, *texts)
    if note != message():
        return placeholder("Mend the symptom lists to see the result of this image."), bars_card(), None, note
    return result, bars, table, note


def original_lists(tasks: Tasks, key: str) -> list[str]:
    """The text of each box as the task's checkpoint has it."""
    return [box["value"] for box in boxes_of(tasks[key], most_classes(tasks))]


def switch_task(tasks: Tasks, key: str) -> tuple[Any, ...]:
    """The page of another task: no image, its own lists and examples."""
    boxes = [gr.update(**box) for box in boxes_of(tasks[key], most_classes(tasks))]
    galleries = [gr.update(visible=task.key == key and bool(task.examples)) for task in tasks.values()]
    return (None, None, message(), *boxes, *galleries, placeholder(), bars_card(), None, message())


def show(task: Task, diagnosis: Diagnosis) -> Shown:
    """A diagnosis on the page."""
    rows = [
        [
            score.class_name,
            score.symptom,
            round(score.similarity, 3),
            None if score.percentile is None else round(score.percentile, 1),
            round(score.contribution, 3),
        ]
        for score in diagnosis.symptoms
    ]
    return result_card(diagnosis), bars_card(task, diagnosis), rows, message()


def parse_boxes(original: SymptomSet, texts: tuple[str, ...]) -> SymptomSet:
    """The original set with the lists of the boxes: a symptom a line, blank lines left out. Raises SymptomError."""
    lists = dict(zip(original.classes, texts, strict=False))
    refuse_long(lists)
    lines = (tuple(line.strip() for line in text.splitlines() if line.strip()) for text in lists.values())
    return replace(original, symptoms=tuple(lines))


def refuse_long(lists: Mapping[str, str]) -> None:
    """Raise SymptomError for a list, given as one text, that would take long to be counted in tokens."""
    for name, text in lists.items():
        if len(text) > MOST_CHARACTERS:
            raise SymptomError(
                f"The list of “{name}” has {len(text):,} characters, and at most {MOST_CHARACTERS:,} are read; "
                "shorten it."
            )


def answer(tasks: Tasks, image: Json | None, task: str, symptoms: dict[str, list[str]] | None = None) -> Json:
    """Diagnose one image: class, probabilities, a score for each symptom, and whether the image is in domain.

    image: a PNG, JPEG, WebP, TIFF, BMP or DICOM file; task: "pneumonia" or "melanoma"; symptoms: {class: [line, …]}
    or null for the model's own. The answer is that of `python -m vip_core.score --json`, without the image's name.
    """
    try:
        if task not in tasks:
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

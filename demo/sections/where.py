"""The Where section: a map over the image of where a symptom's similarity comes from, and a second image beside it."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from html import escape
from io import BytesIO
from itertools import groupby
from typing import Any

import gradio as gr
from PIL import Image
from torch import Tensor

from demo.render.cards import DISCLAIMER, message, per_cent
from demo.render.heatmap import seen_map, signed
from demo.sections.editor import PRIVATE, READ, Json
from demo.state.diagnosis import prompts_of
from demo.state.tasks import Task
from vip_core.errors import BackboneError, SymptomError
from vip_core.scoring import evidence
from vip_core.scoring.diagnosis import Diagnosis

INTRODUCTION = (
    '<div class="vip-lists"><h2>Where in the image</h2>'
    "<p>Choose a symptom here, or click its row among the numbers.</p></div>"
)
NO_CELLS = "This task’s backbone has no map: its image tower gives the places of an image no feature of their own."
MEND = "Mend the symptom lists to see the map."
WHERE = {"concurrency_id": "where", "concurrency_limit": 1, "show_progress": "hidden", "preprocess": False}

# The page's own picture, within the browser: it goes nowhere. Its size is known first, so that nothing jumps.
COPY_PICTURE = """async image => {
  if (!image?.url?.startsWith("data:image/")) return "";
  const copy = new Image();
  copy.src = image.url;
  await copy.decode();
  copy.className = "vip-where-picture";
  copy.alt = "The image";
  copy.width = copy.naturalWidth;
  copy.height = copy.naturalHeight;
  copy.style.setProperty("--vip-aspect", copy.naturalWidth / copy.naturalHeight);
  return copy.outerHTML;
}"""
# The server may hear of quick clicks in another order than they were made in: each says which it is.
COUNT_CLICK = "(_, ...values) => [window.vipClicks = (window.vipClicks ?? 0) + 1, ...values]"
SET_OPACITY = "value => { document.documentElement.style.setProperty('--vip-where-opacity', value / 100) }"

Seen = tuple[Tensor, Tensor | None]  # feature (D,) and cells (h, w, D) of an image


@dataclass(frozen=True)
class Chosen:
    """The symptom on the map: its class, place in that class's list, and text.

    of: a mark of the image for which it was chosen by itself; None where the visitor chose it, for whatever image.
    """

    class_name: str
    place: int
    symptom: str
    of: float | None = None


@dataclass(frozen=True)
class WhereSection:
    """refresh: what to do after each new image, edit or mode, for `event.then(**refresh)`."""

    refresh: Json


def where_section(
    tasks: Mapping[str, Task],
    lists: list[gr.components.Component],
    features: gr.State,
    cells: gr.State,
    image: gr.Image,
    table: gr.Dataframe,
    read: Callable[[str, Json | None], tuple[Json | None, Tensor | None, Tensor | None, str]],
) -> WhereSection:
    """Lay the section out and wire it; called within gr.Blocks.

    Args:
        tasks: by key.
        lists: the components of task, mode and each box.
        features: the image's feature (D,), or None.
        cells: what `encode_cells` made of the image, or None.
        image: holds the picture, within the page.
        table: its rows begin with class and symptom.
        read: (task's key, upload) -> picture, feature, cells and message of a second image.
    """
    chosen = gr.State(None)
    latest = gr.State(None)
    clicks = gr.Number(visible=False)
    second = gr.State(None)
    with gr.Column(elem_id="vip-where"):
        gr.HTML(INTRODUCTION, js_on_load=None)
        with gr.Row():
            choice = gr.Dropdown([], label="Symptom on the map", elem_id="vip-where-choice", scale=5, min_width=280)
            opacity = gr.Slider(0, 100, 70, step=5, label="Opacity (%)", elem_id="vip-where-opacity", scale=2)
        with gr.Row(elem_classes="vip-where-figures"):
            figures = [figure(name) for name in ("first", "second")]
        legend = gr.HTML(elem_id="vip-where-legend", js_on_load=None)
        with gr.Row(elem_classes="vip-where-buttons"):
            add = gr.UploadButton("Compare with a second image", size="sm", elem_id="vip-where-add")
            remove = gr.Button("Remove the second image", size="sm", visible=False, elem_id="vip-where-remove")
        note = gr.HTML(message(), elem_id="vip-where-note", js_on_load=None)
        comparison = gr.HTML(elem_id="vip-where-comparison", js_on_load=None)

    (picture, overlay, caption), (other, other_overlay, other_caption) = figures
    shown = [choice, chosen, overlay, caption, other_overlay, other_caption, legend, comparison]
    asked = [features, cells, second, chosen, *lists]
    draw = partial(show_map, tasks)
    settings = {**WHERE, **PRIVATE}
    refresh = {"fn": draw, "inputs": asked, "outputs": shown, "trigger_mode": "always_last", **settings}

    def pick(row: int | None, *values: object) -> tuple[Any, ...]:
        return draw(*values, row=row)

    def click(event: gr.SelectData, number: int, before: int | None, *values: object) -> tuple[Any, ...]:
        if before is not None and number < before:
            return gr.skip(), *[gr.skip()] * len(shown)
        return number, *draw(*values, clicked=tuple((event.row_value or [])[:2]))

    choice.input(pick, [choice, *asked], shown, trigger_mode="always_last", **settings)
    # Not "always_last", which would ask for the first click's row again.
    told = [clicks, latest, *asked]
    table.select(click, told, [latest, *shown], trigger_mode="multiple", js=COUNT_CLICK, **settings)
    opacity.change(None, opacity, None, js=SET_OPACITY)
    image.change(None, None, [overlay, caption], js='() => ["", ""]')  # the map of the last picture is none of this one
    image.change(None, image, picture, js=COPY_PICTURE)

    def read_second(key: str, upload: Json | None) -> tuple[Any, ...]:
        shown_picture, feature, own_cells, sentence = read(key, upload)
        if feature is None:
            return None, "", "", sentence, gr.update(visible=False)
        return (feature, own_cells), picture_html(shown_picture), "", sentence, gr.update(visible=True)

    beside = [second, other, other_overlay, note, remove]
    added = add.upload(read_second, [lists[0], add], beside, **READ, **PRIVATE, show_progress="minimal")
    added.then(**refresh)
    empty = (None, "", "", message(), gr.update(visible=False))
    remove.click(lambda: empty, None, beside, **settings).then(**refresh)
    # Another task: another backbone, perhaps, and other lists.
    lists[0].change(lambda: (*empty, None), None, [*beside, chosen], cancels=[added], **settings).then(**refresh)
    return WhereSection(refresh)


def figure(name: str) -> tuple[gr.HTML, gr.HTML, gr.HTML]:
    """A picture, the map that lies upon it, and what stands below."""
    with gr.Column(elem_id=f"vip-where-{name}", elem_classes="vip-where-figure", min_width=280):
        with gr.Column(elem_classes="vip-where-stack"):
            picture = gr.HTML(elem_classes="vip-where-below", js_on_load=None)
            overlay = gr.HTML(elem_classes="vip-where-above", js_on_load=None)
        return picture, overlay, gr.HTML(elem_classes="vip-where-caption", js_on_load=None)


def encode_cells(task: Task, image: Image.Image) -> Tensor | None:
    """Features (h, w, D) of the image's cells, small enough for a visitor's state; None where the backbone has none."""
    try:
        return evidence.encode_cells(task.predictor, image)
    except BackboneError:
        return None


# ---- what happens


def show_map(
    tasks: Mapping[str, Task],
    features: Tensor | None,
    cells: Tensor | None,
    second: Seen | None,
    chosen: Chosen | None,
    key: str,
    mode: str,
    *texts: str,
    row: int | None = None,
    clicked: tuple[str, str] | None = None,
) -> tuple[Any, ...]:
    """The choice of symptoms, the chosen one, both maps with their captions, the legend and the comparison.

    row: the symptom newly chosen, by its place in the diagnosis; clicked: or by class and text.
    """
    if features is None:
        return gr.update(choices=[], value=None), chosen, "", "", "", "", "", ""
    try:
        symptoms = prompts_of(tasks[key], mode, texts)
        scorer = tasks[key].scorer(mode)
        diagnosis, text = scorer.diagnose(features, symptoms), scorer.encode_symptoms(symptoms)
        other = None if second is None else scorer.diagnose(second[0], symptoms)
    except SymptomError:  # the lists have the sentence that says why
        return gr.skip(), chosen, "", f"<p>{MEND}</p>", "", "", "", ""
    if clicked is not None:
        row = next((i for i, s in enumerate(diagnosis.symptoms) if (s.class_name, s.symptom) == clicked), None)
    image = float(features.sum())
    picked = isinstance(row, int) and 0 <= row < len(diagnosis.symptoms)
    if not picked:
        row = follow(chosen if chosen is not None and chosen.of in (None, image) else None, diagnosis)
        image = None if chosen is not None and chosen.of is None else image
    chosen = placed(diagnosis, row, None if picked else image)
    choices = [(f"{s.class_name}: {s.symptom}", i) for i, s in enumerate(diagnosis.symptoms)]
    update = gr.update(choices=choices, value=row)
    comparison = "" if other is None else comparison_html(diagnosis, other)
    if cells is None:
        return update, chosen, "", "", "", "", f"<p>{NO_CELLS}</p>", comparison
    axis = tasks[key].similarity_axis(mode) if evidence.adds_up(cells, features) else None
    fit = tasks[key].predictor.vip.backbone.resize_mode
    first = seen_map(cells, text[row], axis, diagnosis.symptoms[row], fit)
    beside = ("", "")
    if other is not None and second[1] is not None:
        beside = seen_map(second[1], text[row], axis, other.symptoms[row], fit)[:2]
    return update, chosen, *first[:2], *beside, first[2], comparison


def placed(diagnosis: Diagnosis, row: int, of: float | None) -> Chosen:
    """The symptom in a row, as it is looked for when the lists change."""
    score = diagnosis.symptoms[row]
    before = sum(other.class_name == score.class_name for other in diagnosis.symptoms[:row])
    return Chosen(score.class_name, before, score.symptom, of)


def follow(chosen: Chosen | None, diagnosis: Diagnosis) -> int:
    """The row of the chosen symptom: by its text, or its place where it was reworded; else the strongest reason's."""
    scores = diagnosis.symptoms
    if chosen is not None:
        own = [i for i, s in enumerate(scores) if s.class_name == chosen.class_name]
        same = [i for i in own if scores[i].symptom == chosen.symptom]
        if own:
            here = own[min(chosen.place, len(own) - 1)]
            return here if here in same or not same else same[0]
    reasons = [i for i, s in enumerate(scores) if s.class_name == diagnosis.prediction] or range(len(scores))
    return max(reasons, key=lambda i: scores[i].contribution)


def picture_html(picture: Json) -> str:
    """A picture, as `COPY_PICTURE` lays it out, from what the page's image component takes."""
    width, height = Image.open(BytesIO(base64.b64decode(picture["url"].split(",", 1)[1]))).size
    return (
        f'<img class="vip-where-picture" alt="The second image" width="{width}" height="{height}" '
        f'style="--vip-aspect: {width / height}" src="{picture["url"]}">'
    )


def comparison_html(first: Diagnosis, second: Diagnosis) -> str:
    """Reading and similarities of two images, side by side; both were scored with the same lists."""
    groups = groupby(zip(first.symptoms, second.symptoms, strict=True), lambda pair: pair[0].class_name)
    bodies = [
        f'<tbody><tr><th colspan="4" scope="rowgroup">{escape(name)}</th></tr>'
        + "".join(
            f"<tr><td>{escape(a.symptom)}</td><td>{signed(a.similarity, 2, plus='')}</td>"
            f"<td>{signed(b.similarity, 2, plus='')}</td><td>{signed(b.similarity - a.similarity, 2)}</td></tr>"
            for a, b in pairs
        )
        + "</tbody>"
        for name, pairs in groups
    ]
    return (
        '<div class="vip-where-compared"><h3>The second image beside the first</h3>'
        f"<p>First image: <b>{reading(first)}</b>. Second image: <b>{reading(second)}</b>. {DISCLAIMER}</p>"
        '<table><thead><tr><th scope="col">Similarity of the symptom</th><th scope="col">First</th>'
        f'<th scope="col">Second</th><th scope="col">Change</th></tr></thead>{"".join(bodies)}</table></div>'
    )


def reading(diagnosis: Diagnosis) -> str:
    """The class with its probability; instead, that the image is unlike the known ones."""
    if diagnosis.domain is not None and not diagnosis.domain.in_domain:
        return "unlike anything the model knows"
    return f"{escape(diagnosis.prediction)}, {per_cent(diagnosis.probabilities[diagnosis.prediction])}"

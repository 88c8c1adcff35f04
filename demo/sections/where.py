"""The Where section: a map over the image of where a symptom's similarity comes from, and a second image beside it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr
from torch import Tensor

from vip_core.errors import ImageError, SymptomError
from vip_core.scoring import evidence

from ..render.cards import message
from ..render.comparison import comparison_html, picture_html
from ..render.heatmap import seen_map
from ..state.diagnosis import prompts_of
from ..state.image_view import ImageView
from ..state.map_choice import Chosen, follow, placed
from ..state.tasks import Task
from .editor import PRIVATE, READ
from .wiring import Json, Updates, listener

INTRODUCTION = (
    '<div class="vip-lists"><h2>Where in the image</h2>'
    "<p>Choose a symptom here, or click its row among the numbers.</p></div>"
)
NO_CELLS = "No map available: this backbone has no patch features."
FIX_LISTS = "Fix the symptom lists to see the map."
NO_MAPS = dict.fromkeys(("map", "caption", "second map", "second caption", "legend", "comparison"), "")
NO_SECOND = {"second": None, "picture": "", "map": "", "note": message(), "remove": gr.update(visible=False)}
WHERE: Json = {
    "concurrency_id": "where",
    "concurrency_limit": 1,
    "show_progress": "hidden",
    "preprocess": False,
    **PRIVATE,
}

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

Seen = tuple[Tensor, Tensor | None]  # feature (D,) and patch features (h, w, D) of an image


@dataclass(frozen=True)
class WhereSection:
    """refresh: what to do after each new image, edit or mode, for `event.then(**refresh)`."""

    refresh: Json


def where_section(
    tasks: Mapping[str, Task],
    lists: list[Any],
    features: gr.State,
    cells: gr.State,
    image: gr.Image,
    table: gr.Dataframe,
    read: Callable[[str, Json | None], ImageView],
) -> WhereSection:
    """Lay the section out and wire it; called within gr.Blocks.

    Args:
        tasks: by key.
        lists: the components of task, mode and each box.
        features: the image's feature (D,), or None.
        cells: features (h, w, D) of its patches, or None.
        image: holds the picture, within the page.
        table: its rows begin with class and symptom.
        read: (task's key, upload) -> a second image; raises ImageError.
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
    shown = {
        "choice": choice,
        "chosen": chosen,
        "map": overlay,
        "caption": caption,
        "second map": other_overlay,
        "second caption": other_caption,
        "legend": legend,
        "comparison": comparison,
    }
    asked = [features, cells, second, chosen, *lists]
    draw = partial(show_map, tasks)
    refresh = listener(draw, asked, shown, trigger_mode="always_last", **WHERE)

    def pick(row: int | None, *values: Any) -> Updates:  # noqa: ANN401
        return draw(*values, row=row)

    def click(event: gr.SelectData, number: int, before: int | None, *values: Any) -> Updates:  # noqa: ANN401
        if before is not None and number < before:
            return {}
        return {"latest": number, **draw(*values, clicked=tuple((event.row_value or [])[:2]))}

    choice.input(**listener(pick, [choice, *asked], shown, trigger_mode="always_last", **WHERE))
    # Not "always_last", which would ask for the first click's row again.
    clicked = listener(click, [clicks, latest, *asked], {"latest": latest, **shown}, trigger_mode="multiple", **WHERE)
    table.select(**clicked, js=COUNT_CLICK)
    opacity.change(None, opacity, None, js=SET_OPACITY)
    image.change(None, None, [overlay, caption], js='() => ["", ""]')  # the map of the last picture is none of this one
    image.change(None, image, picture, js=COPY_PICTURE)

    def read_second(key: str, upload: Json | None) -> Updates:
        try:
            view = read(key, upload)
        except ImageError as error:
            return {**NO_SECOND, "note": message(str(error))}
        update = {"second": (view.feature, view.cells), "picture": picture_html(view.picture)}
        return {**NO_SECOND, **update, "remove": gr.update(visible=True)}

    beside = {"second": second, "picture": other, "map": other_overlay, "note": note, "remove": remove}
    added = add.upload(**listener(read_second, [lists[0], add], beside, show_progress="minimal", **READ))
    added.then(**refresh)
    remove.click(**listener(lambda: NO_SECOND, None, beside, **WHERE)).then(**refresh)
    # Another task: another backbone, perhaps, and other lists.
    left = listener(lambda: {**NO_SECOND, "chosen": None}, None, {**beside, "chosen": chosen}, **WHERE)
    lists[0].change(**left, cancels=[added]).then(**refresh)
    return WhereSection(refresh)


def figure(name: str) -> tuple[gr.HTML, gr.HTML, gr.HTML]:
    """A picture, the map that lies upon it, and what stands below."""
    with gr.Column(elem_id=f"vip-where-{name}", elem_classes="vip-where-figure", min_width=280):
        with gr.Column(elem_classes="vip-where-stack"):
            picture = gr.HTML(elem_classes="vip-where-below", js_on_load=None)
            overlay = gr.HTML(elem_classes="vip-where-above", js_on_load=None)
        return picture, overlay, gr.HTML(elem_classes="vip-where-caption", js_on_load=None)


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
    clicked: tuple[str, ...] | None = None,
) -> Updates:
    """The choice of symptoms, the chosen one, both maps with their captions, the legend and the comparison.

    row: the symptom newly chosen, by its place in the diagnosis; clicked: or by class and text.
    """
    if features is None:
        return {"choice": gr.update(choices=[], value=None), "chosen": chosen, **NO_MAPS}
    try:
        symptoms = prompts_of(tasks[key], mode, texts)
        scorer = tasks[key].scorer(mode)
        diagnosis, text = scorer.diagnose(features, symptoms), scorer.encode_symptoms(symptoms)
        other = None if second is None else scorer.diagnose(second[0], symptoms)
    except SymptomError:  # the lists have the sentence that says why
        return {"chosen": chosen, **NO_MAPS, "caption": f"<p>{FIX_LISTS}</p>"}
    if clicked is not None:
        row = next((i for i, s in enumerate(diagnosis.symptoms) if (s.class_name, s.symptom) == clicked), None)
    image = float(features.sum())
    picked = row is not None and isinstance(row, int) and 0 <= row < len(diagnosis.symptoms)
    if row is None or not picked:
        row = follow(chosen if chosen is not None and chosen.of in (None, image) else None, diagnosis)
        image = None if chosen is not None and chosen.of is None else image
    updates = {
        "choice": gr.update(
            choices=[(f"{s.class_name}: {s.symptom}", i) for i, s in enumerate(diagnosis.symptoms)], value=row
        ),
        "chosen": placed(diagnosis, row, None if picked else image),
        **NO_MAPS,
        "comparison": "" if other is None else comparison_html(diagnosis, other),
    }
    if cells is None:
        return {**updates, "legend": f"<p>{NO_CELLS}</p>"}
    axis = tasks[key].similarity_axis(mode) if evidence.adds_up(cells, features) else None
    fit = tasks[key].predictor.vip.backbone.resize_mode
    picture, caption, legend = seen_map(cells, text[row], axis, diagnosis.symptoms[row], fit)
    updates |= {"map": picture, "caption": caption, "legend": legend}
    if other is not None and second is not None and second[1] is not None:
        picture, caption, _ = seen_map(second[1], text[row], axis, other.symptoms[row], fit)
        updates |= {"second map": picture, "second caption": caption}
    return updates

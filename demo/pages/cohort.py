"""The Cohort page: many images at once, with metrics if there are labels, updated while the lists are edited."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import gradio as gr
from gradio.events import Dependency

from vip_core.data.pixels import MAX_BYTES

from ..render.cards import message
from ..render.cohort_cards import charts_card, invitation, said
from ..sections import cohort_handlers as do
from ..sections import cohort_rows as rows
from ..sections.boxes import boxes_of, most_classes, original_lists
from ..sections.wiring import AT_ONCE, PRIVATE, Json, Tasks, Updates, boxes_named, kept, listener
from ..state.archive import MAX_IMAGES, MAX_UNPACKED
from ..state.cohort import STEP, Results
from ..state.cohort_loader import TURNS
from ..state.cohort_table import ALL, HEADERS, UPLOADED
from ..state.tasks import Task

PageParts = dict[str, Any]  # components by name; what events they have depends on their kind
MEGABYTE = 2**20
LISTS = (
    '<div class="vip-lists"><h2>The symptom lists</h2>'
    "<p>The same lists as in Diagnose, one symptom per line; a # before a line switches it off. "
    "All images are scored again as you type.</p></div>"
)
LISTS_OF_TASK = "key => [key, ...window.vipPages.lists(key, {boxes})]"  # as Diagnose has them; see assets/page/pages.js
# Several may wait, each in a thread of its own; `Turns` lets one of them read. Gradio's own processing would make an
# empty file for each upload.
READ: Json = {"concurrency_id": "cohort-read", "concurrency_limit": 8, "preprocess": False, "postprocess": False}
# One at a time and in the order of arrival, so that an older result never replaces a newer one.
SHOW: Json = {"concurrency_id": "cohort-show", "concurrency_limit": 1, "show_progress": "hidden", **PRIVATE}
DETAIL: Json = {"concurrency_id": "cohort-detail", "concurrency_limit": 1, "show_progress": "hidden", **PRIVATE}
FEW: Json = {**PRIVATE, "show_progress": "hidden"}


def cohort_page(tasks: Tasks, cohort: gr.State, max_upload: int = MAX_BYTES) -> PageParts:
    """Lay the page out and wire it; called within gr.Blocks. Returns its parts by name.

    Args:
        tasks: the trained ones.
        cohort: this visitor's, whose rows the Diagnose page opens; no image is kept in it.
        max_upload: the largest file that the server accepts, in bytes.
    """
    first = next(iter(tasks.values()))
    parts: PageParts = {
        "cohort": cohort,
        "labels": kept(None),
        "results": kept(None),
        "meanings": kept(None),
    }
    with gr.Row(elem_classes=["vip-page", "vip-cohort"], equal_height=False):
        with gr.Column(scale=3, min_width=280, elem_classes="vip-left"):
            parts |= _ways_in(tasks, first, max_upload)
        with gr.Column(scale=9, min_width=300):
            parts |= _results(tasks, first)
            parts |= _table(first)
    _wire(tasks, parts)
    return parts


def _ways_in(tasks: Tasks, first: Task, max_upload: int) -> PageParts:
    """The task, the images with the progress of reading them, and their labels."""
    gr.HTML(introduction(max_upload), js_on_load=None)
    parts: PageParts = {
        "task": gr.Radio(
            [(t.label, t.key) for t in tasks.values()],
            value=first.key,
            label="What to look for",
            elem_id="vip-cohort-task",
        ),
        "files": gr.File(
            file_count="multiple", label="Images, or ZIP files of images", height=170, elem_id="vip-cohort-files"
        ),
        "progress": gr.HTML(said(""), elem_id="vip-cohort-progress", js_on_load=None),
        "stop": gr.Button("Stop", size="sm", interactive=False, elem_id="vip-cohort-stop"),
        "labels file": gr.File(
            file_types=[".csv"], label="Labels, if there are any (CSV)", height=150, elem_id="vip-cohort-labels"
        ),
        "labels note": gr.HTML(message(), elem_id="vip-cohort-labels-note", js_on_load=None),
    }
    for c in range(most_classes(tasks)):
        parts[f"meaning {c}"] = gr.Dropdown(
            [], multiselect=True, visible=False, filterable=False, elem_id=f"vip-cohort-meaning-{c}"
        )
    parts["reference"] = gr.Button("Use the reference images", size="sm", elem_id="vip-cohort-reference")
    parts["prevalence"] = gr.Textbox(
        label=do.prevalence_label(first), max_lines=1, placeholder="such as 10", elem_id="vip-cohort-prevalence"
    )
    return parts


def _results(tasks: Tasks, first: Task) -> PageParts:
    """Figures, charts, and the lists beside them."""
    parts: PageParts = {}
    parts["summary"] = gr.HTML(invitation(), elem_id="vip-cohort-summary", js_on_load=None)
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=340):
            parts["threshold"] = gr.Slider(
                0.01,
                0.99,
                value=do.slider_value(first),
                step=STEP,
                label=do.threshold_label(first),
                info=do.threshold_info(first),
                visible=len(first.classes) == 2,
                elem_id="vip-cohort-threshold",
            )
            parts["charts"] = gr.HTML(charts_card(), elem_id="vip-cohort-charts", js_on_load=None)
        with gr.Column(scale=1, min_width=320):
            gr.HTML(LISTS, js_on_load=None)
            for index, box in enumerate(boxes_of(first, most_classes(tasks))):
                parts[f"box {index}"] = gr.Textbox(**box, lines=7, max_lines=7, elem_id=f"vip-cohort-box-{index}")
            parts["list note"] = gr.HTML(message(), elem_id="vip-cohort-list-note", js_on_load=None)
            parts["reset"] = gr.Button("Reset to the original lists", size="sm", elem_id="vip-cohort-reset")
    parts["details"] = gr.HTML("", elem_id="vip-cohort-details", js_on_load=None)
    parts["versions"] = gr.Textbox(visible="hidden", label="Versions of the lists")
    return parts


def _table(first: Task) -> PageParts:
    """The images one by one."""
    parts: PageParts = {}
    with gr.Row():
        parts["search"] = gr.Textbox(label="Find images by name", max_lines=1, elem_id="vip-cohort-search")
        parts["which"] = gr.Dropdown(
            rows.kinds(first), value=ALL, label="Show", filterable=False, elem_id="vip-cohort-filter"
        )
        parts["order"] = gr.Dropdown(
            rows.orders(first), value=UPLOADED, label="Order", filterable=False, elem_id="vip-cohort-order"
        )
    parts["count"] = gr.HTML("", elem_id="vip-cohort-count", js_on_load=None)
    parts["table"] = gr.Dataframe(
        headers=HEADERS,
        datatype=["str", "str", "number", "str", "str", "str"],
        column_widths=["230px", "140px", "130px", "100px", "140px", "290px"],
        label="The images",
        interactive=False,
        max_height=460,
        elem_id="vip-cohort-table",
    )
    parts["open"] = gr.Button(rows.NOT_OPEN, size="sm", interactive=False, elem_id="vip-cohort-open")
    parts["chosen"] = gr.Textbox(visible="hidden", label="The chosen row")
    parts["link"] = gr.HTML("", elem_id="vip-cohort-download", js_on_load=None)
    return parts


def _wire(tasks: Tasks, parts: PageParts) -> None:
    """What each control does; outputs are named in `cohort_handlers`."""

    def pick(*names: str) -> PageParts:
        return {name: parts[name] for name in names}

    def inputs(*names: str) -> list[Any]:
        return [parts[name] for name in names]

    boxes = [name for name in parts if name.startswith("box ")]
    meanings = [name for name in parts if name.startswith("meaning ")]
    filters = ("search", "which", "order")
    choice = ("chosen", "open")
    shown = ("results", "summary", "charts", "details", "table", "count", "link", "list note", *choice)
    asked = ("task", "cohort", "labels", "results", "threshold", "prevalence", "meanings", *filters, *boxes)
    show_all = listener(partial(do.show, tasks), inputs(*asked), pick(*shown), **SHOW)
    details = listener(
        partial(do.detail, tasks),
        inputs("task", "results", "versions"),
        pick("details"),
        trigger_mode="always_last",
        **DETAIL,
    )

    def then_show(event: Dependency) -> None:
        event.then(**show_all).then(**details)

    def read(key: str, upload: list[Json] | None, request: gr.Request) -> Iterator[Updates]:  # no partial: Request
        yield from do.read_upload(tasks, key, upload, request.session_hash or "")

    def stop_reading(request: gr.Request) -> None:
        TURNS.leave(request.session_hash or "")

    reading = pick("cohort", "progress", "files", "reference", "task", "stop")
    then_show(parts["files"].upload(**listener(read, inputs("task", "files"), reading, **READ, **FEW)))
    parts["stop"].click(stop_reading, None, None, **AT_ONCE)
    taken = pick("cohort", "progress")
    then_show(parts["reference"].click(**listener(partial(do.take_reference, tasks), parts["task"], taken, **FEW)))

    to_labels = pick("labels", "labels note", *meanings)
    take = listener(partial(do.take_labels, tasks), inputs("task", "labels file", "meanings"), to_labels, **READ, **FEW)
    then_show(parts["labels file"].upload(**take))
    then_show(parts["labels file"].clear(**listener(partial(do.no_labels, tasks), None, to_labels, **FEW)))
    mean = listener(partial(do.take_meanings, tasks), inputs("task", *meanings), pick("meanings", "labels note"), **FEW)
    for name in meanings:
        then_show(parts[name].input(**mean))

    # Not `input`: Gradio's Textbox fires that for a pressed character only, not for Backspace, cut or paste.
    edits = [parts[name].change for name in (*boxes, "threshold", "prevalence")]
    gr.on(edits, **show_all, trigger_mode="always_last").then(**details)
    parts["versions"].change(**details)
    narrow = listener(
        partial(rows.filtered, tasks), inputs("task", "results", *filters), pick("table", "count"), **SHOW
    )
    gr.on([parts[name].change for name in filters], **narrow, trigger_mode="always_last")
    # These only fill the boxes, which then count as edited.
    named = pick(*boxes)
    reset = listener(lambda key: boxes_named(original_lists(tasks, key)), parts["task"], named, **SHOW)
    parts["reset"].click(**reset)
    switched = pick(
        *("cohort", "progress", "labels", "labels note", "labels file", "meanings", *meanings),
        *("which", "order", "threshold", "prevalence", *boxes, *shown),
    )
    switch = listener(partial(do.switch_task, tasks), inputs("task", *boxes), switched, **SHOW)
    parts["task"].change(**switch, js=LISTS_OF_TASK.format(boxes=len(boxes)))

    def choose(
        key: str, results: Results | None, search: str, which: str, order: str, event: gr.SelectData
    ) -> Updates:  # no partial: SelectData
        row, name = event.index[0], str(event.row_value[0])
        return rows.choose_row(tasks, key, results, search, which, order, row, name)

    parts["table"].select(**listener(choose, inputs("task", "results", *filters), pick(*choice), **FEW))


def introduction(max_upload: int) -> str:
    """The files that the page accepts, and what happens to them."""
    return (
        '<div class="vip-lists"><h2>Many images at once</h2>'
        f"<p>At most {MAX_IMAGES} images: files of up to {min(max_upload, MAX_BYTES) // MEGABYTE} "
        f"MB, or ZIP files of up to {max_upload // MEGABYTE} MB that unpack to at most "
        f"{MAX_UNPACKED // MEGABYTE:,} MB. A labels file has "
        "the columns image (the file’s name) and label (the class). With a column patient, "
        "intervals are computed by patient; any other column, such as age, sex or site, defines subgroups.</p>"
        "<p>Files are deleted from the server within two minutes of being read. While this page is open, the "
        "server keeps their names and their features, which are not images.</p></div>"
    )

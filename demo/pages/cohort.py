"""The Cohort page: many images at once, with the figures that labels allow, re-scored while one edits the lists."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from demo.render.cards import message
from demo.render.cohort_cards import charts_card, download_link, invitation, progress_line, said, summary_card
from demo.sections.editor import PRIVATE, Json, Tasks, boxes_of, most_classes, original_lists, uploaded_file
from demo.state.archive import MOST_IMAGES, MOST_UNPACKED
from demo.state.cohort import (
    ALL,
    BY_NAME,
    DISTANT,
    FINDING,
    FLAGGED,
    HEADERS,
    OF_CLASS,
    UNLABELLED,
    UNREAD,
    UNSURE,
    UPLOADED,
    WRONG,
    Cohort,
    Labels,
    Results,
    finding,
    read_labels,
    reference_cohort,
    score_cohort,
    table_rows,
)
from demo.state.cohort_loader import TURNS, read_cohort
from demo.state.lists import parse_boxes
from demo.state.tasks import Task
from vip_core.data.pixels import MAX_BYTES
from vip_core.errors import DataError, SymptomError

MEGABYTE = 2**20
LISTS = (
    '<div class="vip-lists"><h2>The symptom lists</h2>'
    "<p>A symptom a line. Reword, add or delete lines; a # before a line switches it off. All images are scored again "
    "as you type.</p></div>"
)
MEND = "Mend the symptom lists to see the results of these images."
GONE = "The upload is not here any more; choose the files again."
# Several may wait, each in a thread of its own; `Turns` lets one of them read. Gradio's own processing would make an
# empty file for each upload.
READ = {"concurrency_id": "cohort-read", "concurrency_limit": 8, "preprocess": False, "postprocess": False}
# One at a time and in the order of arrival, so that an older result never lands upon a newer one.
SHOW = {"concurrency_id": "cohort-show", "concurrency_limit": 1, "show_progress": "hidden"}
FEW = {**PRIVATE, "show_progress": "hidden"}

Reading = tuple[Any, str, Any, Any, Any, Any]  # cohort, progress, and what may be used: upload, reference, task, stop
Shown = tuple[Any, Any, Any, Any, Any, Any, str]  # results, summary, charts, table, count, link, message at the lists


def cohort_page(tasks: Tasks, max_upload: int = MAX_BYTES) -> None:
    """Lay the page out and wire it; called within gr.Blocks. max_upload: bytes of a file that the server takes."""
    first = next(iter(tasks.values()))
    cohort, labels, results = gr.State(None), gr.State(None), gr.State(None)  # this visitor's; no image is kept
    with gr.Row(elem_classes=["vip-page", "vip-cohort"], equal_height=False):
        with gr.Column(scale=3, min_width=280, elem_classes="vip-left"):
            gr.HTML(introduction(max_upload), js_on_load=None)
            task = gr.Radio(
                [(t.label, t.key) for t in tasks.values()],
                value=first.key,
                label="What to look for",
                elem_id="vip-cohort-task",
            )
            files = gr.File(
                file_count="multiple", label="Images, or ZIP files of images", height=170, elem_id="vip-cohort-files"
            )
            labels_file = gr.File(
                file_types=[".csv"], label="Labels, if there are any (CSV)", height=150, elem_id="vip-cohort-labels"
            )
            labels_note = gr.HTML(message(), elem_id="vip-cohort-labels-note", js_on_load=None)
            reference = gr.Button("Take the reference images", size="sm", elem_id="vip-cohort-reference")
        with gr.Column(scale=9, min_width=300):
            with gr.Row(equal_height=False):
                with gr.Column(scale=5, min_width=200):
                    progress = gr.HTML(said(""), elem_id="vip-cohort-progress", js_on_load=None)
                stop = gr.Button(
                    "Stop reading", size="sm", interactive=False, scale=1, min_width=120, elem_id="vip-cohort-stop"
                )
            summary = gr.HTML(invitation(), elem_id="vip-cohort-summary", js_on_load=None)
            with gr.Row(equal_height=False):
                with gr.Column(min_width=340):
                    charts = gr.HTML(charts_card(), elem_id="vip-cohort-charts", js_on_load=None)
                with gr.Column(min_width=320):
                    gr.HTML(LISTS, js_on_load=None)
                    boxes = [
                        gr.Textbox(**box, lines=7, max_lines=7, elem_id=f"vip-cohort-box-{index}")
                        for index, box in enumerate(boxes_of(first, most_classes(tasks)))
                    ]
                    list_note = gr.HTML(message(), elem_id="vip-cohort-list-note", js_on_load=None)
                    reset = gr.Button("Reset to the original lists", size="sm", elem_id="vip-cohort-reset")
            with gr.Row():
                search = gr.Textbox(label="Find images by name", max_lines=1, elem_id="vip-cohort-search")
                which = gr.Dropdown(
                    kinds(first), value=ALL, label="Show", filterable=False, elem_id="vip-cohort-filter"
                )
                order = gr.Dropdown(
                    orders(first), value=UPLOADED, label="Order", filterable=False, elem_id="vip-cohort-order"
                )
            count = gr.HTML("", elem_id="vip-cohort-count", js_on_load=None)
            table = gr.Dataframe(
                headers=HEADERS,
                datatype=["str", "str", "number", "str", "str", "str"],
                column_widths=["230px", "140px", "120px", "100px", "140px", "230px"],
                label="The images",
                interactive=False,
                max_height=460,
                elem_id="vip-cohort-table",
            )
            link = gr.HTML("", elem_id="vip-cohort-download", js_on_load=None)

    shown = [results, summary, charts, table, count, link, list_note]
    filters = [search, which, order]
    lists = [task, cohort, labels, results, *filters, *boxes]
    show_all = {"fn": partial(show, tasks), "inputs": lists, "outputs": shown, **SHOW, **PRIVATE}
    reading = [cohort, progress, files, reference, task, stop]

    def read(key: str, upload: list[Json] | None, request: gr.Request) -> Iterator[Reading]:  # no partial: Request
        yield from read_upload(tasks, key, upload, request.session_hash or "")

    def stop_reading(request: gr.Request) -> None:
        TURNS.leave(request.session_hash or "")

    files.upload(read, [task, files], reading, **READ, **FEW).then(**show_all)
    stop.click(stop_reading, None, None, queue=False, **FEW)
    reference.click(partial(take_reference, tasks), task, [cohort, progress], **FEW).then(**show_all)

    to_labels = [labels, labels_note]
    labels_file.upload(take_labels, labels_file, to_labels, **READ, **FEW).then(**show_all)
    labels_file.clear(lambda: (None, message()), None, to_labels, **FEW).then(**show_all)

    # Not `input`: Gradio's Textbox fires that for a pressed character only, not for Backspace, cut or paste.
    gr.on([box.change for box in boxes], **show_all, trigger_mode="always_last")
    gr.on(
        [each.change for each in filters],
        partial(filtered, tasks),
        [task, results, *filters],
        [table, count],
        trigger_mode="always_last",
        **SHOW,
        **PRIVATE,
    )
    # These only fill the boxes, which then count as edited.
    reset.click(partial(original_lists, tasks), task, boxes, **SHOW, **PRIVATE)
    switched = [cohort, progress, *to_labels, labels_file, which, order, *boxes, *shown]
    task.change(partial(switch_task, tasks), task, switched, **SHOW, **PRIVATE)


def introduction(max_upload: int) -> str:
    """What the page takes, and what becomes of it."""
    return (
        '<div class="vip-lists"><h2>Many images at once</h2>'
        f"<p>At most {MOST_IMAGES} images: files of up to {min(max_upload, MAX_BYTES) // MEGABYTE} MB, or ZIP files of "
        f"up to {max_upload // MEGABYTE} MB that unpack to at most {MOST_UNPACKED // MEGABYTE:,} MB. A labels file has "
        "the columns image (the file’s name) and label (the class).</p>"
        "<p>Files are deleted from the server within two minutes after they are read. What stays, while this page is "
        "open, are their names and their features, which are no images.</p></div>"
    )


def kinds(task: Task) -> list[tuple[str, str]]:
    """What the table can be narrowed to: for people, and as `table_rows` knows it."""
    classes = [(f"Class: {name}", f"{OF_CLASS}{c}") for c, name in enumerate(task.classes)]
    others = [("Unlike the known images", FLAGGED), ("Wrong", WRONG), ("Not read", UNREAD), ("No label", UNLABELLED)]
    return [("All images", ALL), *classes, *others]


def orders(task: Task) -> list[tuple[str, str]]:
    """What the table can be sorted by: for people, and as `table_rows` knows it."""
    return [
        ("As uploaded", UPLOADED),
        ("By name", BY_NAME),
        ("Least sure first", UNSURE),
        (f"Most probable {task.classes[finding(task)]} first", FINDING),
        ("Least like the known images first", DISTANT),
    ]


# ---- what happens: plain functions of the tasks and of what the page sends


def read_upload(tasks: Tasks, key: str, upload: list[Json] | None, visitor: str) -> Iterator[Reading]:
    """The cohort as far as it is read, again and again. upload: as the page sends it."""
    files = uploaded_files(upload)
    last = GONE
    if files:
        yield None, said("Opening the files …"), *usable(reading=True)
        try:
            for step in read_cohort(tasks[key].predictor.vip.backbone, files, visitor):
                last = step.sentence
                yield step.cohort, progress_line(step.done, step.of, last), *[gr.skip()] * 4
        except DataError as error:
            last = str(error)
        except OSError:
            last = GONE
    yield gr.skip(), said(last), *usable(reading=False)


def usable(reading: bool) -> tuple[Any, Any, Any, Any]:
    """Upload, reference images and task wait while a cohort is read, which can then be stopped."""
    free = gr.update(interactive=not reading)
    return gr.update(value=None, interactive=not reading), free, free, gr.update(interactive=reading)


def uploaded_files(upload: list[Json] | Json | None) -> list[tuple[Path, str]]:
    """The files of an upload that are here, each with what the visitor calls it."""
    files = []
    for each in upload if isinstance(upload, list) else [upload]:
        path = uploaded_file(each)
        if path is not None:
            called = each.get("orig_name") if isinstance(each, dict) else None
            files.append((path, called if isinstance(called, str) else path.name))
    return files


def take_reference(tasks: Tasks, key: str) -> tuple[Any, str]:
    """The reference images as the cohort, and a sentence."""
    try:
        cohort = reference_cohort(tasks[key])
    except DataError as error:
        return gr.skip(), said(str(error))
    return cohort, said(f"{len(cohort.names)} reference images are taken.")


def take_labels(upload: Json | None) -> tuple[Labels | None, str]:
    """The labels of an uploaded file, or a message."""
    files = uploaded_files(upload)
    if not files:
        return None, message(GONE)
    try:
        return read_labels(*files[0]), message()
    except DataError as error:
        return None, message(str(error))


def show(
    tasks: Tasks,
    key: str,
    cohort: Cohort | None,
    labels: Labels | None,
    before: Results | None,
    search: str,
    which: str,
    order: str,
    *texts: str,
) -> Shown:
    """The cohort under the lists as they stand; while these cannot be used, its last result stays, so marked."""
    task = tasks[key]
    try:
        symptoms = parse_boxes(task.predictor.symptoms, texts)
        if cohort is None:
            return None, invitation(), charts_card(), None, "", "", message()
        results = score_cohort(task, cohort, labels, symptoms, before)
    except SymptomError as error:
        note = message(str(error))
        if before is not None and before.cohort is cohort:
            return (*[gr.skip()] * 6, note)
        return None, invitation() if cohort is None else invitation(MEND), charts_card(), None, "", "", note
    positive = finding(task)
    summary, charts = summary_card(results, positive), charts_card(results, positive)
    return (
        results,
        summary,
        charts,
        *filtered(tasks, key, results, search, which, order),
        download_link(results),
        message(),
    )


def filtered(tasks: Tasks, key: str, results: Results | None, search: str, which: str, order: str) -> tuple[Any, str]:
    """The rows asked for, and how many these are."""
    if results is None:
        return None, ""
    rows = table_rows(results, search, which, order, finding(tasks[key]))
    return rows, f'<p role="status">{len(rows)} of {len(results.rows)} images are shown.</p>'


def switch_task(tasks: Tasks, key: str) -> tuple[Any, ...]:
    """The page of another task: no images, no labels, its own lists."""
    task = tasks[key]
    boxes = [gr.update(**box) for box in boxes_of(task, most_classes(tasks))]
    choices = gr.update(choices=kinds(task), value=ALL), gr.update(choices=orders(task), value=UPLOADED)
    empty = (None, invitation(), charts_card(), None, "", "", message())
    return (None, said(""), None, message(), None, *choices, *boxes, *empty)

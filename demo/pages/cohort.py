"""The Cohort page: many images at once, with the figures that labels allow, re-scored while one edits the lists."""

from collections.abc import Iterator
from functools import partial

import gradio as gr

from vip_core.data.pixels import MAX_BYTES
from vip_core.errors import DataError, SymptomError

from ..render.cards import message
from ..render.cohort_cards import INVITATION, charts_card, download_link, invitation, progress_line, said, summary_card
from ..sections.boxes import boxes_of, most_classes, original_lists
from ..sections.uploads import GONE, uploaded_files
from ..sections.wiring import AT_ONCE, PRIVATE, Json, Tasks, Updates, boxes_named, listener
from ..state.archive import MAX_IMAGES, MAX_UNPACKED
from ..state.cohort import (
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
from ..state.cohort_loader import TURNS, read_cohort
from ..state.lists import parse_boxes
from ..state.tasks import Task

MEGABYTE = 2**20
LISTS = (
    '<div class="vip-lists"><h2>The symptom lists</h2>'
    "<p>One symptom per line. Reword, add or delete lines; a # before a line switches it off. All images are scored "
    "again as you type.</p></div>"
)
FIX_LISTS = "Fix the symptom lists to see the results of these images."
# Several may wait, each in a thread of its own; `Turns` lets one of them read. Gradio's own processing would make an
# empty file for each upload.
READ: Json = {"concurrency_id": "cohort-read", "concurrency_limit": 8, "preprocess": False, "postprocess": False}
# One at a time and in the order of arrival, so that an older result never replaces a newer one.
SHOW: Json = {"concurrency_id": "cohort-show", "concurrency_limit": 1, "show_progress": "hidden", **PRIVATE}
FEW: Json = {**PRIVATE, "show_progress": "hidden"}


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
            reference = gr.Button("Use the reference images", size="sm", elem_id="vip-cohort-reference")
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

    table_parts = {"table": table, "count": count}
    shown = {
        "results": results,
        "summary": summary,
        "charts": charts,
        **table_parts,
        "link": link,
        "list note": list_note,
    }
    filters = [search, which, order]
    lists = [task, cohort, labels, results, *filters, *boxes]
    show_all = listener(partial(show, tasks), lists, shown, **SHOW)
    reading = {"cohort": cohort, "progress": progress, "files": files, "reference": reference, "task": task}
    reading["stop"] = stop

    def read(key: str, upload: list[Json] | None, request: gr.Request) -> Iterator[Updates]:  # no partial: Request
        yield from read_upload(tasks, key, upload, request.session_hash or "")

    def stop_reading(request: gr.Request) -> None:
        TURNS.leave(request.session_hash or "")

    files.upload(**listener(read, [task, files], reading, **READ, **FEW)).then(**show_all)
    stop.click(stop_reading, None, None, **AT_ONCE)
    taken = {"cohort": cohort, "progress": progress}
    reference.click(**listener(partial(take_reference, tasks), task, taken, **FEW)).then(**show_all)

    to_labels = {"labels": labels, "labels note": labels_note}
    labels_file.upload(**listener(take_labels, labels_file, to_labels, **READ, **FEW)).then(**show_all)
    no_labels = {"labels": None, "labels note": message()}
    labels_file.clear(**listener(lambda: no_labels, None, to_labels, **FEW)).then(**show_all)

    # Not `input`: Gradio's Textbox fires that for a pressed character only, not for Backspace, cut or paste.
    gr.on([box.change for box in boxes], **show_all, trigger_mode="always_last")
    narrow = listener(partial(filtered, tasks), [task, results, *filters], table_parts, **SHOW)
    gr.on([each.change for each in filters], **narrow, trigger_mode="always_last")
    # These only fill the boxes, which then count as edited.
    named = boxes_named(boxes)
    reset.click(**listener(lambda key: boxes_named(original_lists(tasks, key)), task, named, **SHOW))
    switched = {**taken, **to_labels, "labels file": labels_file, "which": which, "order": order, **named, **shown}
    task.change(**listener(partial(switch_task, tasks), task, switched, **SHOW))


def introduction(max_upload: int) -> str:
    """The files that the page accepts, and what happens to them."""
    return (
        '<div class="vip-lists"><h2>Many images at once</h2>'
        f"<p>At most {MAX_IMAGES} images: files of up to {min(max_upload, MAX_BYTES) // MEGABYTE} MB, or ZIP files of "
        f"up to {max_upload // MEGABYTE} MB that unpack to at most {MAX_UNPACKED // MEGABYTE:,} MB. A labels file has "
        "the columns image (the file’s name) and label (the class).</p>"
        "<p>Files are deleted from the server within two minutes after they are read. While this page is open, the "
        "server keeps their names and their features, which are not images.</p></div>"
    )


def kinds(task: Task) -> list[tuple[str, str]]:
    """What the table can be narrowed to: for people, and as `table_rows` knows it."""
    classes = [(f"Class: {name}", f"{OF_CLASS}{c}") for c, name in enumerate(task.classes)]
    others = [("Out of distribution", FLAGGED), ("Wrong", WRONG), ("Unreadable", UNREAD), ("No label", UNLABELLED)]
    return [("All images", ALL), *classes, *others]


def orders(task: Task) -> list[tuple[str, str]]:
    """What the table can be sorted by: for people, and as `table_rows` knows it."""
    return [
        ("As uploaded", UPLOADED),
        ("By name", BY_NAME),
        ("Least confident first", UNSURE),
        (f"Most probable {task.classes[finding(task)]} first", FINDING),
        ("Farthest from the reference images first", DISTANT),
    ]


# ---- what happens: plain functions of the tasks and of what the page sends


def read_upload(tasks: Tasks, key: str, upload: list[Json] | None, visitor: str) -> Iterator[Updates]:
    """The cohort as far as it is read, again and again. upload: as the page sends it."""
    files = uploaded_files(upload)
    last = GONE.format(thing="files")
    if files:
        yield {"cohort": None, "progress": said("Opening the files …"), **usable(reading=True)}
        try:
            for step in read_cohort(tasks[key].predictor.vip.backbone, files, visitor):
                last = step.sentence
                yield {"cohort": step.cohort, "progress": progress_line(step.done, step.of, last)}
        except DataError as error:
            last = str(error)
        except OSError:
            last = GONE.format(thing="files")
    yield {"progress": said(last), **usable(reading=False)}


def usable(reading: bool) -> Updates:
    """Upload, reference images and task wait while a cohort is read, which can then be stopped."""
    free = gr.update(interactive=not reading)
    files = gr.update(value=None, interactive=not reading)
    return {"files": files, "reference": free, "task": free, "stop": gr.update(interactive=reading)}


def take_reference(tasks: Tasks, key: str) -> Updates:
    """The reference images as the cohort."""
    try:
        cohort = reference_cohort(tasks[key])
    except DataError as error:
        return {"progress": said(str(error))}
    return {"cohort": cohort, "progress": said(f"{len(cohort.names)} reference images in use.")}


def take_labels(upload: Json | None) -> Updates:
    """The labels of an uploaded file."""
    files = uploaded_files(upload)
    if not files:
        return {"labels": None, "labels note": message(GONE.format(thing="files"))}
    try:
        return {"labels": read_labels(*files[0]), "labels note": message()}
    except DataError as error:
        return {"labels": None, "labels note": message(str(error))}


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
) -> Updates:
    """The cohort under the lists as they are; while these cannot be used, its last result stays, so marked."""
    task = tasks[key]
    try:
        symptoms = parse_boxes(task.predictor.symptoms, texts)
        if cohort is None:
            return {**cleared_cohort(), "list note": message()}
        results = score_cohort(task, cohort, labels, symptoms, before)
    except SymptomError as error:
        note = {"list note": message(str(error))}
        if before is not None and before.cohort is cohort:
            return note
        return {**cleared_cohort(INVITATION if cohort is None else FIX_LISTS), **note}
    positive = finding(task)
    return {
        "results": results,
        "summary": summary_card(results, positive),
        "charts": charts_card(results, positive),
        **filtered(tasks, key, results, search, which, order),
        "link": download_link(results),
        "list note": message(),
    }


def cleared_cohort(sentence: str = INVITATION) -> Updates:
    """A sentence, and nothing else."""
    empty = {"charts": charts_card(), "table": None, "count": "", "link": ""}
    return {"results": None, "summary": invitation(sentence), **empty}


def filtered(tasks: Tasks, key: str, results: Results | None, search: str, which: str, order: str) -> Updates:
    """The rows asked for, and their number."""
    if results is None:
        return {"table": None, "count": ""}
    rows = table_rows(results, search, which, order, finding(tasks[key]))
    return {"table": rows, "count": f'<p role="status">{len(rows)} of {len(results.rows)} images shown.</p>'}


def switch_task(tasks: Tasks, key: str) -> Updates:
    """The page of another task: no images, no labels, its own lists."""
    task = tasks[key]
    return {
        **{"cohort": None, "progress": said(""), "labels": None, "labels note": message(), "labels file": None},
        "which": gr.update(choices=kinds(task), value=ALL),
        "order": gr.update(choices=orders(task), value=UPLOADED),
        **boxes_named([gr.update(**box) for box in boxes_of(task, most_classes(tasks))]),
        **cleared_cohort(),
        "list note": message(),
    }

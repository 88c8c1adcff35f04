"""The Diagnose page: one custom component whose symptom list is the chart; Gradio carries requests and answers."""

import json
from collections.abc import Iterator
from functools import partial
from itertools import count
from typing import Any

import gradio as gr

from vip_core.errors import SymptomError, UsageError

from .. import DISCLAIMER
from ..render.bars import symptom_chart
from ..render.charts import chart_png, chart_svg
from ..render.report_pdf import report_pdf
from ..render.scripts import ANSWERS_SCRIPT, EDITS_SCRIPT, QUESTIONS_SCRIPT, bench_script
from ..sections.diagnose_api import diagnose_endpoint
from ..sections.uploads import uploaded_file
from ..sections.wiring import PRIVATE, Json, Tasks, kept
from ..state import bench as answers
from ..state.added_classes import task_asked
from ..state.cohort import Cohort
from ..state.diagnosis import DiagnosisView, view_asked
from ..state.report_data import make_report, report_dict
from ..state.request import read_request
from ..state.task_view import colours_of, task_config
from ..state.tasks import MODES
from ..state.visit import Visit

PRIVACY = (
    "Your image is deleted from the server within two minutes. What this page shows of it stays in "
    "the server’s memory until you close the page, and is sent nowhere else."
)
TEMPLATE = '<div class="vip-bench"></div>'
NUMBERS = count()  # of answers: Gradio passes on only a value that differs from the last one
# One at a time and in the order of arrival, so that an older result never replaces a newer one.
QUIET: Json = {"show_progress": "hidden", "postprocess": False, **PRIVATE}
EDIT: Json = {"concurrency_id": "bench", "concurrency_limit": 1, **QUIET}
# A large image takes seconds and much memory.
READ: Json = {"concurrency_id": "read", "concurrency_limit": 2, **QUIET}
FILES: Json = {"concurrency_id": "files", "concurrency_limit": 1, **QUIET}


def diagnose_page(tasks: Tasks, offered: Tasks, cohort: gr.State) -> gr.HTML:
    """Lay the page out and wire it; called within gr.Blocks.

    Returns the component through which other pages fill the lists, with `put_lists`.

    Args:
        tasks: the trained ones, which the API serves.
        offered: all that the page offers, those without a trained model too.
        cohort: the visitor's, whose images can be opened here.
    """
    config = {
        "tasks": {key: task_config(task, tasks) for key, task in offered.items()},
        "order": list(offered),
        "modes": list(MODES.items()),
        "disclaimer": DISCLAIMER,
        "privacy": PRIVACY,
        "adds_classes": True,
        "asks_library": True,  # AUROCs of the library's wordings, which take seconds for all classes
    }
    visit = kept(Visit())  # this visitor's; the models are shared, and no image file is kept
    gr.HTML(
        value=None,
        html_template=TEMPLATE,
        js_on_load=bench_script(config),
        apply_default_css=False,
        elem_id="vip-diagnose",
    )
    edited, asked = _messages("edits", EDITS_SCRIPT), _messages("questions", QUESTIONS_SCRIPT)
    # One for each kind of answer: of two values that reach a component together, Gradio passes on the last one only.
    image, scores, doubt, files, lists = (
        _messages(f"answers-{kind}", ANSWERS_SCRIPT) for kind in ("image", "scores", "doubt", "files", "lists")
    )
    inputs = [visit, asked]
    edited.input(partial(rescore, offered), [visit, edited], scores, trigger_mode="always_last", **EDIT)
    asked.clear(clear, inputs, visit, trigger_mode="multiple", **EDIT)
    for event in (asked.upload, asked.select):
        event(partial(read, offered), [*inputs, cohort], [visit, image, doubt], trigger_mode="multiple", **READ)
    asked.submit(partial(report, offered), inputs, files, trigger_mode="once", **FILES)
    asked.download(partial(chart, offered), inputs, files, trigger_mode="once", **FILES)
    diagnose_endpoint(tasks)
    return lists


def _messages(name: str, script: str) -> gr.HTML:
    """A component that shows nothing and passes texts between the page and the server."""
    return gr.HTML(html_template="<i></i>", js_on_load=script, visible="hidden", elem_id=f"vip-{name}")


def answer(**parts: Any) -> str:  # noqa: ANN401
    """What the page should show, by part, as JSON text for assets/page/gradio.js."""
    return json.dumps({"number": next(NUMBERS), **parts}, separators=(",", ":"))


def put_lists(task: str, lists: dict[str, list[str]]) -> str:
    """An answer that opens lists in the page."""
    return answer(put={"task": task, "lists": lists})


# ---- what happens: plain functions of the tasks, the visit and the request


def rescore(tasks: Tasks, visit: Visit, request: str) -> Any:  # noqa: ANN401
    """The rows under the lists as they are now, and the map of the row in focus. request: JSON."""
    try:
        scores = answers.rescore(tasks, visit, json.loads(request))
    except (ValueError, TypeError, RecursionError):  # it is not from the page
        return gr.skip()
    return gr.skip() if scores is None else answer(scores=scores)


def read(tasks: Tasks, visit: Visit, request: Json, cohort: Cohort | None) -> Iterator[tuple[Any, Any, Any]]:
    """An uploaded file, an example or an image of the cohort: its picture and its scores, then how stable these are."""
    task = task_asked(tasks, request)
    place, example = request.get("cohort"), request.get("example")
    if place is not None:
        found = answers.take_features(task, visit, request, None if cohort is None else cohort.feature(int(place)))
    else:
        path = uploaded_file(request) if example is None else tasks[request["task"]].examples[int(example)][0]
        found = answers.read(task, visit, request, path)
    if found is None:
        yield gr.skip(), gr.skip(), gr.skip()
        return
    yield visit, answer(**found), gr.skip()
    doubt = answers.doubt(task, visit, int(request["choice"]))
    if doubt is not None:
        yield visit, gr.skip(), answer(doubt=doubt)


def clear(visit: Visit, request: Json) -> Visit:
    """The visit without the image, or without the second one."""
    return answers.clear(visit, request if isinstance(request, dict) else {})


def report(tasks: Tasks, visit: Visit, request: Json) -> str:
    """What the page shows of the image, as PDF and JSON."""
    try:
        view = view_of(tasks, visit, request)
        note, prevalence = str(request.get("note") or ""), request.get("prevalence")
        made = make_report(view, visit.picture, note, prevalence, visit.doubt)
        data = json.dumps(report_dict(made), indent=2).encode()
        files = [
            answers.file("vip-report", "application/pdf", report_pdf(made)),
            answers.file("vip-report", "application/json", data),
        ]
    except (SymptomError, UsageError) as error:
        return answer(files={"error": str(error), "id": request.get("id")})
    return answer(files={"files": files, "id": request.get("id")})


def chart(tasks: Tasks, visit: Visit, request: Json) -> str:
    """The bars as a picture, or the diagnosis as JSON."""
    try:
        view = view_of(tasks, visit, request)
        if request.get("format") == "json":
            data = json.dumps(view.diagnosis.to_dict(), indent=2).encode()
            made = answers.file("vip-diagnosis", "application/json", data)
        else:
            axis = view.task.similarity_axis(view.mode)
            drawn = symptom_chart(view.diagnosis, axis, view.before, view.separations, colours_of(view.task))
            made = (
                answers.file("vip-chart", "image/png", chart_png(drawn))
                if request.get("format") == "png"
                else answers.file("vip-chart", "image/svg+xml", chart_svg(drawn))
            )
    except (SymptomError, UsageError) as error:
        return answer(files={"error": str(error), "id": request.get("id")})
    return answer(files={"files": [made], "id": request.get("id")})


def view_of(tasks: Tasks, visit: Visit, request: Json) -> DiagnosisView:
    """What the page shows of the image. Raises UsageError if it is gone, SymptomError if a list cannot be scored."""
    if visit.features is None or request.get("choice") != visit.choice or request.get("task") not in tasks:
        raise UsageError("There is no image. Choose one first; the file contains what the page shows.")
    task = task_asked(tasks, request)
    return view_asked(task, visit.features, read_request(task, request), visit.warning)

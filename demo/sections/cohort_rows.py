"""The table of the Cohort page: its filters and orders, and the image that a row opens."""

import json
from html import escape

import gradio as gr

from ..state.cohort import Results, finding
from ..state.cohort_table import (
    ALL,
    BY_NAME,
    DISTANT,
    FINDING,
    FLAGGED,
    OF_CLASS,
    UNLABELLED,
    UNREAD,
    UNSURE,
    UPLOADED,
    WRONG,
    places,
    table_rows,
)
from ..state.tasks import Task
from .wiring import Tasks, Updates

NOT_OPEN = "Choose a row to open its image in Diagnose."


def kinds(task: Task) -> list[tuple[str, str]]:
    """The filters of the table: the displayed name, and the value for `table_rows`."""
    classes = [(f"Class: {name}", f"{OF_CLASS}{c}") for c, name in enumerate(task.classes)]
    others = [("Out of distribution", FLAGGED), ("Wrong", WRONG), ("Unreadable", UNREAD), ("No label", UNLABELLED)]
    return [("All images", ALL), *classes, *others]


def orders(task: Task) -> list[tuple[str, str]]:
    """The orders of the table: the displayed name, and the value for `table_rows`."""
    return [
        ("As uploaded", UPLOADED),
        ("By name", BY_NAME),
        ("Least confident first", UNSURE),
        (f"Highest probability of {task.classes[finding(task)]} first", FINDING),
        ("Farthest from the reference images first", DISTANT),
    ]


def filtered(tasks: Tasks, key: str, results: Results | None, search: str, which: str, order: str) -> Updates:
    """The requested rows, and their number."""
    if results is None:
        return {"table": None, "count": ""}
    rows = table_rows(results, search, which, order, finding(tasks[key]))
    of = escape(results.classes[finding(tasks[key])]) if len(results.classes) == 2 else "the class"
    shown = f"{len(rows)} of {len(results.rows)} images shown. The probability is that of {of}."
    return {"table": rows, "count": f'<p role="status">{shown}</p>'}


def choose_row(
    tasks: Tasks,
    key: str,
    results: Results | None,
    search: str,
    which: str,
    order: str,
    row: int,
    name: str,
) -> Updates:
    """The image of a row of the table, ready to be opened in Diagnose. row, name: its place there, and first cell."""
    if results is None:
        return not_chosen()
    shown = places(results, search, which, order, finding(tasks[key]))
    place = shown[row] if row < len(shown) and results.rows[shown[row]].image == name else None
    if place is None:  # the browser has sorted the table by itself
        place = next((i for i in shown if results.rows[i].image == name), None)
    if place is None or results.rows[place].error is not None:
        return not_chosen()
    same = [i for i, each in enumerate(results.rows) if each.image == name]
    chosen = {"task": key, "place": place, "name": name, "nth": same.index(place)}
    return {"chosen": json.dumps(chosen), "open": gr.update(value=f"Open {name} in Diagnose", interactive=True)}


def not_chosen() -> Updates:
    """No row."""
    return {"chosen": "", "open": gr.update(value=NOT_OPEN, interactive=False)}

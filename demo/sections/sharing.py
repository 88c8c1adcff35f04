"""One set of lists for Diagnose and Cohort: kept in the browser, where assets/page/pages.js passes them on."""

import json
from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.events import Dependency

from .wiring import Tasks


def share_lists(tasks: Tasks, cohort: Mapping[str, Any], visit: Dependency) -> None:
    """Wire the Cohort page to the bench of the Diagnose page; called within gr.Blocks.

    Args:
        tasks: those of the Cohort page.
        cohort: its parts by name.
        visit: the event that shows it.
    """
    boxes = [cohort[name] for name in cohort if name.startswith("box ")]
    task, open_button = cohort["task"], cohort["open"]
    to_cohort = f"key => window.vipPages.toCohort(key, {json.dumps(list(tasks))}, {len(boxes)})"
    visit.then(None, task, [task, *boxes, cohort["versions"]], js=to_cohort)
    # Not `input`, see pages/cohort.py; the script separates a person's edits from the page's own changes.
    gr.on(
        [box.change for box in boxes], None, [task, *boxes], js="(...values) => window.vipPages.fromCohort(...values)"
    )
    cohort["reset"].click(None, task, None, js="key => window.vipPages.reset(key)")
    open_button.click(None, cohort["chosen"], None, js="chosen => window.vipPages.open(chosen)")

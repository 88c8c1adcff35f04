"""The demo as a whole: its pages as one gr.Blocks, and how that is served."""

from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.themes import Base, Default

from vip_core.utils.paths import PROJECT

from . import DISCLAIMER
from .pages.about import about_page
from .pages.cohort import cohort_page
from .pages.diagnose import diagnose_page
from .pages.symptoms import symptoms_page
from .sections.sharing import share_lists
from .sections.visiting import load_when_visited
from .sections.wiring import kept
from .settings import DEFAULTS, Settings
from .state.cohort_loader import TURNS
from .state.library_tasks import library_tasks
from .state.tasks import Task, load_tasks

TITLE = "ViP: the visual symptoms behind a diagnosis"
PURPOSE = "Shows which visual symptoms support a diagnosis, and lets you edit them."
HEADER = f'<header class="vip-header"><h1>ViP</h1><p>{PURPOSE} <b>{DISCLAIMER}</b></p></header>'
UPLOADED_FOR, LOOK_EVERY = 60, 10  # seconds that an upload stays unread; demo/server/waiting.py keeps one that waits
SESSIONS = 500  # pages whose state is kept
READY = "() => { document.documentElement.dataset.ready = 'yes' }"  # for tests: from here on no typing is lost


def build_demo(tasks: Mapping[str, Task] | None = None, settings: Settings = DEFAULTS) -> gr.Blocks:
    """The page for the tasks given, by default those of the settings.

    Raises:
        CheckpointError, BackboneError: if one of these cannot be loaded.
    """
    tasks = load_tasks(settings.ordered_tasks) if tasks is None else tasks
    offered = {**tasks, **library_tasks(tasks)}
    delete = (LOOK_EVERY, UPLOADED_FOR)
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=delete, fill_width=True) as demo:
        gr.HTML(HEADER, js_on_load=None)
        cohort = kept(None)
        with gr.Tabs(elem_id="vip-tabs") as tabs:
            with gr.Tab("Diagnose", id="diagnose"):
                answers = diagnose_page(tasks, offered, cohort)
            with gr.Tab("Cohort", id="cohort") as cohort_tab:
                cohort_parts = cohort_page(tasks, cohort, settings.max_upload)
            with gr.Tab("Symptoms", id="symptoms") as symptoms_tab:
                symptoms_page(tasks, offered, answers, tabs, settings)
            with gr.Tab("About", id="about") as about_tab:
                about_page(tasks)
        visit_cohort, *_ = map(load_when_visited, (cohort_tab, symptoms_tab, about_tab))
        share_lists(tasks, cohort_parts, visit_cohort)
        demo.load(None, js=READY)

        def forget(request: gr.Request) -> None:
            """Discard what a closed page showed, which Gradio would keep until 10,000 other pages have been opened."""
            visitor = request.session_hash or ""
            TURNS.leave(visitor)
            demo.state_holder.session_data.pop(visitor, None)

        demo.unload(forget)
    return demo.queue(max_size=settings.queue_size, api_open=False)


def launch_settings(settings: Settings = DEFAULTS) -> dict[str, Any]:
    """Arguments for `launch`."""
    return {
        "theme": theme(),
        "css_paths": [*sorted((PROJECT / "assets").glob("*.css")), PROJECT / "assets" / "page" / "bench.css"],
        "server_name": settings.host,
        "server_port": settings.port,
        "auth": list(settings.auth) or None,
        "max_file_size": settings.max_upload,
        "state_session_capacity": SESSIONS,
        "enable_monitoring": False,
        "run_history": False,  # it would store images and results in the visitor's browser
        "footer_links": ["api", "settings"],
        "ssr_mode": False,
        "share": settings.share,
        "mcp_server": settings.mcp,
        "_frontend": False,  # else it fetches the page once, and gives up where that takes more than three seconds
    }


def theme() -> Base:
    """Gradio's own theme with colours of sufficient contrast (WCAG 2, 1.4.3) and fonts that the visitor has."""
    font = ["system-ui", "sans-serif"]  # nothing is fetched from elsewhere
    look = Default(primary_hue="blue", neutral_hue="slate", font=font, font_mono=font)
    return look.set(
        body_text_color_subdued="*neutral_500",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
    )

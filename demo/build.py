"""The demo as a whole: its pages as one gr.Blocks, and how that is served."""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from demo.cards import DISCLAIMER
from demo.diagnose import diagnose_page
from demo.tasks import EXAMPLES, Task, load_tasks
from vip_core.images import MAX_BYTES
from vip_core.paths import PROJECT

TITLE = "The visual symptoms behind a diagnosis"
INTRODUCTION = (
    "Choose an image: the bars show how strongly each symptom is seen in it, and the model’s reading follows from "
    "them. Rewrite a symptom, and all of it follows as you type."
)
PRIVACY = "Your image is deleted from the server within two minutes; your page keeps the only copy."
UPLOADED_FOR = 60  # seconds that an uploaded file lies on the server; two people may have sent the same one
WAITING = 64  # events in the queue; who comes after is told so
SESSIONS = 500  # pages whose state is kept
READY = "() => { document.documentElement.dataset.ready = 'yes' }"  # for tests: from here on no typing is lost


def build_demo(tasks: Mapping[str, Task] | None = None) -> gr.Blocks:
    """The page for the tasks given, by default those of the project's own checkpoints.

    Raises:
        CheckpointError, BackboneError: if one of these cannot be loaded.
    """
    tasks = load_tasks() if tasks is None else tasks
    gr.set_static_paths([EXAMPLES])  # served from where they lie, not copied
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(UPLOADED_FOR // 4, UPLOADED_FOR)) as demo:
        gr.HTML(
            f'<header class="vip-header"><h1>{TITLE}</h1><p>{INTRODUCTION}</p>'
            f"<p><b>{DISCLAIMER}</b> {PRIVACY}</p></header>",
            js_on_load=None,
        )
        diagnose_page(tasks)
        demo.load(None, js=READY)

        def forget(request: gr.Request) -> None:
            """Gradio would keep what a closed page showed until 10,000 others have come."""
            demo.state_holder.session_data.pop(request.session_hash, None)

        demo.unload(forget)
    return demo.queue(max_size=WAITING, api_open=False)


def launch_settings() -> dict[str, Any]:
    """Arguments for `launch`; host and port are Gradio's own: GRADIO_SERVER_NAME and GRADIO_SERVER_PORT."""
    font = ["system-ui", "sans-serif"]  # what the visitor has: nothing is fetched from elsewhere
    return {
        "theme": gr.themes.Default(primary_hue="blue", neutral_hue="slate", font=font, font_mono=font),
        "css_paths": PROJECT / "assets" / "demo.css",
        "max_file_size": MAX_BYTES,
        "state_session_capacity": SESSIONS,
        "run_history": False,  # it would store images and results in the visitor's browser
        "footer_links": ["api", "settings"],
        "ssr_mode": False,
        "share": False,
    }

"""Start Gradio's server with the guard in front of it."""

from pathlib import Path

import gradio as gr
from starlette.middleware import Middleware

from ..build import launch_settings
from ..settings import Settings
from ..state.tasks import EXAMPLES
from .connections import RESERVED, Connections, limit_connections, raise_descriptor_limit
from .fairness import Fairness
from .guard import Guard
from .hosts import Hosts
from .log import protect_log
from .owners import Owners
from .paths import HidePaths
from .sessions import Sessions
from .waiting import keep_waiting


def launch(demo: gr.Blocks, settings: Settings, uploads: Path, quiet: bool = False) -> str:
    """Serve the page from threads of this process; returns its address. Raises OSError where it cannot be served."""
    limit_connections(Connections(raise_descriptor_limit() - RESERVED))
    folders = {"uploads-of-this-page": uploads.resolve(), "examples-of-this-page": EXAMPLES.resolve()}
    arguments = launch_settings(settings)
    arguments["app_kwargs"] = {"middleware": [Middleware(HidePaths, folders=folders)], "openapi_url": None}
    app, url, share_url = demo.launch(**arguments, prevent_thread_lock=True, quiet=quiet)
    protect_log()
    owners, hosts = Owners(), Hosts(settings)
    if share_url:
        hosts.extra.add(share_url.partition("://")[2].strip("/").lower())
    events = demo._queue.event_ids_to_events  # a call of the API is a session of its own, named as its event
    sessions = Sessions(owners.is_open, lambda session: session in events)
    sessions.set_blocks(demo)
    app.state_holder = sessions
    pending = demo._queue.pending_event_ids_session
    # Of an event whose visitor left before its end, the number stays among the pending ones; it no longer runs.
    fairness = Fairness(lambda session: len(events.keys() & pending.get(session, set())))
    keep_waiting(demo._queue, uploads)
    app.middleware_stack = Guard(app.middleware_stack or app, settings, hosts, owners, fairness)
    return url

"""A small Gradio app behind the guard, in this process: the guard needs no models."""

import gradio as gr
import pytest

from demo.server import launch
from demo.settings import Settings


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """A function that serves a small app with settings; gives its address and the app."""
    running = []

    def serve(**settings):
        with gr.Blocks(analytics_enabled=False) as demo:
            given, told = gr.Textbox(), gr.Textbox()
            gr.Button().click(lambda text: text, given, told, api_name="diagnose")
        demo.queue()
        folder = tmp_path_factory.mktemp("uploads")
        url = launch(demo, Settings(**settings), folder, quiet=True)
        running.append(demo)
        return url.rstrip("/"), demo

    yield serve
    for demo in running:
        demo.close()

"""An upload to a disk that is full gets a sentence, and the server goes on."""

import shutil
import time

import gradio as gr
import httpx

from demo.server import launch
from demo.settings import Settings


def test_refuse_where_full_says_so_and_takes_the_next_upload(small_disk, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(small_disk))
    with gr.Blocks(analytics_enabled=False) as demo:
        gr.Textbox()
    url = launch(demo.queue(), Settings(), small_disk, quiet=True).rstrip("/")
    refused = httpx.post(url + "/gradio_api/upload", files={"files": ("x.png", bytes(2**19))})
    assert refused.status_code == 507 and "no space left for uploads" in refused.text
    assert refused.headers["x-content-type-options"] == "nosniff"
    for path in small_disk.rglob("*"):
        if path.is_file():
            path.unlink()
    until = time.monotonic() + 30
    while shutil.disk_usage(small_disk).free < 2**17 and time.monotonic() < until:
        time.sleep(0.1)  # the server closes what it had begun to write
    assert httpx.post(url + "/gradio_api/upload", files={"files": ("x.png", b"small")}).status_code == 200
    demo.close()

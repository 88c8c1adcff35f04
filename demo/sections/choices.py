"""The order in which a visitor chooses images, counted in the browser, so that only the last choice is shown."""

import json
from typing import Any

import gradio as gr

from ..state.choices import CHOICES

# `choice` counts the choices. `picked` is the number of the file chosen last: it counts from when it was picked, not
# from when it has arrived. `picture` is the last picture that a read gave. All numbers are given as the page hears of a
# choice, before Gradio does, so that none depends on the order in which Gradio calls the listeners of an event.
TRACK = """() => {
  const vip = window.vip = {choice: 0, picked: 0, picture: null};
  const listen = (kind, selector, then) => document.addEventListener(kind, event => {
    if (event.target.closest?.(selector)) then(event);
  }, true);
  const pick = () => { vip.picked = ++vip.choice; };
  listen("change", "#vip-image, .vip-file", event => { if (event.target.files?.length) pick(); });
  listen("drop", "#vip-image", pick);
  listen("click", "#vip-image [aria-label*='clipboard' i]", pick);
  listen("click", ".vip-examples button", () => { ++vip.choice; });
}"""
SKIP = '{__type__: "update"}'  # Gradio's browser side leaves such an output alone
OF_UPLOAD = "(_, ...values) => [window.vip.picked, ...values]"
OF_EXAMPLE = "(_, ...values) => [window.vip.choice, ...values]"
NEW = "(_, ...values) => [++window.vip.choice, ...values]"
KEEP_PICTURE = "image => { if (!image || image.url?.startsWith('data:')) window.vip.picture = image; }"


def show_reading(result: list[Any]) -> str:
    """JavaScript for an upload, whose outputs are the image and the parts of the result: show `result` at once.

    A file that arrives after a later choice was made gives way to the picture of that one.
    """
    skips = ", ".join([SKIP] * len(result))
    return (
        "() => { const vip = window.vip; "
        f"return vip.picked < vip.choice ? [vip.picture, {skips}] : [{SKIP}, ...{json.dumps(result)}]; }}"
    )


def announce(number: float | None, request: gr.Request) -> None:
    """Tell the server of a choice, before all reads that may be waiting."""
    CHOICES.announce(request.session_hash or "", int(number or 0))

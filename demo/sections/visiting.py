"""A page is loaded when it is first visited: until then the browser fetches nothing for its components."""

import json
from collections.abc import Iterator

import gradio as gr
from gradio.blocks import Block, BlockContext
from gradio.events import Dependency

SHOW_ONCE = """() => {
  const first = !(window.vipVisited ??= new Set()).has(%(name)s)
  window.vipVisited.add(%(name)s)
  return first ? %(shown)s : %(unchanged)s
}"""


def load_when_visited(tab: gr.Tab) -> Dependency:
    """Hide all that a tab holds until it is first selected; returns the event that shows it. Called within gr.Blocks.

    Gradio loads the scripts of every component that is visible, those of closed tabs too.
    """
    hidden = [block for block in _within(tab) if getattr(block, "visible", False)]
    parts = {
        "name": tab.label,
        "shown": [{**gr.skip(), "visible": block.visible} for block in hidden],
        "unchanged": [gr.skip()] * len(hidden),  # a handler may have hidden some meanwhile
    }
    for block in hidden:
        block.visible = False
    return tab.select(None, None, hidden, js=SHOW_ONCE % {name: json.dumps(part) for name, part in parts.items()})


def _within(block: Block) -> Iterator[Block]:
    for child in getattr(block, "children", ()):
        yield child
        if isinstance(child, BlockContext):
            yield from _within(child)

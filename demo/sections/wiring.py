"""How handlers meet Gradio: they return updates by name, and here each name becomes a component."""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component
from gradio.helpers import skip

from ..state.tasks import Task

Json = dict[str, Any]
Tasks = Mapping[str, Task]
PRIVATE: Json = {"api_visibility": "private"}
# Never waits for another event. In the queue all the same: the route of events without it is closed.
AT_ONCE: Json = {"concurrency_limit": None, "show_progress": "hidden", **PRIVATE}
Updates = dict[str, Any]  # new values by the name of the output; an output that is not named keeps its value
Components = Mapping[str, Component | Block]


class _Nothing:
    """What Gradio calls for a dropped state. It publishes the repr, which for a function has a memory address."""

    def __call__(self, value: object) -> None:
        """Do nothing."""

    def __repr__(self) -> str:
        return "nothing"


def kept(value: object = None) -> gr.State:
    """What the server keeps for a visitor; called within gr.Blocks."""
    return gr.State(value, delete_callback=_Nothing())


def listener(
    handler: Callable[..., Updates | Iterator[Updates]],
    inputs: Component | Sequence[Component] | None,
    outputs: Components,
    **how: Any,  # noqa: ANN401
) -> dict[str, Any]:
    """The arguments of an event listener, such as `button.click`, for a handler that returns updates by name.

    how: the listener's other arguments.
    """
    return {"fn": _by_component(handler, outputs), "inputs": inputs, "outputs": list(outputs.values()), **how}


def _by_component(handler: Callable[..., Any], outputs: Components) -> Callable[..., Any]:
    def named(updates: Updates) -> dict[Any, Any]:
        unchanged = {next(iter(outputs.values())): skip()}  # Gradio takes an empty dict for a value
        return {outputs[name]: value for name, value in updates.items()} or unchanged

    function = handler.func if isinstance(handler, functools.partial) else handler
    if inspect.isgeneratorfunction(function):

        def run(*values: object) -> Any:  # noqa: ANN401
            yield from map(named, handler(*values))

        return _like(run, handler, function)

    def run_once(*values: object) -> dict[Any, Any]:
        return named(handler(*values))

    return _like(run_once, handler, function)


def _like(run: Callable[..., Any], handler: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """`run` with a handler's name and parameters; Gradio finds those that it fills, as gr.Request, by annotation."""
    functools.update_wrapper(run, handler)
    run.__annotations__ = {**function.__annotations__}
    run.__name__ = function.__name__
    return run


def boxes_named(values: Sequence[Any]) -> Updates:
    """Values of the symptom boxes under the names that these have as outputs."""
    return {f"box {index}": value for index, value in enumerate(values)}

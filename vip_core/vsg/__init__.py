"""The visual symptom generator: a language model writes symptoms, and a checkpoint's reference images check them.

The public names are loaded when they are first used, so that a command can print its help without loading torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vip_core.vsg.filtering import Dropped
    from vip_core.vsg.generator import generate
    from vip_core.vsg.grounding import GroundedLine, ground, select_best
    from vip_core.vsg.request import Generated, GenerationRequest, Progress, TokenUsage
    from vip_core.vsg.server import NOT_SET_UP, Server, is_local, server_from_environment
    from vip_core.vsg.templates import KINDS, Kind

_MODULES = {
    "filtering": ("Dropped",),
    "generator": ("generate",),
    "grounding": ("GroundedLine", "ground", "select_best"),
    "request": ("Generated", "GenerationRequest", "Progress", "TokenUsage"),
    "server": ("NOT_SET_UP", "Server", "is_local", "server_from_environment"),
    "templates": ("KINDS", "Kind"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "KINDS",
    "NOT_SET_UP",
    "Dropped",
    "Generated",
    "GenerationRequest",
    "GroundedLine",
    "Kind",
    "Progress",
    "Server",
    "TokenUsage",
    "generate",
    "ground",
    "is_local",
    "select_best",
    "server_from_environment",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

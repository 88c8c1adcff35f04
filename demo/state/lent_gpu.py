"""The image tower on a GPU that is lent one call at a time, as on ZeroGPU; everything else stays on the processor."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from vip_core.models.backbone import Backbone

SECONDS = 5  # that a call may take; a visitor's quota is counted by it
METHODS = ("encode_images", "encode_with_patches")


def lend_gpu(backbone: Backbone, borrow: Callable[[Callable[..., Any]], Callable[..., Any]], device: str) -> None:
    """Have a backbone encode images where `borrow` runs them.

    Args:
        backbone: on the processor.
        borrow: a decorator, such as `spaces.GPU(duration=5)`; what it decorates may run in another process.
        device: of the lent GPU.
    """
    for name in METHODS:
        setattr(backbone, name, borrow(_moved(backbone, getattr(backbone, name), device)))


def _moved(backbone: Backbone, encode: Callable[..., Any], device: str) -> Callable[..., Any]:
    def encode_there(pixels: Tensor, autocast: bool = False) -> Any:  # noqa: ANN401
        home = backbone.device
        backbone.to(device)
        try:
            found = encode(pixels.to(device), autocast)
        finally:
            backbone.to(home)
        parts = found if isinstance(found, tuple) else (found,)
        here = tuple(part.to(home) if isinstance(part, Tensor) else part for part in parts)
        return here if isinstance(found, tuple) else here[0]

    return encode_there

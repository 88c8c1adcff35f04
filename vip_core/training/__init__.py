"""Training the prompts: `train(TrainConfig(...), out=...)` trains, measures and writes a checkpoint."""

from typing import TYPE_CHECKING

from vip_core.training.config import TrainConfig

if TYPE_CHECKING:
    from vip_core.training.run import train

__all__ = ["TrainConfig", "train"]


def __getattr__(name: str) -> object:
    """Import `train`, and torch with it, when it is first asked for."""
    if name == "train":
        from vip_core.training.run import train

        return train
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

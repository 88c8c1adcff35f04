"""Serve the page until stopped: what `python app.py` and `vip demo` run."""

import os
import signal
from pathlib import Path
from tempfile import TemporaryDirectory

# All of these are read when gradio is imported.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "100")  # it sums up all events that it remembers after each one:
os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1000000")  # with thousands, that is slower than an edit

from vip_core.errors import UsageError

from .settings import Settings, read_settings
from .state.uploads import PREFIX, keep_swept


def main(arguments: list[str]) -> int:
    """Serve the page for a command line. Raises CheckpointError, BackboneError or UsageError."""
    serve(read_settings(arguments))
    return 0


def serve(settings: Settings) -> None:
    """Serve the page until stopped. Raises CheckpointError, BackboneError or UsageError."""
    if os.environ.get("SPACES_ZERO_GPU"):
        _prepare_zero_gpu()
    if settings.checkpoints is not None:
        os.environ["VIP_CHECKPOINTS"] = settings.checkpoints
    os.environ.pop("GRADIO_SERVER_PORT", None)  # gradio would take it for a number when it is imported
    from .build import build_demo, launch_settings

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stopping it is as good as Ctrl-C: uploads are deleted
    chosen = os.environ.get("GRADIO_TEMP_DIR")
    if chosen:
        Path(chosen).mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=PREFIX, dir=chosen) as uploads:
        os.environ["GRADIO_TEMP_DIR"] = uploads  # a folder of our own, in which all may be deleted
        keep_swept(Path(uploads).parent)
        demo = build_demo(settings=settings)
        try:
            demo.launch(**launch_settings(settings))
        except OSError as error:
            raise UsageError(
                "The page cannot be served: the port is in use, or the address does not belong to this machine. "
                "Set GRADIO_SERVER_PORT or GRADIO_SERVER_NAME."
            ) from error


def _prepare_zero_gpu() -> None:
    """Run on the processor there: ZeroGPU lends its card one call at a time, and an edit should not wait for that."""
    import spaces  # pyright: ignore[reportMissingImports]  # only there, where app.py has imported it first

    os.environ.setdefault("VIP_DEVICE", "cpu")

    @spaces.GPU
    def unused() -> None:
        """A ZeroGPU Space does not start without a function that asks for the card."""

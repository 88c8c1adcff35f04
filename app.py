"""The web demo: `python app.py`, then open the address it prints. What a Hugging Face Space runs."""

import os
import signal
from pathlib import Path
from tempfile import TemporaryDirectory

try:
    import spaces  # on a ZeroGPU Space it must come before whatever imports torch
except ImportError:
    spaces = None

# All of these are read when gradio is imported.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "100")  # it sums up all events that it remembers after each one:
os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1000000")  # with thousands, that is slower than an edit

from demo.settings import read_settings
from demo.state.uploads import PREFIX, keep_swept
from vip_core.cli import run
from vip_core.errors import UsageError


def main(arguments: list[str]) -> int:
    """Serve the page until stopped. Raises CheckpointError, BackboneError or UsageError."""
    settings = read_settings(arguments)
    if os.environ.get("SPACES_ZERO_GPU"):
        _prepare_zero_gpu()
    if settings.checkpoints is not None:
        os.environ["VIP_CHECKPOINTS"] = settings.checkpoints
    os.environ.pop("GRADIO_SERVER_PORT", None)  # gradio would take it for a number when it is imported
    from demo.build import build_demo, launch_settings

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
                "The page cannot be served, as the port is taken or the address is not this machine's; "
                "set GRADIO_SERVER_PORT or GRADIO_SERVER_NAME."
            ) from error
    return 0


def _prepare_zero_gpu() -> None:
    """Run on the processor there: ZeroGPU lends its card a call at a time, and an edit should not wait for that."""
    os.environ.setdefault("VIP_DEVICE", "cpu")

    @spaces.GPU
    def unused() -> None:
        """A ZeroGPU Space does not start without a function that asks for the card."""


if __name__ == "__main__":
    run(main)

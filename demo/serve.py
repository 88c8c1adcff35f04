"""Serve the page until stopped: what `python app.py` and `vip demo` run."""

import os
import shutil
import time
from typing import TYPE_CHECKING

# All of these are read when gradio is imported.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "100")  # it sums up all events that it remembers after each one:
os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1000000")  # with thousands, that is slower than an edit

from vip_core.errors import UsageError

from .settings import Settings, read_settings
from .state.uploads import upload_folder

if TYPE_CHECKING:
    from vip_core.models.backbone import Backbone


def main(arguments: list[str]) -> int:
    """Serve the page for a command line. Raises CheckpointError, BackboneError or UsageError."""
    serve(read_settings(arguments))
    return 0


def serve(settings: Settings) -> None:
    """Serve the page until stopped. Raises CheckpointError, BackboneError or UsageError."""
    on_zero_gpu = bool(os.environ.get("SPACES_ZERO_GPU"))
    if on_zero_gpu:
        os.environ.setdefault("VIP_DEVICE", "cpu")  # the card is lent one call at a time; an edit does not wait for it
    if settings.checkpoints is not None:
        os.environ["VIP_CHECKPOINTS"] = settings.checkpoints
    os.environ.pop("GRADIO_SERVER_PORT", None)  # gradio would take it for a number when it is imported
    os.environ["FORWARDED_ALLOW_IPS"] = ""  # uvicorn would believe any such header; VIP_PROXIES says whom to believe
    from .build import build_demo
    from .server import launch
    from .server.stopping import end_when_told
    from .state.decode import DECODER
    from .state.tasks import load_tasks

    with upload_folder(os.environ.get("GRADIO_TEMP_DIR")) as uploads:
        os.environ["GRADIO_TEMP_DIR"] = str(uploads)
        end_when_told(uploads)
        tasks = load_tasks(settings.ordered_tasks)
        if on_zero_gpu:
            _prepare_zero_gpu([task.predictor.vip.backbone for task in tasks.values()] if settings.zero_gpu else [])
        demo = build_demo(tasks, settings)
        try:
            launch(demo, settings, uploads)
        except OSError as error:
            raise UsageError(
                "The page cannot be served: the port is in use, or the address does not belong to this machine. "
                "Set GRADIO_SERVER_PORT or GRADIO_SERVER_NAME."
            ) from error
        try:
            while demo.is_running:
                time.sleep(0.2)
        except KeyboardInterrupt:
            print("Stopped.", flush=True)
        DECODER.close()
        shutil.rmtree(uploads, ignore_errors=True)
        os._exit(0)  # what is still running has nothing to save, and must not keep the process


def _prepare_zero_gpu(backbones: "list[Backbone]") -> None:
    """Have the image towers of these backbones run on the card there; with none, everything runs on the processor."""
    import spaces  # pyright: ignore[reportMissingImports]  # only there, where app.py has imported it first

    from .state.lent_gpu import SECONDS, lend_gpu

    for backbone in {id(each): each for each in backbones}.values():
        lend_gpu(backbone, spaces.GPU(duration=SECONDS), "cuda")

    @spaces.GPU(duration=SECONDS)
    def unused() -> None:
        """A ZeroGPU Space does not start without a function that asks for the card."""

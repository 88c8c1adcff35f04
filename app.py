"""The web demo: `python app.py`, then open the address it prints. What a Hugging Face Space runs."""

import os
import signal
from tempfile import TemporaryDirectory

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported

from vip_core.cli import run
from vip_core.errors import UsageError


def main(_arguments: list[str]) -> int:
    """Serve the page until stopped. Raises CheckpointError, BackboneError or UsageError."""
    port = os.environ.get("GRADIO_SERVER_PORT", "7860")
    if not port.isdecimal():
        raise UsageError(f"GRADIO_SERVER_PORT is {port}, not a number; set it to a free port, such as 7860.")
    from demo.build import build_demo, launch_settings  # gradio reads these variables when it is imported

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stopping it is as good as Ctrl-C: uploads are deleted
    with TemporaryDirectory(prefix="vip-demo-") as uploads:
        os.environ.setdefault("GRADIO_TEMP_DIR", uploads)
        demo = build_demo()
        try:
            demo.launch(**launch_settings())
        except OSError as error:
            raise UsageError(
                "The page cannot be served, as the port is taken or the address is not this machine's; "
                "set GRADIO_SERVER_PORT or GRADIO_SERVER_NAME."
            ) from error
    return 0


if __name__ == "__main__":
    run(main)

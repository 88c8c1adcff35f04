"""The web demo: `python app.py`, then open the address it prints. What a Hugging Face Space runs."""

try:
    import spaces  # pyright: ignore[reportMissingImports]  # on a ZeroGPU Space it must come before whatever imports torch
except ImportError:
    spaces = None

from demo.serve import main
from vip_core.cli import run

if __name__ == "__main__":
    run(main)

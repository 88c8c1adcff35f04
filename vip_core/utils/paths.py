"""Where the project's own files and the user's cache are found."""

import os
from importlib.resources import files
from pathlib import Path

PACKAGE = Path(str(files("vip_core")))
# The folder that holds checkpoints/ and assets/: inside the package in a wheel, beside it in a checkout.
PROJECT = PACKAGE / "resources" if (PACKAGE / "resources").is_dir() else PACKAGE.parent


def checkpoint_folder(name: str) -> Path:
    """Folder of the checkpoint called `name`: in VIP_CHECKPOINTS if it is there, else among the shipped ones."""
    if folder := os.environ.get("VIP_CHECKPOINTS"):
        found = Path(folder) / name
        if (found / "card.json").is_file() or (found / "open_clip_config.json").is_file():
            return found
    return PROJECT / "checkpoints" / name


def cache_folder() -> Path:
    """Where features are cached: VIP_CACHE, or `vip` in the user's cache folder."""
    if folder := os.environ.get("VIP_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vip"

"""Where things lie: the project's checkpoints, symptom sets and examples, and the user's cache."""

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def checkpoint_folder(name: str) -> Path:
    """The folder of a checkpoint called `name`: in VIP_CHECKPOINTS where it lies there, else the project's own."""
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

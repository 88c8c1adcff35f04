"""python -m vip_core.score: score images, whole folders or globs of them, with a checkpoint."""

import glob
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from typer import Argument, Option

from vip_core.cli import run
from vip_core.errors import ImageError, UsageError
from vip_core.utils.options import Address, command

if TYPE_CHECKING:
    from rich.console import Console

    from vip_core.scoring.predictor import Diagnosis, Predictor

SILENT_UP_TO = 64  # images for which no progress bar is shown


def score(
    images: Annotated[
        list[str],
        Argument(
            metavar="IMAGE_OR_DIR...", help="image files, folders or globs; with --out also tables of paths, s3://…"
        ),
    ],
    checkpoint: Annotated[str, Option(help="a name in checkpoints/, a folder, or a Hugging Face id")],
    backbone: Annotated[str | None, Option(help="local-dir:PATH, if the backbone has moved since training")] = None,
    pretrained: Annotated[
        str | None, Option(metavar="TAG", help="with --backbone: open_clip's name for its weights, or a file")
    ] = None,
    symptoms: Annotated[
        Path | None, Option(metavar="FILE", help="score with these symptoms instead of the checkpoint's own")
    ] = None,
    prevalence: Annotated[
        list[str],
        Option(metavar="CLASS=SHARE...", help="correct the probabilities for these prevalences of the classes"),
    ] = [],  # noqa: B006
    uncertainty: Annotated[
        bool,
        Option(
            "--uncertainty", help="also score random crops and rewordings, and report whether they change the class"
        ),
    ] = False,
    as_json: Annotated[bool, Option("--json", help="print one JSON object per image, one per line")] = False,
    out: Annotated[
        Path | None,
        Option(
            help="write the scores of an archive to Parquet files in this folder; after an "
            "interruption the same command continues"
        ),
    ] = None,
    as_format: Annotated[Literal["parquet"], Option("--format", help="format of the files in --out")] = "parquet",
    engine: Annotated[
        Literal["local", "ray"],
        Option(help="with --out: score in this process (local), or on the workers of a Ray cluster"),
    ] = "local",
    address: Address = None,
    image_column: Annotated[
        str | None,
        Option(
            metavar="NAME", help="with --out: the column of paths in a CSV or Parquet file", show_default="path, image"
        ),
    ] = None,
    runtime: Annotated[
        Literal["torch", "openvino"],
        Option(help="with --out: what runs the image tower; openvino, for CPUs, computes in float32 and is faster"),
    ] = "torch",
    rows_per_file: Annotated[int, Option(min=1, metavar="N", help="with --out: images per Parquet file")] = 512,
) -> int:
    """Score images with a checkpoint. Research use, not a medical device."""
    from rich.console import Console

    from vip_core.models.backbone import Backbone
    from vip_core.models.vip import ViP
    from vip_core.scoring.predictor import Predictor
    from vip_core.scoring.uncertainty import encode_views, measure_uncertainty
    from vip_core.symptoms import SymptomSet
    from vip_core.utils.console import progress

    if out is not None:
        if as_json or uncertainty:
            raise UsageError("--out writes Parquet files; leave --json and --uncertainty out.")
        from vip_core.scale.command import check_installed, score_to_parquet

        check_installed(engine, runtime)
    elif runtime != "torch":
        raise UsageError("--runtime openvino needs --out with the folder to write.")
    elif engine == "ray" or address is not None:
        raise UsageError("--engine ray needs --out with the folder to write.")
    edited = SymptomSet.load(symptoms) if symptoms else None
    loaded = Backbone.load(backbone, pretrained) if backbone else None
    predictor = Predictor(ViP.from_pretrained(checkpoint, loaded))
    shares = _shares(predictor, prevalence)
    if out is not None:
        used = predictor.resolve(edited)
        options = (engine, address, image_column, rows_per_file, runtime)
        return score_to_parquet(images, out, predictor.vip, used, shares, *options)
    paths = _expand(images)
    failed = False
    console = Console()
    with progress(disable=len(paths) < SILENT_UP_TO) as bar:
        task = bar.add_task("Images", total=len(paths))
        for path, result in zip(paths, predictor.score_many(paths, edited), strict=True):
            failed |= isinstance(result, ImageError)
            doubt = None
            if not isinstance(result, ImageError):
                result = predictor.at_prevalence(result, shares) if shares else result
                if uncertainty:
                    doubt = measure_uncertainty(predictor, encode_views(predictor, path), edited)
            if as_json:
                record = {"error": str(result)} if isinstance(result, ImageError) else result.to_dict()
                record |= {} if doubt is None else {"uncertainty": doubt.to_dict()}
                print(json.dumps({"image": str(path), **record}), flush=True)
            else:
                _print_result(console, path, result, detailed=len(paths) == 1)
                if doubt is not None:
                    advice = "refer to a person" if doubt.refer else "views and wordings agree"
                    console.print(f"  {doubt.low:.3f} to {doubt.high:.3f}: {advice}", highlight=False)
            bar.advance(task)
    if not as_json:
        console.print("Research use, not a medical device.")
    return int(failed)


def _shares(predictor: "Predictor", words: Sequence[str]) -> dict[str, float]:
    """The shares of the classes that were given, checked before any image is read. Raises UsageError."""
    from vip_core.utils.priors import full_mix, read_prevalence

    card = predictor.vip.card
    mix = None if card is None else card.calibrated_on
    shares = read_prevalence(words, predictor.symptoms.classes)
    if shares and mix is not None:
        full_mix(shares, predictor.symptoms.classes, mix)
    return shares


def _expand(arguments: Sequence[str]) -> list[Path]:
    """Files as they are; folders and globs become the images they contain."""
    from vip_core.data.folders import describe_left_out, search_folder
    from vip_core.utils.console import console

    paths: list[Path] = []
    for argument in arguments:
        path = Path(argument)
        # Not Path's own tests, which raise for a name that is too long or a folder without permission.
        if os.path.isdir(path):  # noqa: PTH112
            contents = search_folder(path)
            found = contents.images
            if contents.left_out:
                console.print(describe_left_out(contents.left_out), markup=False, soft_wrap=True)
        elif not os.path.exists(path) and glob.has_magic(argument):  # noqa: PTH110
            names = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
            found = [Path(name) for name in names if Path(name).is_file()]
        else:
            found = [path]  # a missing file becomes an error on its own line
        if not found:
            raise UsageError(f"{argument} contains no images (PNG, JPEG, WebP, TIFF, BMP, HEIC or DICOM).")
        paths.extend(found)
    return paths


def _print_result(console: "Console", path: Path, result: "Diagnosis | ImageError", detailed: bool) -> None:
    from rich.markup import escape
    from rich.table import Table

    name = str(path).encode("utf-8", "replace").decode()  # a file name need not be text
    if isinstance(result, ImageError):
        console.print(f"{name}: {result}", style="red", markup=False, soft_wrap=True)
        return
    warning = ""
    if result.domain is not None and not result.domain.in_domain:
        looks = f" (it looks like {result.domain.near_miss})" if result.domain.near_miss else ""
        warning = f"  out of distribution{looks}: do not interpret the result"
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


main = command(score, "score")

if __name__ == "__main__":
    run(main, keep_memory=True)

"""python -m vip_core.evaluate: measure a checkpoint, or zero-shot, on a split of a data set."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from typer import Option

from vip_core.cli import run
from vip_core.data.options import DataOptions
from vip_core.errors import UsageError
from vip_core.training.config import DataName
from vip_core.utils.options import Address, EngineName, command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vip_core.data.dataset import Row
    from vip_core.models.vip import ViP


def evaluate(
    data: Annotated[DataName, Option(help="the layout of the data set")],
    root: Annotated[Path, Option(help="the folder of the data set (csv: the file, or its folder)")],
    split: Annotated[Literal["train", "val", "test", "all"], Option(help="the split to evaluate on")],
    options: DataOptions,
    checkpoint: Annotated[str | None, Option(help="a name in checkpoints/, a folder, or a Hugging Face id")] = None,
    zero_shot: Annotated[
        Literal["names", "symptoms"] | None,
        Option(
            help="instead of a checkpoint: the backbone without trained prompts, with class names or with --symptoms"
        ),
    ] = None,
    backbone: Annotated[
        str | None,
        Option(help="local-dir:PATH, if the backbone has moved since training; or the backbone for --zero-shot"),
    ] = None,
    pretrained: Annotated[
        str | None, Option(metavar="TAG", help="with --backbone: open_clip's name for its weights, or a file")
    ] = None,
    symptoms: Annotated[
        Path | None, Option(metavar="FILE", help="score with these symptoms instead of the checkpoint's own")
    ] = None,
    positive: Annotated[
        str | None, Option(metavar="CLASS", help="the class for calibration, predictive values and net benefit")
    ] = None,
    prevalence: Annotated[
        str | None,
        Option(
            metavar="SHARE", help="prevalence of the positive class where the model is used, such as 0.1 or CLASS=0.1"
        ),
    ] = None,
    by: Annotated[list[str], Option(metavar="COLUMN...", help="evaluate the subgroups defined by these columns")] = [],  # noqa: B006
    symptom_labels: Annotated[
        list[str],
        Option(metavar="COLUMN...", help="columns of 0s and 1s; each labels the symptoms that contain its name"),
    ] = [],  # noqa: B006
    compare: Annotated[
        str | None, Option(metavar="CHECKPOINT", help="test the difference from this checkpoint")
    ] = None,
    report: Annotated[
        Path | None, Option(metavar="DIR", help="write the report to this folder: page, JSON, tables and figures")
    ] = None,
    predictions: Annotated[Path | None, Option(metavar="FILE", help="write a CSV with one row per image")] = None,
    uncertainty: Annotated[
        bool,
        Option(
            "--uncertainty",
            help="report how many images to refer to a person because the crop or the wording changes their class",
        ),
    ] = False,
    allow_seen: Annotated[bool, Option("--allow-seen", help="allow images that the checkpoint was trained on")] = False,
    seed: Annotated[int, Option(min=0, metavar="N", help="seed of the bootstrap")] = 1,
    engine: EngineName = "local",
    address: Address = None,
    as_json: Annotated[bool, Option("--json", help="print JSON")] = False,
) -> int:
    """Evaluate a checkpoint, or a backbone zero-shot, on a split of a data set. Research use only."""
    from dataclasses import replace

    from rich.console import Console

    from vip_core.data.features import encode_split, readable_rows
    from vip_core.data.near_duplicates import near_duplicates
    from vip_core.data.sources import load_dataset
    from vip_core.data.split_file import refuse_seen
    from vip_core.evaluation.predictions import write_predictions
    from vip_core.evaluation.referral import measure_referral
    from vip_core.evaluation.report_files import write_report
    from vip_core.evaluation.study import Questions, add_comparison, evaluate_model, evaluate_zero_shot
    from vip_core.evaluation.tables import print_report
    from vip_core.models.backbone import Backbone
    from vip_core.models.checkpoint import find_checkpoint
    from vip_core.scale.command import encode_on
    from vip_core.scoring.predictor import Predictor
    from vip_core.symptoms import SymptomSet
    from vip_core.utils.console import console
    from vip_core.utils.device import best_device
    from vip_core.utils.priors import read_prevalence

    encode_on(engine, address)
    if (checkpoint is None) == (zero_shot is None):
        raise UsageError("Give either --checkpoint NAME, or --zero-shot names|symptoms with --symptoms FILE.")
    if zero_shot is not None and symptoms is None:
        raise UsageError("--zero-shot needs --symptoms FILE, which names the classes.")
    given = None if symptoms is None else SymptomSet.load(symptoms)
    vip = None if checkpoint is None else _load(checkpoint, backbone, pretrained, given)
    used = vip.symptoms if vip is not None else given
    assert used is not None
    asked = Questions(seed, positive, None, by, symptom_labels)
    if prevalence is not None:
        trained_for = None if vip is None or vip.card is None else vip.card.training.get("positive")
        shares = read_prevalence([prevalence], used.classes, positive or trained_for or used.classes[-1])
        ((name, share),) = shares.items()
        if name not in used.classes or not 0 < share < 1 or (positive or name) != name:
            raise UsageError(f"--prevalence {prevalence} needs a share between 0 and 1 of {positive or 'a class'}.")
        asked = replace(asked, positive=name, prevalence=share)
    dataset = load_dataset(data, root, used.classes, options, "all" if split == "all" else "evaluate")
    rows = dataset.split(split)
    for line in dataset.describe():
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    for name in (checkpoint, compare):
        if name is not None and not allow_seen:
            refuse_seen(rows, find_checkpoint(name))
    if options.skip_unreadable:
        tower = vip.backbone if vip is not None else Backbone.load(backbone or "vip-mini", pretrained).to(best_device())
        rows, errors = readable_rows(tower, rows, float32=True)
        for error in errors.values():
            console.print(f"Left out: {error}", markup=False, highlight=False, soft_wrap=True)
    if vip is not None:
        features = encode_split(vip.backbone, rows, "Images")
        found, seen = evaluate_model(vip, rows, features, asked)
    else:
        assert zero_shot is not None
        tower = Backbone.load(backbone or "vip-mini", pretrained).to(best_device())
        found, seen = evaluate_zero_shot(tower, used, zero_shot, rows, encode_split(tower, rows, "Images"), asked)
    found = replace(
        found,
        model=checkpoint or f"zero-shot by {zero_shot}, {backbone or 'vip-mini'}",
        data=dataset.name,
        split=split,
        settings={"root": str(root), "seed": seed, "prevalence": prevalence, "by": by},
    )
    if uncertainty and vip is not None:
        found = replace(found, referral=measure_referral(Predictor(vip), rows))
    if options.near_duplicates:
        splits = {"train": dataset.train, "val": dataset.val, "test": dataset.test}
        pairs = [pair for pair in near_duplicates(splits) if {pair.first, pair.second} & {row.path for row in rows}]
        found = replace(found, near_duplicates=pairs)
    if compare is not None:
        found = add_comparison(found, seen, _other(compare, used.classes, rows), compare, seed)
    if predictions is not None:
        write_predictions(predictions, seen)
    if report is not None:
        write_report(report, found, seen)
    if as_json:
        print(json.dumps(found.to_dict()))
    else:
        print_report(Console(), found)
        print("Research use, not a medical device.")
    return 0


def _load(checkpoint: str, backbone: str | None, pretrained: str | None, symptoms: object) -> "ViP":
    """The model, on the device to run on, with the symptoms that were given."""
    from vip_core.models.backbone import Backbone
    from vip_core.models.vip import ViP
    from vip_core.symptoms import SymptomSet
    from vip_core.utils.device import best_device

    loaded = Backbone.load(backbone, pretrained) if backbone else None
    vip = ViP.from_pretrained(checkpoint, loaded).to(best_device())
    if isinstance(symptoms, SymptomSet):
        vip.symptoms = symptoms.ordered(vip.symptoms.classes)
    return vip


def _other(checkpoint: str, classes: "Sequence[str]", rows: "Sequence[Row]"):  # noqa: ANN202 - Predictions
    """The predictions of the checkpoint to compare with. Raises UsageError if its classes differ."""
    from dataclasses import replace

    from vip_core.data.features import encode_split
    from vip_core.evaluation.predictions import predict_rows
    from vip_core.scoring.predictor import Predictor

    vip = _load(checkpoint, None, None, None)
    own = vip.symptoms.classes
    if set(own) != set(classes):
        raise UsageError(
            f"{checkpoint} has the classes {list(own)}, not {list(classes)}; compare models with the same classes."
        )
    there = [replace(row, label=own.index(classes[row.label])) for row in rows]
    seen = predict_rows(Predictor(vip), vip.symptoms, there, encode_split(vip.backbone, there, "Images").features)
    order = [own.index(name) for name in classes]
    return replace(seen, classes=tuple(classes), rows=rows, probabilities=seen.probabilities[:, order])


main = command(evaluate, "evaluate")

if __name__ == "__main__":
    run(main, keep_memory=True)

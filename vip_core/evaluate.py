"""python -m vip_core.evaluate: measure a checkpoint on a split of a data set."""

import json
from pathlib import Path
from typing import Annotated, Literal

from typer import Option

from vip_core.cli import run
from vip_core.training.config import DataName
from vip_core.utils.options import command


def evaluate(
    checkpoint: Annotated[str, Option(help="a name in checkpoints/, a folder, or a Hugging Face id")],
    data: Annotated[DataName, Option(help="the layout of the data set")],
    root: Annotated[Path, Option(help="the folder of the data set (csv: the file, or its folder)")],
    split: Annotated[Literal["train", "val", "test"], Option(help="the images to measure on")],
    backbone: Annotated[
        str | None, Option(help="its backbone, if that is elsewhere than the card says: local-dir:PATH")
    ] = None,
    symptoms: Annotated[
        Path | None, Option(metavar="FILE", help="score with these symptoms instead of the checkpoint's own")
    ] = None,
    seed: Annotated[int, Option(min=0, metavar="N", help="of the bootstrap")] = 1,
    as_json: Annotated[bool, Option("--json", help="print JSON")] = False,
) -> int:
    """Measure a checkpoint on a split of a data set. Research use only."""
    from rich.console import Console

    from vip_core.data.features import encode_split
    from vip_core.data.sources import load_dataset
    from vip_core.evaluation.measure import measure
    from vip_core.evaluation.tables import print_evaluation
    from vip_core.models.backbone import Backbone
    from vip_core.models.vip import ViP
    from vip_core.symptoms import SymptomSet
    from vip_core.utils.device import best_device

    loaded = Backbone.load(backbone) if backbone else None
    vip = ViP.from_pretrained(checkpoint, loaded).to(best_device())
    if symptoms:
        vip.symptoms = SymptomSet.load(symptoms).ordered(vip.symptoms.classes)
    dataset = load_dataset(data, root, vip.symptoms.classes)
    rows = dataset.split(split)
    threshold, positive = None, None
    if vip.card is not None:
        threshold, positive = vip.card.threshold, vip.card.training.get("positive")
    result = measure(vip, encode_split(vip.backbone, rows, "Images"), rows, seed, threshold)
    if as_json:
        print(json.dumps(result.to_dict()))
    else:
        print_evaluation(Console(), f"{checkpoint} on {dataset.name}, {split}", result, positive)
        print("Research use, not a medical device.")
    return 0


main = command(evaluate, "evaluate")

if __name__ == "__main__":
    run(main)

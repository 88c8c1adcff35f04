"""python -m vip_core.evaluate: measure a checkpoint on a split of a data set."""

import json
from pathlib import Path

from rich.console import Console

from vip_core.cli import Parser, at_least, run
from vip_core.data.features import encode_split
from vip_core.data.sources import DATASETS, load_dataset
from vip_core.evaluation.measure import measure
from vip_core.evaluation.tables import print_evaluation
from vip_core.models.backbone import Backbone
from vip_core.models.vip import ViP
from vip_core.symptoms import SymptomSet
from vip_core.utils.device import best_device


def main(argv: list[str]) -> int:
    """Parse the arguments, measure, print. Returns 0."""
    parser = Parser("evaluate", "Measure a checkpoint on a split of a data set. Research use only.")
    parser.add_argument("--checkpoint", required=True, help="a name in checkpoints/, a folder, or a Hugging Face id")
    parser.add_argument("--backbone", help="its backbone, where that lies elsewhere than the card says: local-dir:PATH")
    parser.add_argument("--data", required=True, choices=list(DATASETS), help="the layout of the data set")
    parser.add_argument("--root", required=True, type=Path, help="the folder of the data set")
    parser.add_argument("--split", required=True, choices=["train", "val", "test"], help="the images to measure on")
    parser.add_argument("--symptoms", type=Path, help="score with these symptoms instead of the checkpoint's own")
    parser.add_argument("--seed", type=at_least(0), default=1, help="of the bootstrap (default: 1)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args(argv)
    backbone = Backbone.load(arguments.backbone) if arguments.backbone else None
    vip = ViP.from_pretrained(arguments.checkpoint, backbone).to(best_device())
    if arguments.symptoms:
        vip.symptoms = SymptomSet.load(arguments.symptoms).ordered(vip.symptoms.classes)
    data = load_dataset(arguments.data, arguments.root, vip.symptoms.classes)
    rows = data.split(arguments.split)
    threshold, positive = None, None
    if vip.card is not None:
        threshold, positive = vip.card.threshold, vip.card.training.get("positive")
    result = measure(vip, encode_split(vip.backbone, rows, "Images"), rows, arguments.seed, threshold)
    if arguments.json:
        print(json.dumps(result.to_dict()))
    else:
        print_evaluation(Console(), f"{arguments.checkpoint} on {data.name}, {arguments.split}", result, positive)
        print("Research use, not a medical device.")
    return 0


if __name__ == "__main__":
    run(main)

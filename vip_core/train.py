"""python -m vip_core.train: train the prompts on a data set, by the paper's protocol."""

import argparse
from dataclasses import MISSING, fields
from pathlib import Path

from vip_core.cli import Parser, at_least, not_negative, run, share
from vip_core.data.sources import DATASETS
from vip_core.errors import UsageError
from vip_core.evaluation.measure import Evaluation
from vip_core.evaluation.tables import print_evaluation
from vip_core.models.backbone import EMBEDDED
from vip_core.training.config import BACKBONE_DEFAULTS, TrainConfig
from vip_core.training.run import is_finished, train
from vip_core.utils.console import console


def main(argv: list[str]) -> int:
    """Parse the arguments, train, print the figures. Returns 0."""
    arguments = _parser().parse_args(argv)
    config = _config(arguments)
    out = arguments.out or config.default_out
    finished = is_finished(out)
    try:
        vip = train(config, out, arguments.resume, arguments.test, arguments.ood or ())
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"Interrupted. {out} keeps what was done; continue with --resume.") from None
    if finished:
        console.print(f"{out} contains a finished run, which is not changed; vip_core.evaluate measures it.")
        return 0
    assert vip.card is not None
    for split, result in vip.card.figures.items():
        print_evaluation(console, f"{vip.card.data['name']}, {split}", Evaluation.from_dict(result), arguments.positive)
    if note := vip.card.training.get("not_fitted"):
        console.print(note, style="yellow", markup=False, highlight=False)
    console.print(f"Written to {out}. Research use, not a medical device.")
    return 0


def _config(arguments: argparse.Namespace) -> TrainConfig:
    """The configuration of what was given."""
    given = {field.name: getattr(arguments, field.name) for field in fields(TrainConfig)}
    given = {name: value for name, value in given.items() if value is not None}
    if "sensitivity" in given and "positive" not in given:
        raise UsageError("--sensitivity needs --positive with the class to find.")
    return TrainConfig(**given)


def _parser() -> Parser:
    parser = Parser("train", "Train ViP's prompts on a data set, by the paper's protocol. Research use only.")
    positive = at_least(1)
    parser.add_argument("--data", required=True, choices=list(DATASETS), help="the layout of the data set")
    parser.add_argument("--root", required=True, help="the folder of the data set (csv: the file, or its folder)")
    parser.add_argument("--symptoms", help="JSON file of classes and symptoms; pneumonia and melanoma bring theirs")
    parser.add_argument("--backbone", help=f"{EMBEDDED}, an open_clip name, hf-hub:org/name or local-dir:PATH")
    parser.add_argument(
        "--pretrained",
        help="open_clip's tag of the weights, a file (of OpenAI's: --backbone NAME-quickgelu), or random",
    )
    parser.add_argument("--out", type=Path, help="the folder to write; default runs/DATA-BACKBONE-seedN")
    parser.add_argument("--resume", action="store_true", help="go on with the run that --out holds")
    parser.add_argument("--no-test", dest="test", action="store_false", help="do not look at the test split")
    parser.add_argument(
        "--ood",
        "--foreign",
        type=Path,
        nargs="+",
        metavar="DIR",
        help="out-of-distribution images, to count those that the domain check flags",
    )
    parser.add_argument(
        "--seed", type=at_least(0), help="of the prompts' start and the batches, and of the views of --views 0"
    )
    parser.add_argument("--epochs", type=positive, help="passes over the training images")
    parser.add_argument(
        "--batch-size", type=positive, help="images a step (default: the paper's for the backbone, else 32)"
    )
    parser.add_argument(
        "--rate", type=not_negative, help="peak learning rate (default: the paper's for the backbone, else 0.002)"
    )
    parser.add_argument("--warmup-rate", type=not_negative, help="learning rate of the first epoch")
    parser.add_argument("--momentum", type=not_negative, help="of SGD")
    parser.add_argument("--weight-decay", type=not_negative, help="on all prompt parameters")
    parser.add_argument("--context-length", type=positive, help="context vectors before a symptom")
    parser.add_argument("--class-context", action="store_true", help="one context a class instead of one for all")
    parser.add_argument("--views", type=at_least(0), help="random views an image, encoded once; 0: anew every epoch")
    parser.add_argument(
        "--crop",
        type=share,
        help="smallest share of an image in a random view (default: 0.6 on vip-mini, else the paper's 0.08)",
    )
    parser.add_argument(
        "--positive", metavar="CLASS", help="of two classes the one to find: the card's threshold finds --sensitivity"
    )
    parser.add_argument("--sensitivity", type=share, help="share of its validation images that the threshold finds")
    parser.add_argument("--shots", type=positive, help="train on so many images a class")
    by_backbone = {name for values in BACKBONE_DEFAULTS.values() for name in values}
    defaults = {field.name: field.default for field in fields(TrainConfig) if field.name not in by_backbone}
    for action in parser._actions:  # the parser itself has none, so that the table by backbone can step in
        if action.help and defaults.get(action.dest) not in (MISSING, None, False):
            action.help += f" (default: {defaults[action.dest]})"
    return parser


if __name__ == "__main__":
    run(main)

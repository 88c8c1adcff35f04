"""python -m vip_core.train: train the prompts on a data set, by the paper's method or its extension."""

from pathlib import Path
from typing import Annotated

from typer import Option

from vip_core.cli import run
from vip_core.data.options import DataOptions, NearMissOptions
from vip_core.training.config import TrainConfig
from vip_core.utils.options import Address, EngineName, command


def train(
    config: TrainConfig,
    options: DataOptions,
    near_misses: NearMissOptions,
    out: Annotated[Path | None, Option(help="the folder to write", show_default="runs/DATA-BACKBONE-seedN")] = None,
    resume: Annotated[bool, Option("--resume", help="continue the run that --out contains")] = False,
    no_test: Annotated[bool, Option("--no-test", help="do not evaluate the test split")] = False,
    ood: Annotated[
        list[Path],
        Option(
            "--ood",
            "--foreign",
            metavar="DIR...",
            help="folders of out-of-distribution images; the card records how many the domain check flags",
        ),
    ] = [],  # noqa: B006 - typer's way to say a list
    engine: EngineName = "local",
    address: Address = None,
) -> int:
    """Train ViP's prompts on a data set. Research use only."""
    from vip_core.evaluation.measure import Evaluation
    from vip_core.evaluation.tables import print_evaluation, print_learning
    from vip_core.scale.command import encode_on
    from vip_core.training.run import is_finished
    from vip_core.training.run import train as train_prompts
    from vip_core.utils.console import console

    encode_on(engine, address)
    out = out or config.default_out
    finished = is_finished(out)
    try:
        vip = train_prompts(config, out, resume, not no_test, ood, options, near_misses)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"Interrupted. Finished epochs are kept in {out}; continue with --resume.") from None
    if finished:
        console.print(f"{out} contains a finished run, which was not changed; use vip evaluate to measure it.")
        return 0
    assert vip.card is not None
    for split, result in vip.card.figures.items():
        print_evaluation(console, f"{vip.card.data['name']}, {split}", Evaluation.from_dict(result), config.positive)
    aurocs = {split: result["auroc"] for split, result in vip.card.figures.items()}
    if vip.card.learning is not None:
        print_learning(console, vip.card.learning, aurocs)
    if note := vip.card.training.get("not_fitted"):
        console.print(note, style="yellow", markup=False, highlight=False)
    console.print(f"Written to {out}. Research use, not a medical device.")
    return 0


main = command(train, "train")

if __name__ == "__main__":
    run(main, keep_memory=True)

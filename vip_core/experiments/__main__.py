"""python -m vip_core.experiments: run the paper's tables and figures on a data set; resumable at every run."""

from pathlib import Path
from typing import Annotated, Any, Literal

from typer import Argument, Option

from vip_core.cli import run
from vip_core.training.config import DataName
from vip_core.utils.options import command

Target = Literal["table1", "table2", "shots", "figure1", "figure2", "figure3", "figure4", "figure5", "all"]


def experiments(
    target: Annotated[Target, Argument(help="the table or figure, or all of them")],
    data: Annotated[DataName, Option(help="the layout of the data set")],
    root: Annotated[Path, Option(help="the folder of the data set")],
    backbone: Annotated[str, Option(help="vip-mini, or any other backbone that vip train accepts")] = "vip-mini",
    pretrained: Annotated[str | None, Option(metavar="TAG", help="open_clip's name for its weights")] = None,
    symptoms: Annotated[Path | None, Option(metavar="FILE", help="JSON file of classes and symptoms")] = None,
    seeds: Annotated[list[int], Option(metavar="N...", help="seeds of the runs; default 1 2 3")] = [],  # noqa: B006
    methods: Annotated[list[str], Option(metavar="NAME...", help="methods to run; default: all of the table")] = [],  # noqa: B006
    epochs: Annotated[int, Option(min=1, metavar="N", help="epochs of each run")] = 50,
    split_file: Annotated[
        Path | None, Option(metavar="FILE", help="JSON file with train, val and test lists of [path, label, class]")
    ] = None,
    jobs: Annotated[
        int, Option(min=1, metavar="N", help="number of runs to train in parallel, in one thread each")
    ] = 1,
    out: Annotated[Path, Option(help="the folder for results; BACKBONE/DATA is appended")] = Path("results"),
) -> int:
    """Reproduce the paper's tables and figures, continuing earlier runs. Research use only."""
    from vip_core.experiments.config import ExperimentConfig
    from vip_core.experiments.targets import experiment
    from vip_core.training.config import TrainConfig
    from vip_core.utils.console import console

    given: dict[str, Any] = {} if symptoms is None else {"symptoms": str(symptoms)}
    train = TrainConfig(data, str(root), backbone=backbone, pretrained=pretrained, epochs=epochs, method="vip", **given)
    config = ExperimentConfig(train, tuple(seeds) or (1, 2, 3), tuple(methods), out, split_file, jobs)
    try:
        folder = experiment(target, config)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"Interrupted. Finished runs are kept in {config.folder}; run the same command again to continue."
        ) from None
    console.print(f"Written to {folder}. Research use, not a medical device.")
    return 0


main = command(experiments, "experiments")

if __name__ == "__main__":
    run(main, keep_memory=True)

"""python -m vip_core.pretrain: make vip-mini, the embedded backbone, from public data; resumable at every stage."""

import json
from pathlib import Path
from typing import Annotated, Literal

from typer import Option

from vip_core.cli import run
from vip_core.utils.options import command


def pretrain(
    root: Annotated[Path, Option(help="the folder that contains pneumonia/, isic2017/ and text/")],
    out: Annotated[Path, Option(help="the folder to write")] = Path("runs/vip-mini"),
    seed: Annotated[int, Option(min=0, metavar="N", help="of everything random")] = 1,
    evaluate_only: Annotated[
        bool, Option("--evaluate", help="measure a backbone's alignment instead of making one")
    ] = False,
    folds: Annotated[
        int | None,
        Option(min=2, metavar="N", help="only cross-validate the recipe inside the dermoscopy training images"),
    ] = None,
    backbone: Annotated[str, Option(help="the one to measure")] = "vip-mini",
    pretrained: Annotated[str | None, Option(help="its weights, as open_clip names them")] = None,
    split: Annotated[Literal["val", "test"], Option(help="what to measure on; look at test once")] = "val",
    as_json: Annotated[bool, Option("--json", help="the measured figures as JSON on standard output")] = False,
) -> int:
    """Make vip-mini, the embedded backbone, from public data. Resumable at every stage."""
    from vip_core.models.backbone import Backbone
    from vip_core.pretraining.folds import cross_validate
    from vip_core.pretraining.run import evaluate
    from vip_core.pretraining.run import pretrain as make
    from vip_core.pretraining.tables import print_alignment, rankings_table
    from vip_core.utils.console import console
    from vip_core.utils.device import best_device
    from vip_core.utils.files import write_json

    if folds:
        rankings = cross_validate(root, out / "work", folds, seed)
        write_json(out / "folds.json", {name: ranking.to_dict() for name, ranking in rankings.items()})
        title = f"AUROC by {folds}-fold cross-validation, mean over phrasings never trained on"
        console.print(rankings_table(title, rankings))
        return 0
    if not evaluate_only:
        make(root, out, seed)
        return 0
    alignment = evaluate(Backbone.load(backbone, pretrained).to(best_device()), root, split)
    if as_json:
        print(json.dumps(alignment.to_dict()))
    else:
        print_alignment(alignment)
    return 0


main = command(pretrain, "pretrain")

if __name__ == "__main__":
    run(main)

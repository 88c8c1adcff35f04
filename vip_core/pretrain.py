"""python -m vip_core.pretrain: make vip-mini, the embedded backbone, from public data; resumable at every stage."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from typer import Option

from vip_core.cli import run
from vip_core.errors import UsageError
from vip_core.utils.options import command

CELL = 32  # pixels per cell of the image tower's map


def pretrain(
    root: Annotated[Path, Option(help="the folder that contains the image sets and text/ (docs/vip-mini.md)")],
    out: Annotated[Path, Option(help="the folder to write")] = Path("runs/vip-mini"),
    seed: Annotated[int, Option(min=0, metavar="N", help="seed of all random choices")] = 1,
    image_size: Annotated[
        int, Option(min=64, metavar="PIXELS", help="side of the images that it reads, a multiple of 32")
    ] = 224,
    evaluate_only: Annotated[
        bool, Option("--evaluate", help="evaluate a backbone's alignment instead of making one")
    ] = False,
    folds: Annotated[
        int | None,
        Option(min=2, metavar="N", help="only cross-validate the recipe inside the dermoscopy training images"),
    ] = None,
    backbone: Annotated[str, Option(help="the backbone to evaluate")] = "vip-mini",
    pretrained: Annotated[str | None, Option(help="open_clip's name for its weights")] = None,
    split: Annotated[Literal["val", "test"], Option(help="the split to evaluate on; use test only once")] = "val",
    as_json: Annotated[bool, Option("--json", help="print the results as JSON")] = False,
) -> int:
    """Make vip-mini, the embedded backbone, from public data. Resumable at every stage.

    `pretrain devise [--out DIR]` builds devise-mini instead, which needs no data.
    """
    from vip_core.models.backbone import Backbone
    from vip_core.pretraining.folds import cross_validate
    from vip_core.pretraining.run import evaluate_backbone
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
        if image_size % CELL:
            raise UsageError(
                f"--image-size {image_size} is not a multiple of {CELL}; use {CELL * (image_size // CELL)}."
            )
        make(root, out, seed, image_size)
        return 0
    alignment = evaluate_backbone(Backbone.load(backbone, pretrained).to(best_device()), root, split)
    if as_json:
        print(json.dumps(alignment.to_dict()))
    else:
        print_alignment(alignment)
    return 0


def devise(
    out: Annotated[Path | None, Option(help="the folder to write", show_default="where --backbone finds it")] = None,
) -> int:
    """Build devise-mini, a CLIP of ImageNet classes and language, from two PyPI packages. Needs no data."""
    from vip_core.models.backbone import DEVISE
    from vip_core.pretraining.devise import build_devise_mini, pseudo_image_agreement
    from vip_core.utils.console import console
    from vip_core.utils.paths import cache_folder

    folder = out or cache_folder() / DEVISE
    built = build_devise_mini(folder)
    share = pseudo_image_agreement(built)
    console.print(f"The classifier's decision is unchanged for {share:.1%} of 1000 pseudo-images.", highlight=False)
    name = DEVISE if out is None else f"local-dir:{folder}"
    console.print(f"Written to {folder}; use it as --backbone {name}.", markup=False, soft_wrap=True)
    return 0


make_vip_mini = command(pretrain, "pretrain")
make_devise_mini = command(devise, "python -m vip_core.pretrain devise")


def main(argv: Sequence[str]) -> int:
    """Run `devise` where that is the first word, else the pretraining of vip-mini. Returns the exit status."""
    words = list(argv)
    return make_devise_mini(words[1:]) if words[:1] == ["devise"] else make_vip_mini(words)


if __name__ == "__main__":
    run(main, keep_memory=True)

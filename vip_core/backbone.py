"""python -m vip_core.backbone save: write a backbone to a folder, from which it opens without a network."""

from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

from vip_core.cli import run
from vip_core.utils.options import command


def backbone(
    action: Annotated[Literal["save"], Argument(help="what to do", show_default=False)],
    name: Annotated[str, Argument(help="hf-hub:org/name, an open_clip name, or local-dir:PATH", show_default=False)],
    folder: Annotated[Path, Argument(metavar="DIR", help="the folder to write", show_default=False)],
    pretrained: Annotated[
        str | None, Option(help="open_clip's name for the weights, for an open_clip backbone")
    ] = None,
) -> int:
    """Save a backbone with its tokenizer and configuration; --backbone local-dir:DIR then needs no network."""
    from vip_core.models.backbone import Backbone
    from vip_core.models.export import save_backbone
    from vip_core.utils.console import console

    loaded = Backbone.load(name, pretrained)
    save_backbone(loaded, folder)
    console.print(f"Written to {folder}; use it as local-dir:{folder}.", markup=False, soft_wrap=True)
    return 0


main = command(backbone, "backbone")

if __name__ == "__main__":
    run(main)

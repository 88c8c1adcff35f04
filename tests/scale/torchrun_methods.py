"""Run by torchrun: trains a method that reads pixels, and writes its parameters and history to a file."""

import sys
from pathlib import Path

import torch
from open_clip import SimpleTokenizer
from open_clip.factory import set_model_preprocess_cfg
from open_clip.model import CLIP

from tests.conftest import TINY
from vip_core.baselines.registry import METHODS
from vip_core.data.dataset import Row
from vip_core.experiments.pixels import PixelSplit, PixelViews
from vip_core.models.backbone import Backbone
from vip_core.symptoms import SymptomSet
from vip_core.training.config import TrainConfig
from vip_core.training.loop import train_prompts
from vip_core.utils.distributed import is_main, joined


def resnet() -> Backbone:
    """A tiny CLIP whose image tower has batch normalisation."""
    torch.manual_seed(3)
    clip = CLIP(**{**TINY, "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8}})
    set_model_preprocess_cfg(clip, {"size": 32, "mode": "RGB", "mean": [0.5] * 3, "std": [0.5] * 3})
    return Backbone(clip, SimpleTokenizer(), "tiny-resnet", None)


def main(method: str, tower: str, images: str, out: str) -> None:
    from vip_core.baselines.fine_tuned import FineTunedTower

    torch.set_num_threads(1)
    backbone = resnet() if tower == "resnet" else Backbone.load(tower)
    symptoms = SymptomSet.from_dict({"dark": ["black areas"], "white": ["bright areas"]})
    paths = sorted(Path(images).rglob("*.png"))
    rows = [Row(path, int(path.parent.name == "white"), path.stem) for path in paths]
    train, val = rows[::2], rows[1::2]
    labels = torch.tensor([row.label for row in train])
    config = TrainConfig("folder", "none", "none", backbone="vip-mini", method="vip", epochs=3, batch_size=7, rate=0.05)
    with joined():
        torch.manual_seed(1)
        learner = (FineTunedTower if method == "fine-tuned" else METHODS[method].build)(backbone, symptoms)
        learner.class_weights = torch.tensor([1.0, 3.0])
        state = train_prompts(
            learner,
            lambda epoch: PixelViews(backbone, [row.path for row in train], 0.3, 1, epoch),
            labels,
            PixelSplit(backbone, val),
            config,
            Path(out + ".state"),
        )
        if is_main():
            torch.save({"state": learner.state_dict(), "history": torch.tensor(state.history)}, out)


if __name__ == "__main__":
    main(*sys.argv[1:])

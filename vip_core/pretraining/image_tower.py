"""Stage 2: the last blocks of the image tower are tuned to the adapted sentence features."""

import copy
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.progress import track
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from vip_core.models.backbone import Backbone
from vip_core.pretraining.augment import augmented
from vip_core.pretraining.draw import ImageDraw
from vip_core.pretraining.kinds import Augmentation, augmentations
from vip_core.pretraining.loss import SentenceLoss
from vip_core.pretraining.pixels import BATCH
from vip_core.pretraining.state import load_state, save_state
from vip_core.utils.console import console
from vip_core.utils.device import fast_bf16


@dataclass(frozen=True)
class TowerConfig:
    """How the image tower is tuned."""

    epochs: int = 14
    batch_size: int = 64
    rate: float = 4e-4
    stages: int = 4  # of the tower's seven, counted from its end, with the convolution after them
    weight_decay: float = 0.05
    dropout: float = 0.2  # of the pooled features
    averaging: float = 0.995  # of the weights, exponentially, per step; the average is what is kept
    softness: tuple[float, ...] = (1.0, 0.5)  # of each tower: how much of the views' blur and grain
    seed: int = 1  # of the first tower; the next has the next


def tune_towers(
    backbone: Backbone,
    pixels: Tensor,
    kinds: Tensor,
    text: Tensor,
    loss: SentenceLoss,
    draw: ImageDraw,
    folder: Path,
    config: TowerConfig,
) -> None:
    """Train one tower for each softness, all from the same start, and put the mean of their weights in place.

    The weights of towers that began alike can be averaged; the mean often does better than each of them and costs no
    more than one (Wortsman et al., "Model soups", ICML 2022). The arguments are those of `tune_tower`; `folder` gets a
    state of each tower.
    """
    parts = backbone.clip.visual, loss
    start = [copy.deepcopy(part.state_dict()) for part in parts]
    towers = []
    for number, softness in enumerate(config.softness):
        for part, state in zip(parts, start, strict=True):
            part.load_state_dict(state)
        state_path = folder / f"tower{number + 1}.pt"
        settings = augmentations(softness)
        tune_tower(backbone, pixels, kinds, text, loss, draw, state_path, config, settings, config.seed + number)
        towers.append([copy.deepcopy(part.state_dict()) for part in parts])
    for part, *states in zip(parts, *towers, strict=True):
        part.load_state_dict({key: torch.stack([s[key].float() for s in states]).mean(0) for key in states[0]})


def tune_tower(
    backbone: Backbone,
    pixels: Tensor,
    kinds: Tensor,
    text: Tensor,
    loss: SentenceLoss,
    draw: ImageDraw,
    state_path: Path,
    config: TowerConfig,
    settings: Sequence[Augmentation],
    seed: int,
) -> None:
    """Train the tower's last blocks and the projection, in place, BatchNorm statistics frozen.

    The state is saved at `state_path` after every epoch; a later call resumes from it.

    Args:
        backbone: with its projection trained; its text tower is not used.
        pixels: bytes (N, 3, H, W) of the training images.
        kinds: (N,) the place of each image's kind in `settings`.
        text: (S, D) adapted features of the bank's sentences.
        loss: with rows for the images and columns for the sentences.
        draw: of the images of an epoch.
        state_path: where the state is saved.
        config: of this stage.
        settings: how images of each kind are augmented.
        seed: of everything random.
    """
    visual: Any = backbone.clip.visual
    device = backbone.device
    tail = [*visual.trunk.blocks[-config.stages :], visual.trunk.conv_head, visual.trunk.bn2, visual.head.proj]
    parameters = [p for module in (*tail, loss) for p in module.parameters()]
    for parameter in parameters:
        parameter.requires_grad_(True)
    average = AveragedModel(visual, multi_avg_fn=get_ema_multi_avg_fn(config.averaging))
    optimizer = torch.optim.AdamW(parameters, config.rate, weight_decay=config.weight_decay)
    steps = math.ceil(draw.per_epoch / config.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.rate, total_steps=steps * config.epochs)
    parts = {"visual": visual, "average": average, "loss": loss, "optimizer": optimizer, "rate": schedule}
    columns = torch.arange(len(text), device=device)
    for epoch in range(load_state(state_path, parts, device), config.epochs):
        # Of the epoch alone, so that a resumed run draws what an unbroken one does.
        generator = torch.Generator().manual_seed(1000 * seed + epoch)
        torch.manual_seed(1000 * seed + epoch)  # of the dropout
        title = f"Image {state_path.stem}, epoch {epoch + 1} of {config.epochs}"
        for rows in track(draw.epoch(generator).split(config.batch_size), description=title, console=console):
            batch = augmented(pixels[rows].to(device), kinds[rows], backbone.image_size, generator, settings)
            batch = batch.contiguous(memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16, enabled=fast_bf16(device)), depthwise_in_float32(visual):
                pooled = torch.cat([visual.trunk(part) for part in batch.split(BATCH)])
            features = visual.head.proj(F.dropout(pooled.float(), config.dropout))
            value = loss(features, text, rows.to(device), columns)
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            optimizer.step()
            schedule.step()
            average.update_parameters(visual)
        save_state(state_path, parts, epoch + 1)
    for parameter in parameters:
        parameter.requires_grad_(False)
    visual.load_state_dict(average.module.state_dict())


class ExactConv2d(nn.Conv2d):
    """A convolution that computes in float32 under autocast, and returns the type it was given."""

    def forward(self, x: Tensor) -> Tensor:
        """As Conv2d."""
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.float()).to(x.dtype)


class ExactConv2dSame(Conv2dSame):
    """The same for timm's convolution with TensorFlow's padding."""

    def forward(self, x: Tensor) -> Tensor:
        """As Conv2dSame."""
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.float()).to(x.dtype)


EXACT: dict[type[nn.Module], type[nn.Module]] = {nn.Conv2d: ExactConv2d, Conv2dSame: ExactConv2dSame}


@contextmanager
def depthwise_in_float32(module: nn.Module) -> Iterator[None]:
    """Within it, depthwise convolutions that are trained on a CPU run in float32, whatever autocast says.

    Their backward pass in bfloat16 takes five times as long there. Class and parameters stay where they are in the
    module, so its state has the same keys.
    """
    convolutions = [
        part
        for part in module.modules()
        if isinstance(part, nn.Conv2d)
        and type(part) in EXACT
        and part.groups > 1
        and part.weight.requires_grad
        and part.weight.device.type == "cpu"
    ]

    classes = [type(convolution) for convolution in convolutions]
    for convolution, original in zip(convolutions, classes, strict=True):
        convolution.__class__ = EXACT[original]  # type: ignore[assignment]
    try:
        yield
    finally:
        for convolution, original in zip(convolutions, classes, strict=True):
            convolution.__class__ = original

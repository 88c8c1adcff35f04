"""Stage 3: the last blocks of the image tower learn on, against the text tower, which is locked from here."""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.progress import track
from torch import Tensor

from vip_core.backbone import Backbone
from vip_core.device import fast_bf16
from vip_core.files import atomic
from vip_core.pretraining.labels import LabelledImage
from vip_core.pretraining.loss import SentenceLoss
from vip_core.pretraining.pixels import AugmentedImages, batches


@dataclass(frozen=True)
class TowerConfig:
    """How the image tower is tuned."""

    epochs: int = 3
    batch_size: int = 64
    rate: float = 4e-4
    projection_rate: float = 4e-4
    stages: int = 4  # of the tower's seven, counted from its end, with the convolution after them
    weight_decay: float = 0.02
    seed: int = 1


def tune_tower(
    backbone: Backbone,
    images: list[LabelledImage],
    text: Tensor,
    loss: SentenceLoss,
    state_path: Path,
    config: TowerConfig,
) -> None:
    """Train the tower's last blocks and the projection, in place, BatchNorm statistics frozen.

    The state is kept at `state_path` after every epoch; a later call goes on from there.

    Args:
        backbone: after the joint stage.
        images: N training images.
        text: (S, D) features of the bank's sentences.
        loss: with rows for the images and columns for the sentences.
        state_path: where the state is kept.
        config: of this stage.
    """
    visual, device = backbone.clip.visual, backbone.device
    tail = [*visual.trunk.blocks[-config.stages :], visual.trunk.conv_head, visual.trunk.bn2]
    groups = [
        {"params": [p for module in tail for p in module.parameters()], "lr": config.rate},
        {"params": [*visual.head.proj.parameters(), *loss.parameters()], "lr": config.projection_rate},
    ]
    parameters = [p for group in groups for p in group["params"]]
    for parameter in parameters:
        parameter.requires_grad_(True)
    optimizer = torch.optim.AdamW(groups, weight_decay=config.weight_decay)
    steps = math.ceil(len(images) / config.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [group["lr"] for group in groups], total_steps=steps * config.epochs
    )
    parts = {"clip": backbone.clip, "loss": loss, "optimizer": optimizer, "rate": schedule}
    start = 0
    if state_path.is_file():
        state = torch.load(state_path, map_location=device, weights_only=True)
        for name, part in parts.items():
            part.load_state_dict(state[name])
        start = state["epoch"]
    columns = torch.arange(len(text), device=device)
    for epoch in range(start, config.epochs):
        loader = batches(AugmentedImages(images, backbone), config.batch_size, config.seed + epoch, shuffle=True)
        title = f"Image tower, epoch {epoch + 1} of {config.epochs}"
        for pixels, rows in track(loader, total=len(loader), description=title):
            with torch.autocast(device.type, torch.bfloat16, enabled=fast_bf16(device)):
                features = visual(pixels.to(device, memory_format=torch.channels_last))
            value = loss(features.float(), text, rows.to(device), columns)
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            optimizer.step()
            schedule.step()
        with atomic(state_path) as temporary:
            saved = {name: part.state_dict() for name, part in parts.items()}
            torch.save({**saved, "epoch": epoch + 1}, temporary)
    for parameter in parameters:
        parameter.requires_grad_(False)

"""Stage 4: the adapted sentence features are distilled into the text tower, with CLIP's tokens and causal mask."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.progress import track
from torch import Tensor
from torch.nn import functional as F

from vip_core.models.backbone import Backbone
from vip_core.pretraining.architecture import text_parameters
from vip_core.pretraining.state import load_state, save_state
from vip_core.utils.console import console
from vip_core.utils.device import fast_bf16, trainable_attention


@dataclass(frozen=True)
class DistillConfig:
    """How the text tower is distilled."""

    epochs: int = 3
    batch_size: int = 256
    rate: float = 2e-3
    weight_decay: float = 0.01
    context_share: float = 0.5  # share of batches with random context vectors, as an untrained context prompt has
    seed: int = 1


def distill(
    backbone: Backbone, rows: list[list[int]], targets: Tensor, state_path: Path, config: DistillConfig
) -> None:
    """Train the text tower in place so that its feature of a sentence points as the teacher's does.

    The state is saved at `state_path` after every epoch; a later call resumes from it.

    Args:
        backbone: with the text tower to train.
        rows: n texts as tokens.
        targets: unit features (n, D) to point along.
    """
    device = backbone.device
    tower: Any = backbone.text_tower  # CLIP's own, which alone can encode padded rows
    parameters = text_parameters(backbone)
    for parameter in parameters:
        parameter.requires_grad_(True)
    steps = len(rows) // config.batch_size
    optimizer = torch.optim.AdamW(
        parameters, config.rate, betas=(0.9, 0.98), weight_decay=config.weight_decay, fused=device.type != "mps"
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.rate, total_steps=steps * config.epochs)
    parts = {"clip": backbone.clip, "optimizer": optimizer, "schedule": schedule}
    for epoch in range(load_state(state_path, parts, device), config.epochs):
        # Of the epoch alone, so that a resumed run draws what an unbroken one does.
        generator = torch.Generator().manual_seed(1000 * config.seed + epoch)
        total = 0.0
        batches = list(_batches(rows, config.batch_size, generator))[:steps]
        for batch in track(batches, description=f"Text tower, epoch {epoch + 1} of {config.epochs}", console=console):
            context = None
            if torch.rand((), generator=generator) < config.context_share:
                context = 0.02 * torch.randn(4, backbone.text_width, generator=generator).to(device)
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast(device.type, torch.bfloat16, enabled=fast_bf16(device)), trainable_attention(device):
                student = tower.encode_padded([rows[i] for i in batch], context)
            loss = distillation_loss(student.float(), targets[batch].float().to(device))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item()
        console.print(f"Epoch {epoch + 1}: mean loss {total / len(batches):.4f}")
        save_state(state_path, parts, epoch + 1)
    for parameter in parameters:
        parameter.requires_grad_(False)


def distillation_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """1 - cosine, plus ten times the squared difference of the batch's two similarity matrices.

    Args:
        student: features (n, D), not normalised.
        teacher: unit features (n, D).
    """
    student = F.normalize(student, dim=-1)
    agreement = F.mse_loss(student @ student.T, teacher @ teacher.T)
    return (1 - (student * teacher).sum(-1)).mean() + 10 * agreement


def _batches(rows: list[list[int]], size: int, generator: torch.Generator) -> Iterator[list[int]]:
    """Random batches of alike lengths, in random order; all of one size but the last."""
    order = torch.randperm(len(rows), generator=generator).tolist()
    pool = 64 * size
    batches = []
    for begin in range(0, len(order), pool):
        part = sorted(order[begin : begin + pool], key=lambda i: len(rows[i]))
        batches.extend(part[i : i + size] for i in range(0, len(part), size))
    full = [batch for batch in batches if len(batch) == size]
    for i in torch.randperm(len(full), generator=generator).tolist():
        yield full[i]
    yield from (batch for batch in batches if len(batch) < size)

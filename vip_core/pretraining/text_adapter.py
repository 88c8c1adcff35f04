"""Stage 1: a text adapter, which separates a finding from its negation in the sentence encoder's space.

A sentence encoder puts "no opacity" beside "opacity", since both are about opacities. No linear map of image features
can separate them then. The sentence features therefore pass through a small residual network, which is trained over the
phrase bank together with a linear map of pooled image features, and is held to the encoder's own features on general
sentences. Only cached features are used, so this takes minutes. The adapter sees the encoder's whole vocabulary and
generalises to phrasings that the bank lacks. Stage 3 trains it further.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional as F

from vip_core.pretraining.distillation import distillation_loss
from vip_core.pretraining.draw import ImageDraw
from vip_core.pretraining.loss import SentenceLoss
from vip_core.pretraining.state import load_state, save_state
from vip_core.utils.console import console


@dataclass(frozen=True)
class AdapterConfig:
    """How the text adapter is trained."""

    steps: int = 3200
    images: int = 512  # a step
    sentences: int = 1000  # of the bank, a step
    general: int = 256  # sentences of the corpus a step
    hidden: int = 1024
    projection_rate: float = 3e-3
    rate: float = 1e-3
    weight_decay: float = 0.05
    held: float = 0.3  # weight of the encoder's own features of general sentences
    noise: float = 0.02  # on the encoder's features, a component
    dropout: float = 0.2
    seed: int = 1


class TextAdapter(nn.Module):
    """Adapts the sentence encoder's unit features (n, D): unit features (n, D). It starts as the identity."""

    def __init__(self, dimension: int, hidden: int, dropout: float = 0.0):
        super().__init__()
        self.enter, self.leave = nn.Linear(dimension, hidden), nn.Linear(hidden, dimension)
        self.dropout = nn.Dropout(dropout)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Shapes as above. The factor gives the components of a unit vector a spread near one half."""
        return F.normalize(features + self.leave(self.dropout(F.gelu(self.enter(8 * features)))), dim=-1)


@torch.inference_mode()
def adapt(adapter: TextAdapter, features: Tensor, rows: int = 8192) -> Tensor:
    """Adapted features (n, D), float16 on the CPU, of the sentence encoder's features (n, D)."""
    device = next(adapter.parameters()).device
    return torch.cat([adapter(part.float().to(device)).half().cpu() for part in features.split(rows)])


def train_adapter(
    pooled: Tensor,
    bank: Tensor,
    general: Tensor,
    loss: SentenceLoss,
    projection: nn.Linear,
    state_path: Path,
    config: AdapterConfig,
    draw: ImageDraw,
) -> TextAdapter:
    """Train the text adapter and, in place, the projection of pooled image features onto its space.

    The result is saved at `state_path`; a later call reads it.

    Args:
        pooled: (N, V, C) features of the training images before the projection, V views each.
        bank: unit features (S, D) of the bank's sentences by the sentence encoder.
        general: the same (n, D) of general sentences.
        loss: with rows for the images and columns for the sentences; its scale and bias are trained too.
        projection: of the image tower, C to D.
        state_path: where the result is saved.
        config: of this stage.
        draw: of the training images.
    """
    device = projection.weight.device
    adapter = TextAdapter(bank.shape[1], config.hidden, config.dropout).to(device)
    kept = {"adapter": adapter, "projection": projection, "loss": loss}
    if load_state(state_path, kept, device):
        return adapter.eval()

    mean, std = pooled.mean((0, 1)), pooled.std((0, 1)) + 1e-3
    standard = (pooled - mean) / std  # so that one rate fits all channels; folded into the projection at the end
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        head = nn.Linear(projection.in_features, projection.out_features).to(device)
        adapter.load_state_dict(TextAdapter(bank.shape[1], config.hidden).state_dict())
    optimizer = torch.optim.AdamW(
        [
            {"params": [*head.parameters()], "lr": config.projection_rate, "weight_decay": config.weight_decay},
            {"params": [*loss.parameters()], "lr": config.projection_rate, "weight_decay": 0.0},
            {"params": [*adapter.parameters()], "lr": config.rate, "weight_decay": config.weight_decay},
        ],
        betas=(0.9, 0.98),
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [group["lr"] for group in optimizer.param_groups], total_steps=config.steps, pct_start=0.1
    )
    generator = torch.Generator().manual_seed(config.seed)
    torch.manual_seed(config.seed)  # of the dropout
    for _ in track(range(config.steps), description="Text adapter", console=console):
        rows = draw.some(config.images, generator)
        view = torch.randint(pooled.shape[1], (config.images,), generator=generator)
        columns = torch.randperm(len(bank), generator=generator)[: config.sentences]
        taken = torch.randint(len(general), (config.general,), generator=generator)
        noisy = bank[columns] + config.noise * torch.randn(len(columns), bank.shape[1], generator=generator)
        text = adapter(F.normalize(noisy, dim=-1).to(device))
        before = general[taken].float().to(device)
        value = loss(head(standard[rows, view].to(device)), text, rows.to(device), columns.to(device))
        value = value + config.held * distillation_loss(adapter(before), before)
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        projection.weight.copy_(head.weight / std.to(device))
        projection.bias.copy_(head.bias - projection.weight @ mean.to(device))
    save_state(state_path, kept, 1)
    return adapter.eval()

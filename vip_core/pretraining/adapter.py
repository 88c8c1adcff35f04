"""Stage 1: what a sentence means for an image, in the sentence encoder's space, bent where findings need it.

A sentence encoder puts "no opacity" beside "opacity", since both are about opacities; no map of the images can rank
them apart then. So its features go through a small residual network, trained together with a linear map of pooled image
features over the phrase bank, and held to the encoder's own word on general sentences. Only cached features are
touched, so it takes minutes, and the network, which sees the encoder's whole vocabulary, carries over to wordings that
the bank lacks. Stage 3 trains it on.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional as F

from vip_core.pretraining.distillation import distillation_loss
from vip_core.pretraining.loss import SentenceLoss
from vip_core.pretraining.state import keep, take_up
from vip_core.utils.console import console


@dataclass(frozen=True)
class MeaningConfig:
    """How the sentence space is bent."""

    steps: int = 1600
    images: int = 512  # a step
    sentences: int = 1000  # of the bank, a step
    general: int = 256  # sentences of the corpus a step
    hidden: int = 1024
    projection_rate: float = 3e-3
    rate: float = 1e-3
    weight_decay: float = 0.05
    held: float = 0.3  # weight of the encoder's own word on general sentences
    noise: float = 0.02  # on the encoder's features, a component
    dropout: float = 0.2
    seed: int = 1


class Meaning(nn.Module):
    """The sentence encoder's unit features (n, D), bent: unit features (n, D)."""

    def __init__(self, dimension: int, hidden: int, dropout: float = 0.0):
        super().__init__()
        self.enter, self.leave = nn.Linear(dimension, hidden), nn.Linear(hidden, dimension)
        self.dropout = nn.Dropout(dropout)
        nn.init.zeros_(self.leave.weight)  # it begins as the identity
        nn.init.zeros_(self.leave.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Shapes as above. The factor gives the components of a unit vector a spread near one half."""
        return F.normalize(features + self.leave(self.dropout(F.gelu(self.enter(8 * features)))), dim=-1)


@torch.inference_mode()
def meant(meaning: Meaning, features: Tensor, rows: int = 8192) -> Tensor:
    """What sentences mean (n, D), as float16 on the CPU, from the sentence encoder's features (n, D) of them."""
    device = next(meaning.parameters()).device
    return torch.cat([meaning(part.float().to(device)).half().cpu() for part in features.split(rows)])


def bend(
    pooled: Tensor,
    bank: Tensor,
    general: Tensor,
    loss: SentenceLoss,
    projection: nn.Linear,
    state_path: Path,
    config: MeaningConfig,
) -> Meaning:
    """Train the meaning of sentences and, in place, the projection of pooled image features onto it.

    The outcome is kept at `state_path`; a later call reads it.

    Args:
        pooled: (N, V, C) features of the training images before the projection, V views each.
        bank: unit features (S, D) of the bank's sentences by the sentence encoder.
        general: the same (n, D) of general sentences.
        loss: with rows for the images and columns for the sentences; its scale and bias are trained too.
        projection: of the image tower, C to D.
        state_path: where the outcome is kept.
        config: of this stage.
    """
    device = projection.weight.device
    meaning = Meaning(bank.shape[1], config.hidden, config.dropout).to(device)
    kept = {"meaning": meaning, "projection": projection, "loss": loss}
    if take_up(state_path, kept, device):
        return meaning.eval()

    mean, std = pooled.mean((0, 1)), pooled.std((0, 1)) + 1e-3
    standard = (pooled - mean) / std  # so that one rate fits all channels; folded into the projection at the end
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        head = nn.Linear(projection.in_features, projection.out_features).to(device)
        meaning.load_state_dict(Meaning(bank.shape[1], config.hidden).state_dict())
    optimizer = torch.optim.AdamW(
        [
            {"params": [*head.parameters()], "lr": config.projection_rate, "weight_decay": config.weight_decay},
            {"params": [*loss.parameters()], "lr": config.projection_rate, "weight_decay": 0.0},
            {"params": [*meaning.parameters()], "lr": config.rate, "weight_decay": config.weight_decay},
        ],
        betas=(0.9, 0.98),
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [group["lr"] for group in optimizer.param_groups], total_steps=config.steps, pct_start=0.1
    )
    generator = torch.Generator().manual_seed(config.seed)
    torch.manual_seed(config.seed)  # of the dropout
    for _ in track(range(config.steps), description="Meaning of sentences", console=console):
        rows = torch.randint(len(pooled), (config.images,), generator=generator)
        view = torch.randint(pooled.shape[1], (config.images,), generator=generator)
        columns = torch.randperm(len(bank), generator=generator)[: config.sentences]
        taken = torch.randint(len(general), (config.general,), generator=generator)
        heard = bank[columns] + config.noise * torch.randn(len(columns), bank.shape[1], generator=generator)
        text = meaning(F.normalize(heard, dim=-1).to(device))
        before = general[taken].float().to(device)
        value = loss(head(standard[rows, view].to(device)), text, rows.to(device), columns.to(device))
        value = value + config.held * distillation_loss(meaning(before), before)
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        projection.weight.copy_(head.weight / std.to(device))
        projection.bias.copy_(head.bias - projection.weight @ mean.to(device))
    keep(state_path, kept, 1)
    return meaning.eval()

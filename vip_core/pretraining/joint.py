"""Stage 2: projection and text tower meet over the phrase bank, while the text tower keeps what it was taught.

A sentence encoder puts "no opacity" beside "opacity", since both are about opacities; no map of the images can rank
them apart then. So the text tower moves a little, under the loss of alignment and that of its distillation together.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional as F

from vip_core.backbone import Backbone
from vip_core.files import atomic
from vip_core.pretraining.distill import distillation_loss
from vip_core.pretraining.loss import SentenceLoss
from vip_core.pretraining.towers import text_parameters


@dataclass(frozen=True)
class JointConfig:
    """How projection and text tower are trained together."""

    steps: int = 600
    images: int = 768  # a step; pooled features, so they cost next to nothing
    sentences: int = 160  # of the bank, a step
    kept: int = 64  # sentences of the corpus a step, on which the text tower must stay what it was
    longest_kept: int = 24  # tokens
    projection_rate: float = 3e-3
    text_rate: float = 3e-4
    bank_share: float = 0.2  # weight of the teacher's word on the bank's own sentences, which have to move
    save_every: int = 150
    seed: int = 1


@dataclass(frozen=True)
class TaughtText:
    """Texts as tokens, with the sentence encoder's unit features (n, D) of them."""

    tokens: list[list[int]]
    targets: Tensor


def align_jointly(
    backbone: Backbone,
    pooled: Tensor,
    bank: TaughtText,
    corpus: TaughtText,
    loss: SentenceLoss,
    state_path: Path,
    config: JointConfig,
) -> None:
    """Train the projection and the text tower in place. The state is kept at `state_path`; a later call goes on.

    Args:
        backbone: with a distilled text tower and the ImageNet image tower.
        pooled: (N, V, C) features of the training images before the projection, V views each.
        bank: the sentences of the phrase bank, in the order of the loss's columns.
        corpus: general sentences that hold the text tower in its place.
        loss: with rows for the images and columns for the bank.
        state_path: where the state is kept.
        config: of this stage.
    """
    device = backbone.device
    mean, std = pooled.mean((0, 1)), pooled.std((0, 1)) + 1e-3
    standard = (pooled - mean) / std  # so that one rate fits all channels; folded into the projection at the end
    head = backbone.clip.visual.head.proj
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        projection = nn.Linear(head.in_features, head.out_features).to(device)
    texts = text_parameters(backbone)
    for parameter in texts:
        parameter.requires_grad_(True)
    groups = [
        {"params": projection.parameters(), "lr": config.projection_rate, "weight_decay": 0.05},
        {"params": texts, "lr": config.text_rate, "weight_decay": 0.01},
        {"params": loss.parameters(), "lr": config.projection_rate, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [group["lr"] for group in groups], total_steps=config.steps, pct_start=0.1
    )
    generator = torch.Generator().manual_seed(config.seed)
    parts = {"clip": backbone.clip, "projection": projection, "loss": loss, "optimizer": optimizer, "rate": schedule}
    start = 0
    if state_path.is_file():
        state = torch.load(state_path, map_location=device, weights_only=True)
        for name, part in parts.items():
            part.load_state_dict(state[name])
        generator.set_state(state["generator"].cpu())
        start = state["step"]
    short = [i for i, tokens in enumerate(corpus.tokens) if len(tokens) <= config.longest_kept]
    for step in track(range(start, config.steps), description="Projection and text tower"):
        rows = torch.randint(len(pooled), (config.images,), generator=generator)
        view = torch.randint(pooled.shape[1], (config.images,), generator=generator)
        columns = torch.randperm(len(bank.tokens), generator=generator)[: config.sentences]
        kept = [short[i] for i in torch.randint(len(short), (config.kept,), generator=generator).tolist()]
        context = None
        if step % 2:  # as under an untrained context prompt
            context = 0.02 * torch.randn(4, backbone.text_width, generator=generator).to(device)
        text = backbone.encode_tokens([bank.tokens[i] for i in columns.tolist()], context)
        again = backbone.encode_tokens([corpus.tokens[i] for i in kept], context)
        aligned = loss(projection(standard[rows, view].to(device)), text, rows.to(device), columns.to(device))
        remembered = distillation_loss(again, corpus.targets[kept].float().to(device))
        near = 1 - F.cosine_similarity(text, bank.targets[columns].float().to(device), dim=-1).mean()
        optimizer.zero_grad(set_to_none=True)
        (aligned + remembered + config.bank_share * near).backward()
        torch.nn.utils.clip_grad_norm_(texts, 1.0)
        optimizer.step()
        schedule.step()
        if (step + 1) % config.save_every == 0 or step + 1 == config.steps:
            with atomic(state_path) as temporary:
                saved = {name: part.state_dict() for name, part in parts.items()}
                torch.save({**saved, "generator": generator.get_state(), "step": step + 1}, temporary)
    for parameter in texts:
        parameter.requires_grad_(False)
    with torch.no_grad():
        head.weight.copy_(projection.weight / std.to(device))
        head.bias.copy_(projection.bias - head.weight @ mean.to(device))

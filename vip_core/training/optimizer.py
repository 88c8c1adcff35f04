"""The optimizer of each method, and its learning rates per epoch."""

import torch
from torch.optim import Optimizer

from vip_core.models.learner import PromptLearner
from vip_core.models.vip import ViP
from vip_core.training.config import TrainConfig, rate_at

# Multiples of the configured rate for vip-adapter, chosen on validation images (docs/method.md).
ADAPTER_RATES = {"context_prompt": 1.0, "merge_prompt": 0.5, "image_adapter": 5.0}


def make_optimizer(learner: PromptLearner, config: TrainConfig) -> Optimizer:
    """The method's own optimizer; for ViP with an image adapter, AdamW with a rate per part.

    Without `train_prompts` the prompts stay as initialised, without `train_context` the context prompt does.
    """
    if isinstance(learner, ViP):
        if not config.trains_text:
            learner.context_prompt.requires_grad_(False)
        if not config.train_prompts:
            learner.merge_prompt.requires_grad_(False)
    if not isinstance(learner, ViP) or learner.image_adapter is None:
        return learner.make_optimizer(config.warmup_rate, config.momentum, config.weight_decay)
    groups = [
        {"params": list(getattr(learner, part).parameters()), "multiple": multiple}
        for part, multiple in ADAPTER_RATES.items()
        if part == "image_adapter" or config.train_prompts
    ]
    return torch.optim.AdamW(groups, config.warmup_rate, weight_decay=config.weight_decay)


def set_rates(optimizer: Optimizer, epoch: int, config: TrainConfig) -> None:
    """Set the learning rate of each group for an epoch."""
    for group in optimizer.param_groups:
        group["lr"] = rate_at(epoch, config) * group.get("multiple", 1.0)

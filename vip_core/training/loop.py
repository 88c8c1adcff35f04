"""The paper's training of the prompts over image features: one straight loop, resumable after every epoch."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from vip_core.data.features import FeatureSplit
from vip_core.models.learner import PromptLearner
from vip_core.models.vip import predict
from vip_core.training.config import TrainConfig, rate_at
from vip_core.training.state import TrainingState, load_state, save_state
from vip_core.utils.console import progress


def train_prompts(
    vip: PromptLearner,
    views: Callable[[int], Tensor],
    labels: Tensor,
    val: FeatureSplit,
    config: TrainConfig,
    state_path: Path,
    images: str = "",
    select: bool = True,
) -> TrainingState:
    """Train the prompts in place; the model ends with those of the first epoch of highest validation accuracy.

    The method has its loss and its optimizer; for ViP these are softmax cross-entropy without class weights, and SGD
    with momentum and weight decay over all prompts. Batches are shuffled and the last partial one dropped. The state is
    written to `state_path` after every epoch. Where that file exists, the run continues from it, and is bit-for-bit
    identical to an uninterrupted run on the same device.

    Args:
        vip: ViP or another method, initialised under the seed.
        views: maps an epoch to the features (n, V, D) from which each image's view is drawn in that epoch.
        labels: (n,) of the training images.
        val: the validation images, on which the epoch is selected.
        config: the configuration, which a resumed run must share.
        state_path: the file of the state.
        images: a digest of the training and validation images, which a resumed run must share.
        select: keep the best epoch; False keeps the last, for a split too small to select on.

    Raises:
        CheckpointError: if the state at `state_path` is damaged or of another configuration.
        StorageError: if it cannot be written.
    """
    device = vip.backbone.device
    optimizer = vip.make_optimizer(config.warmup_rate, config.momentum, config.weight_decay)
    generator = torch.Generator().manual_seed(config.seed)
    state = load_state(state_path, vip, optimizer, generator, config, images)
    batch_size = min(config.batch_size, len(labels))
    with progress() as bar:
        task = bar.add_task("Training", total=config.epochs, completed=state.epoch)
        for epoch in range(state.epoch, config.epochs):
            for group in optimizer.param_groups:
                group["lr"] = rate_at(epoch, config)
            features = views(epoch)  # (n, V, D)
            order = torch.randperm(len(labels), generator=generator)
            drawn = torch.randint(features.shape[1], (len(labels),), generator=generator)
            losses = []
            vip.train()
            for rows in order.split(batch_size):
                if len(rows) < batch_size:
                    break
                loss = vip.loss(features[rows, drawn[rows]].to(device), labels[rows].to(device))
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                losses.append(loss.detach())
            accuracy = (predict(vip, val.features).argmax(-1) == val.labels).float().mean().item()
            state.history.append((torch.stack(losses).mean().item(), accuracy))
            state.epoch = epoch + 1
            if accuracy > state.best_accuracy or not select:  # not >=: the earliest wins a tie
                state.best_epoch, state.best_accuracy = epoch, accuracy
                state.best_state = {key: value.detach().cpu().clone() for key, value in vip.state_dict().items()}
            save_state(state_path, state, vip, optimizer, generator, config, images)
            bar.update(task, advance=1, description=f"Training, validation accuracy {accuracy:.3f}")
    vip.load_state_dict(state.best_state)
    vip.eval()
    return state

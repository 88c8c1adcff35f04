"""Training of the prompts over image features: one straight loop, resumable after every epoch."""

import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from vip_core.data.features import FeatureSplit
from vip_core.errors import UsageError
from vip_core.models.learner import PromptLearner
from vip_core.models.vip import ViP
from vip_core.training.config import TrainConfig
from vip_core.training.optimizer import make_optimizer, set_rates
from vip_core.training.parallel import predict_together, training_step
from vip_core.training.state import TrainingState, load_state, save_state
from vip_core.training.variation import StepLoss
from vip_core.utils.console import progress
from vip_core.utils.distributed import is_main


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
    """Train the prompts in place; the model ends with those of the epoch that `config.select` names.

    The method defines its loss and its optimizer; for ViP these are softmax cross-entropy without class weights, and
    SGD with momentum and weight decay over all prompts. `StepLoss` and `make_optimizer` state what differs for
    vip-adapter. Of equally good epochs the earliest is kept. Batches are shuffled and the last partial one dropped. The
    state is written to `state_path` after every epoch. Where that file exists, the run continues from it, and is
    bit-for-bit identical to an uninterrupted run on the same device. Under torchrun the main process writes the state,
    and a method that reads pixels has each batch divided among the processes.

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
        UsageError: if the loss is not finite in the first epoch.
        CheckpointError: if the state at `state_path` is damaged or of another configuration.
        StorageError: if it cannot be written.
    """
    optimizer = make_optimizer(vip, config)
    generator = torch.Generator().manual_seed(config.seed)
    step_loss = StepLoss(vip, config, generator) if isinstance(vip, ViP) and config.varies else vip.loss
    state = load_state(state_path, vip, optimizer, generator, config, images)
    batch_size = min(config.batch_size, len(labels))
    with progress() as bar, training_step(vip, step_loss, batch_size) as step:
        task = bar.add_task("Training", total=config.epochs, completed=state.epoch)
        for epoch in range(state.epoch, config.epochs):
            begun = time.monotonic()
            set_rates(optimizer, epoch, config)
            features = views(epoch)  # (n, V, D)
            order = torch.randperm(len(labels), generator=generator)
            drawn = torch.randint(features.shape[1], (len(labels),), generator=generator)
            losses = []
            vip.train()
            for rows in order.split(batch_size):
                if len(rows) < batch_size:
                    break
                loss = step(features, rows, drawn, labels)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                losses.append(loss.detach())
            mean_loss = torch.stack(losses).mean().item()
            if not math.isfinite(mean_loss):  # every later epoch would be the same
                state.diverged = True
                break
            logits = predict_together(vip, val.features)
            accuracy = (logits.argmax(-1) == val.labels).float().mean().item()
            val_loss = F.cross_entropy(logits, val.labels).item()
            state.history.append((mean_loss, accuracy, val_loss))
            state.epoch = epoch + 1
            score = {"accuracy": accuracy, "loss": -val_loss, "last": float(epoch)}[config.select]
            if score > state.best_score or not select:  # not >=: the earliest wins a tie
                state.best_epoch, state.best_score = epoch, score
                state.best_state = {key: value.detach().cpu().clone() for key, value in vip.state_dict().items()}
            state.seconds += time.monotonic() - begun
            if is_main():
                save_state(state_path, state, vip, optimizer, generator, config, images)
            bar.update(task, advance=1, description=f"Training, validation accuracy {accuracy:.3f}")
    if not state.best_state:
        raise UsageError(f"Training diverged in the first epoch; use a lower --rate than {config.rate:g}.")
    vip.load_state_dict(state.best_state)
    vip.eval()
    return state

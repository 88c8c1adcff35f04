"""The paper's training of the prompts, over image features: one straight loop, resumable after every epoch."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from vip_core.data.features import Split
from vip_core.errors import CheckpointError
from vip_core.models.vip import ViP, predict
from vip_core.training.config import TrainConfig, rate_at
from vip_core.utils.console import progress
from vip_core.utils.files import atomic


@dataclass
class Progress:
    """Where a run stands; what a kill must not lose."""

    epoch: int  # epochs done
    best_epoch: int
    best_accuracy: float
    best_state: dict[str, Tensor]
    history: list[tuple[float, float]]  # training loss and validation accuracy of each epoch


def train_prompts(
    vip: ViP,
    views: Callable[[int], Tensor],
    labels: Tensor,
    val: Split,
    config: TrainConfig,
    state_path: Path,
    images: str = "",
) -> Progress:
    """Train the prompts in place and leave the best ones in the model: the earliest of highest validation accuracy.

    SGD with momentum and weight decay over all prompt parameters, softmax cross-entropy without class weights, batches
    shuffled and the last partial one dropped. The state is written to `state_path` after every epoch; where it is
    there already the run goes on from it, and ends with the same bits as if it had never stopped.

    Args:
        vip: the model, initialised under the seed.
        views: epoch -> features (n, V, D), of which each image's are drawn from in that epoch.
        labels: (n,) of the training images.
        val: the split that selects.
        config: the configuration, which a resumed run must share.
        state_path: where the state is kept.
        images: a mark of the training and validation images, which a resumed run must share.

    Raises:
        CheckpointError: if the state at `state_path` is damaged or of another configuration.
        StorageError: if it cannot be written.
    """
    device = vip.backbone.device
    optimizer = torch.optim.SGD(
        vip.parameters(), config.warmup_rate, momentum=config.momentum, weight_decay=config.weight_decay
    )
    generator = torch.Generator().manual_seed(config.seed)
    done = Progress(0, 0, -1.0, {}, [])
    if state_path.is_file():
        state = read_state(state_path, vip, config, images)
        vip.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        generator.set_state(state["generator"])
        done = Progress(**state["progress"])
    batch_size = min(config.batch_size, len(labels))
    with progress() as bar:
        task = bar.add_task("Training", total=config.epochs, completed=done.epoch)
        for epoch in range(done.epoch, config.epochs):
            for group in optimizer.param_groups:
                group["lr"] = rate_at(epoch, config)
            features = views(epoch)
            order = torch.randperm(len(labels), generator=generator)
            drawn = torch.randint(features.shape[1], (len(labels),), generator=generator)
            losses = []
            vip.train()
            for rows in order.split(batch_size):
                if len(rows) < batch_size:
                    break
                logits = vip(features[rows, drawn[rows]].to(device))
                loss = F.cross_entropy(logits, labels[rows].to(device))
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                losses.append(loss.detach())
            accuracy = (predict(vip, val.features).argmax(-1) == val.labels).float().mean().item()
            done.history.append((torch.stack(losses).mean().item(), accuracy))
            done.epoch = epoch + 1
            if accuracy > done.best_accuracy:  # not >=: the earliest wins a tie
                done.best_epoch, done.best_accuracy = epoch, accuracy
                done.best_state = {key: value.detach().cpu().clone() for key, value in vip.state_dict().items()}
            state = {"config": asdict(config), "symptoms": _content(vip), "images": images, "model": vip.state_dict()}
            state |= {"optimizer": optimizer.state_dict(), "generator": generator.get_state(), "progress": vars(done)}
            with atomic(state_path) as temporary:
                torch.save(state, temporary)
            bar.update(task, advance=1, description=f"Training, validation accuracy {accuracy:.3f}")
    vip.load_state_dict(done.best_state)
    vip.eval()
    return done


def _content(vip: ViP) -> list[Any]:
    """What the prompts are trained for: the backbone, and the classes and symptoms in order."""
    return [vip.backbone.fingerprint, list(vip.symptoms.classes), [list(lines) for lines in vip.symptoms.symptoms]]


def read_state(path: Path, vip: ViP, config: TrainConfig, images: str) -> dict[str, Any]:
    """The state of a run kept at `path`.

    Raises:
        CheckpointError: if it is damaged, or of another configuration, backbone, other symptoms or other images.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        before, _ = state["config"], Progress(**state["progress"])
        content, seen = state["symptoms"], state["images"]
    except Exception as error:  # torch.load raises whatever the damaged bytes happen to cause
        raise CheckpointError(f"{path} is damaged and cannot be resumed; delete it to start again.") from error
    if content != _content(vip):
        raise CheckpointError(
            f"{path.parent} holds a run with other symptoms or another backbone; give the same, or another --out."
        )
    # More epochs would change the rate of those done, so every value counts, but for where the data lies.
    changed = [
        key for key, value in asdict(config).items() if key not in ("root", "symptoms") and before.get(key) != value
    ]
    if changed:
        raise CheckpointError(
            f"{path.parent} holds a run with {', '.join(f'{key} {before.get(key)}' for key in changed)}, not "
            f"{', '.join(str(getattr(config, key)) for key in changed)}; give the same values, or another --out."
        )
    if seen != images:
        raise CheckpointError(f"{path.parent} holds a run on other images; give the same, or another --out.")
    return state

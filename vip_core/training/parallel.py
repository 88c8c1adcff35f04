"""A training step of the methods that change the image tower, divided among the processes of torchrun."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from vip_core.errors import UsageError
from vip_core.models.learner import PromptLearner
from vip_core.models.vip import predict
from vip_core.utils.distributed import gather_rows, own_part, world

# The loss of a batch: views (n, V, …), the rows (B,) of the batch, the view of each image (n,), labels (n,).
Step = Callable[[Any, Tensor, Tensor, Tensor], Tensor]


@contextmanager
def training_step(learner: PromptLearner, loss: Callable[[Tensor, Tensor], Tensor], batch_size: int) -> Iterator[Step]:
    """The loss of a batch, whose images are divided among the processes where the method reads pixels.

    Parameters, losses and normalisation statistics are then those of one process with the whole batch, except for the
    order of sums. Where features are cached, every process computes the same.

    Raises:
        UsageError: a batch has fewer images than there are processes.
    """
    device = learner.backbone.device
    if world() == 1 or not learner.reads_pixels:

        def alone(views: Any, rows: Tensor, drawn: Tensor, labels: Tensor) -> Tensor:  # noqa: ANN401
            return loss(views[rows, drawn[rows]].to(device), labels[rows].to(device))

        yield alone
        return
    if batch_size < world():
        raise UsageError(f"A batch of {batch_size} images cannot be divided among {world()} processes; start fewer.")
    # Buffers need no broadcast: the statistics of normalisation are those of the whole batch in every process.
    shared = DistributedDataParallel(WholeBatchLoss(learner), broadcast_buffers=False, find_unused_parameters=True)

    def together(views: Any, rows: Tensor, drawn: Tensor, labels: Tensor) -> Tensor:  # noqa: ANN401
        part = own_part(len(rows))
        own = rows[part]
        return shared(views[own, drawn[own]].to(device), part, labels[rows].to(device))

    with whole_batch_norm(learner):
        yield together


def predict_together(learner: PromptLearner, images: Tensor) -> Tensor:
    """Logits (n, C) of features (n, D), or of pixels, which are divided among the processes."""
    if world() == 1 or not learner.reads_pixels:
        return predict(learner, images)
    part = own_part(len(images), multiple=64)
    own = predict(learner, images[part]) if part.start < part.stop else torch.zeros(0, len(learner.symptoms.classes))
    return gather_rows(own.to(learner.backbone.device), part, len(images)).cpu()


class WholeBatchLoss(nn.Module):
    """The loss of a batch of which this process has a part."""

    def __init__(self, learner: PromptLearner):
        super().__init__()
        self.learner = learner

    def forward(self, pixels: Tensor, part: slice, labels: Tensor) -> Tensor:
        """pixels (b, 3, H, W) of the images `part`; labels (B,) of the whole batch."""
        logits = gather_rows(self.learner(pixels), part, len(labels))
        return self.learner.criterion(logits, labels)


@contextmanager
def whole_batch_norm(module: nn.Module) -> Iterator[None]:
    """Batch normalisation in training by the statistics of all processes' images.

    torch's SyncBatchNorm runs on GPUs only.
    """
    norms = [each for each in module.modules() if isinstance(each, nn.modules.batchnorm._BatchNorm)]
    before = [each.forward for each in norms]
    for norm, forward in zip(norms, before, strict=True):
        norm.forward = MethodType(_normalise, norm) if norm.track_running_stats else forward
    try:
        yield
    finally:
        for norm in norms:
            norm.__dict__.pop("forward", None)


def _normalise(norm: Any, x: Tensor) -> Tensor:  # noqa: ANN401 - a BatchNorm, or timm's with an activation
    if not norm.training:
        return type(norm).forward(norm, x)
    from torch.distributed.nn.functional import all_reduce

    places = [place for place in range(x.ndim) if place != 1]  # all but the channels
    shape = [1, -1] + [1] * (x.ndim - 2)
    count = all_reduce(x.new_tensor([x.numel() / x.shape[1]]))
    mean = all_reduce(x.sum(places)) / count
    centred = x - mean.view(shape)
    variance = all_reduce(centred.square().sum(places)) / count
    with torch.no_grad():
        norm.num_batches_tracked += 1
        momentum = 1 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
        norm.running_mean.lerp_(mean, momentum)
        norm.running_var.lerp_(variance * count / (count - 1), momentum)
    y = centred * (variance + norm.eps).rsqrt().view(shape)
    if norm.affine:
        y = y * norm.weight.view(shape) + norm.bias.view(shape)
    for name in ("drop", "act"):  # of timm's BatchNormAct2d
        y = getattr(norm, name)(y) if hasattr(norm, name) else y
    return y

"""The learned half of the domain check: a small classifier that distinguishes a task's images from near misses."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from vip_core.errors import CheckpointError

KEYS = ("near_miss_weight", "near_miss_bias")  # of its tensors in reference.safetensors


@dataclass(frozen=True)
class NearMisses:
    """A multinomial logistic regression on normalised image features: the task's own images, and K kinds of near miss.

    A near miss resembles the task's images without being one, such as an adult's radiograph in a task on children.

    Attributes:
        weight: (K + 1, D); the first row is that of the task's own images.
        bias: (K + 1,).
        kinds: K names, as in "It looks like …", such as "an adult's chest X-ray".
        limit: the log-odds of being one of the task's own, below which an image is flagged.
    """

    weight: Tensor
    bias: Tensor
    kinds: tuple[str, ...]
    limit: float = -float("inf")

    @classmethod
    def from_tensors(
        cls, tensors: Mapping[str, Tensor], kinds: tuple[str, ...], limit: float, dimension: int, path: Path
    ) -> "NearMisses":
        """A classifier from the tensors of a file, checked.

        Args:
            tensors: those of KEYS.
            kinds: see above.
            limit: see above.
            dimension: D of the image features.
            path: of the file, for the error.

        Raises:
            CheckpointError: if a tensor is missing, has another shape than it should, or values that are not finite.
        """
        for key, shape in zip(KEYS, ((len(kinds) + 1, dimension), (len(kinds) + 1,)), strict=True):
            if key not in tensors or tensors[key].shape != shape:
                found = f"of shape {tuple(tensors[key].shape)}" if key in tensors else "missing"
                raise CheckpointError(f"{path} has {key} {found}; {shape} is needed for {len(kinds)} kinds.")
            if not tensors[key].is_floating_point() or not tensors[key].isfinite().all():
                raise CheckpointError(f"{path} has {key} with values that are not finite numbers.")
        return cls(tensors[KEYS[0]].float(), tensors[KEYS[1]].float(), kinds, limit)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Weight and bias by their keys in reference.safetensors."""
        return dict(zip(KEYS, (self.weight, self.bias), strict=True))

    def log_odds(self, features: Tensor) -> Tensor:
        """Log-odds (B,) that images with features (B, D) are of the task, against all kinds of near miss together."""
        return _log_odds(self._logits(features))

    def found_in(self, features: Tensor) -> list[str | None]:
        """Of each of the images (B, D) the most probable kind of near miss; None for one of the task's own."""
        logits = self._logits(features)
        flagged, likeliest = (_log_odds(logits) < self.limit).tolist(), logits[:, 1:].argmax(-1).tolist()
        return [self.kinds[place] if out else None for out, place in zip(flagged, likeliest, strict=True)]

    def _logits(self, features: Tensor) -> Tensor:
        weight, bias = self.weight.to(features.device), self.bias.to(features.device)
        return torch.addmm(bias, F.normalize(features.float(), dim=-1), weight.T)  # (B, K + 1)


def _log_odds(logits: Tensor) -> Tensor:
    return logits[:, 0] - logits[:, 1:].logsumexp(-1)

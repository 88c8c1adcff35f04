"""The reference bank: features of some hundred known images, which give a number its meaning.

It answers three questions for any text a person types: how high is this similarity, does this symptom separate the
classes, and is this image like those the model was trained on?
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from vip_core.errors import CheckpointError
from vip_core.models.near_misses import NearMisses
from vip_core.utils.ranking import auroc

PER_CLASS = 300
MIN_FOR_PERCENTILES = 20  # reference images; a percentile among fewer would be a guess
NEIGHBOURS = 5
IN_DOMAIN_QUANTILE = 0.97  # of held-out images; the rest would be flagged


@dataclass(frozen=True)
class DomainCheck:
    """Whether an image is like the reference images.

    Attributes:
        in_domain: neither too far from the reference images nor a near miss.
        score: mean cosine distance to the nearest reference images, 0 to 2.
        threshold: the score above which an image is flagged.
        near_miss: the kind of near miss that the image was recognised as, such as "an adult's chest X-ray"; else None.
    """

    in_domain: bool
    score: float
    threshold: float
    near_miss: str | None = None

    @property
    def reason(self) -> str:
        """Why the image is out of distribution, as a sentence; empty where it is not."""
        if self.in_domain:
            return ""
        if self.near_miss is None:
            return "This image does not resemble the reference images."
        return f"This image looks like {self.near_miss}, not like the reference images."


@dataclass(frozen=True)
class ReferenceBank:
    """Reference images as features: embeddings, no images.

    Attributes:
        features: (N, D), normalised.
        labels: (N,) indices into the classes.
        threshold: the domain score above which an image is flagged.
        near_misses: the learned half of the domain check; None where distance decides alone.
    """

    features: Tensor
    labels: Tensor
    threshold: float = float("inf")
    near_misses: NearMisses | None = None

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], threshold: float, classes: int, path: Path) -> "ReferenceBank":
        """A bank from the tensors of a file, checked.

        Args:
            tensors: "features" (N, D) and "labels" (N,).
            threshold: see above.
            classes: C.
            path: of the file, for the error.

        Raises:
            CheckpointError: if a tensor is missing or unexpected, has the wrong shape or type, or contains values that
                are not finite or are not class indices.
        """
        if tensors.keys() != {"features", "labels"}:
            raise CheckpointError(
                f"{path} has {', '.join(sorted(tensors)) or 'no tensors'}; features and labels are needed."
            )
        features, labels = tensors["features"], tensors["labels"]
        if features.ndim != 2 or not len(features) or labels.shape != features.shape[:1]:
            raise CheckpointError(
                f"{path} has features of shape {tuple(features.shape)} and labels of shape {tuple(labels.shape)}; "
                "(N, D) and (N,) are needed."
            )
        if not features.is_floating_point() or not features.isfinite().all():
            raise CheckpointError(f"{path} has features that are not finite numbers; copy the checkpoint again.")
        if labels.dtype != torch.int64 or labels.min() < 0 or labels.max() >= classes:
            raise CheckpointError(f"{path} has labels that are not indices into {classes} classes.")
        return cls(features.float(), labels, threshold)

    @classmethod
    def build(
        cls, features: Tensor, labels: Tensor, held_out: Tensor, seed: int, near_misses: NearMisses | None = None
    ) -> "ReferenceBank":
        """Draw up to 300 training images per class, and set the limits of the domain check on held-out images.

        Args:
            features: (n, D) of training images, without augmentation.
            labels: (n,).
            held_out: (v, D) of validation images; at most 3 % of them are flagged.
            seed: of the draw.
            near_misses: the learned half of the check, whose limit is set here.
        """
        generator = torch.Generator().manual_seed(seed)
        chosen = []
        for label in labels.unique():
            rows = torch.nonzero(labels == label).flatten()
            chosen.append(rows[torch.randperm(len(rows), generator=generator)[:PER_CLASS]])
        rows = torch.cat(chosen).sort().values
        bank = cls(F.normalize(features[rows], dim=-1), labels[rows])
        if near_misses is None:
            threshold = bank.distance(held_out).quantile(IN_DOMAIN_QUANTILE, interpolation="higher")
            return cls(bank.features, bank.labels, float(threshold))
        return bank._limited(near_misses, held_out)

    def _limited(self, near_misses: NearMisses, held_out: Tensor) -> "ReferenceBank":
        """The bank with both halves of its check as strict as each other, and at most 3 % of images (v, D) flagged."""
        distances, odds = self.distance(held_out), near_misses.log_odds(held_out)  # (v,)
        furthest, oddest = distances.sort(descending=True), odds.sort()
        allowed = int(len(held_out) * (1 - IN_DOMAIN_QUANTILE) + 1e-9)
        most = max(
            count
            for count in range(allowed + 1)
            if len({*furthest.indices[:count].tolist(), *oddest.indices[:count].tolist()}) <= allowed
        )
        limit = float(oddest.values[min(most, len(odds) - 1)])
        return replace(
            self,
            threshold=float(furthest.values[min(most, len(distances) - 1)]),
            near_misses=replace(near_misses, limit=limit),
        )

    def distance(self, features: Tensor) -> Tensor:
        """Domain scores (B,) of image features (B, D): mean cosine distance to the 5 nearest reference images."""
        similarity = F.normalize(features, dim=-1) @ self.features.T.to(features.device)  # (B, N)
        nearest = similarity.topk(min(NEIGHBOURS, len(self.features)), dim=-1).values
        return 1 - nearest.mean(-1)

    def check(self, features: Tensor) -> list[DomainCheck]:
        """Is each of the images (B, D) in domain?"""
        scores = self.distance(features).tolist()
        missed = [None] * len(scores) if self.near_misses is None else self.near_misses.found_in(features)
        return [
            DomainCheck(score <= self.threshold and miss is None, score, self.threshold, miss)
            for score, miss in zip(scores, missed, strict=True)
        ]

    def similarities(self, text: Tensor) -> Tensor:
        """Cosines (N, n) of the reference images with text features (n, D)."""
        return self.features.to(text.device) @ F.normalize(text, dim=-1).T

    def percentile(self, text: Tensor, similarity: Tensor) -> Tensor:
        """Per cent of the reference images less similar to each text than the image is (ties count half).

        Args:
            text: (n, D).
            similarity: (B, n) cosines of B images with the texts.

        Returns:
            (B, n), 0 to 100.
        """
        known = self.similarities(text).T.sort(dim=-1).values.contiguous()  # (n, N)
        wanted = similarity.T.contiguous()  # (n, B)
        below = torch.searchsorted(known, wanted) + torch.searchsorted(known, wanted, right=True)
        return 50 * below.T / known.shape[-1]

    def separation(self, text: Tensor, label: int) -> list[float]:
        """AUROC with which each text (n, D) ranks the reference images of class `label` above the others.

        At 0.5 the text does not separate them; below, it favours the other classes.
        """
        return auroc(self.similarities(text).cpu().numpy(), (self.labels == label).numpy()).tolist()

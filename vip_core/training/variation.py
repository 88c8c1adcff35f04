"""The input of a training step: the symptom lists, exchanged lists, other wordings, unrelated sentences."""

from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from vip_core.models.vip import ViP
from vip_core.symptoms import SymptomSet
from vip_core.training.config import TrainConfig


class Variation:
    """Draws the symptom lists and the targets of each step, so that only what the text states can lower the loss.

    - Exchange: in a share `swap` of the batches the classes' lists are permuted, and the labels with them. A class
      token, which keeps its place, then gains nothing.
    - Wordings: of a symptom with other wordings, one of them is drawn.
    - Unrelated text: in a share `unrelated` of the batches every symptom is an everyday sentence, and all classes are
      equally right.

    With neither of them the lists and labels are returned as they are, and nothing is drawn.
    """

    def __init__(self, symptoms: SymptomSet, config: TrainConfig):
        self.symptoms = symptoms
        self.config = config
        self.choices = [[(text, *symptoms.wordings.get(text, ())) for text in texts] for texts in symptoms.symptoms]
        self.sentences = unrelated_sentences() if config.unrelated else []

    def draw(self, labels: Tensor, generator: Generator) -> tuple[SymptomSet, Tensor]:
        """The lists of a step, and its targets: labels (B,), or probabilities (B, C) for unrelated text."""
        symptoms, config, count = self.symptoms, self.config, len(self.symptoms.classes)
        if config.unrelated and _happens(config.unrelated, generator):
            lists = tuple(tuple(_pick(self.sentences, generator) for _ in texts) for texts in symptoms.symptoms)
            return replace(symptoms, symptoms=lists), torch.full((len(labels), count), 1 / count)
        lists = symptoms.symptoms
        if config.wordings:
            lists = tuple(tuple(_pick(choice, generator) for choice in choices) for choices in self.choices)
        if config.swap and _happens(config.swap, generator):
            # Two classes are always exchanged; of more, a random permutation moves most.
            order = torch.tensor([1, 0]) if count == 2 else torch.randperm(count, generator=generator)
            lists = tuple(lists[c] for c in order)  # place c now has the list of class order[c]
            labels = order.argsort()[labels]
        return (symptoms if lists is symptoms.symptoms else replace(symptoms, symptoms=lists)), labels


class StepLoss:
    """The loss of a training step of ViP under what `Variation` draws.

    Args:
        vip: the model.
        config: of the run.
        generator: of the draws; that of the batches, so that a resumed run continues it.
    """

    def __init__(self, vip: ViP, config: TrainConfig, generator: Generator):
        self.vip = vip
        self.variation = Variation(vip.symptoms, config)
        self.text = vip.encode_symptoms if config.trains_text else FixedText(vip)
        self.generator = generator

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy of image features (B, D) with labels (B,)."""
        symptoms, targets = self.variation.draw(labels.cpu(), self.generator)
        logits = self.vip(images, self.text(symptoms), symptoms.counts)  # (B, C)
        losses = F.cross_entropy(logits, targets.to(images.device), reduction="none")  # (B,)
        if self.vip.class_weights is None:
            return losses.mean()
        weights = self.vip.class_weights.to(images.device)[labels]  # of the classes before any exchange
        return (weights * losses).sum() / weights.sum()


class FixedText:
    """Text features under a context prompt that is not trained: each text is encoded once, and no gradient is kept."""

    def __init__(self, vip: ViP):
        self.vip = vip
        self.known: dict[tuple[int, str], Tensor] = {}  # (context, text) -> (D,)

    @torch.no_grad()
    def __call__(self, symptoms: SymptomSet) -> Tensor:
        """Text features (n, D), class after class."""
        vectors = self.vip.context_prompt.vectors
        own = vectors.ndim == 3  # one context per class
        keys = [(label if own else 0, text) for label, text in zip(symptoms.labels, symptoms.texts, strict=True)]
        if new := [key for key in dict.fromkeys(keys) if key not in self.known]:
            context = vectors[[label for label, _ in new]] if own else vectors
            encoded = self.vip.backbone.encode_prompts([text for _, text in new], context)
            self.known.update(zip(new, encoded, strict=True))
        return torch.stack([self.known[key] for key in keys])


def unrelated_sentences() -> list[str]:
    """Everyday sentences that describe no medical image."""
    return files("vip_core.training").joinpath("unrelated.txt").read_text(encoding="utf-8").splitlines()


def _happens(share: float, generator: Generator) -> bool:
    return bool(torch.rand((), generator=generator) < share)


def _pick(texts: Sequence[str], generator: Generator) -> str:
    return texts[int(torch.randint(len(texts), (), generator=generator))]

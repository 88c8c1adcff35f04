"""The loss of a training step: symptom lists, exchanged lists, other wordings, unrelated sentences; a penalty."""

from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from typing import TypeVar

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from vip_core.models.vip import ViP
from vip_core.symptoms import SymptomSet
from vip_core.training.config import TrainConfig

ANCHORED = 4  # symptoms per step that are held in place, and as many everyday sentences

_Item = TypeVar("_Item")


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
    """The loss of a training step of ViP under what `Variation` draws, and the penalty of `Anchor` where it is used.

    Args:
        vip: the model as initialised.
        config: of the run.
        generator: of the draws; that of the batches, so that a resumed run continues it.
    """

    def __init__(self, vip: ViP, config: TrainConfig, generator: Generator):
        self.vip = vip
        self.variation = Variation(vip.symptoms, config)
        # A copy: a resumed run, too, is held to the text of the beginning.
        self.initial = FixedText(vip, vip.context_prompt.vectors.detach().clone())
        self.trains_text = config.trains_text
        self.anchor = Anchor(vip, self.initial, config.anchor, generator) if config.anchor else None
        self.generator = generator

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy of image features (B, D) with labels (B,), and the penalty."""
        loss = self._cross_entropy(images, labels)
        return loss if self.anchor is None else loss + self.anchor()

    def _initial(self, symptoms: SymptomSet) -> Tensor:
        return self.initial(symptoms.texts, symptoms.labels)

    def _cross_entropy(self, images: Tensor, labels: Tensor) -> Tensor:
        symptoms, targets = self.variation.draw(labels.cpu(), self.generator)
        own = self.vip.encode_symptoms if self.trains_text else self._initial
        text = own(symptoms)  # (n, D)
        logits = self.vip(images, text, symptoms.counts)  # (B, C)
        losses = F.cross_entropy(logits, targets.to(images.device), reduction="none")  # (B,)
        if self.vip.class_weights is None:
            return losses.mean()
        weights = self.vip.class_weights.to(images.device)[labels]  # of the classes before any exchange
        return (weights * losses).sum() / weights.sum()


class FixedText:
    """Text features under one context: each text is encoded once, and no gradient is kept.

    Args:
        vip: whose backbone encodes.
        vectors: (M, W) for all texts, or (C, M, W), one context per class.
    """

    def __init__(self, vip: ViP, vectors: Tensor):
        self.vip, self.vectors = vip, vectors
        self.known: dict[tuple[int, str], Tensor] = {}  # (context, text) -> (D,)

    @torch.no_grad()
    def __call__(self, texts: Sequence[str], labels: Sequence[int]) -> Tensor:
        """Features (n, D) of n texts, each under the context of its class."""
        own = self.vectors.ndim == 3
        keys = [(label if own else 0, text) for label, text in zip(labels, texts, strict=True)]
        for label, text in keys:
            if (label, text) not in self.known:  # one at a time: in a batch, the last digits depend on the other texts
                context = context_of(self.vectors, [label])
                self.known[label, text] = self.vip.backbone.encode_prompts([text], context)[0]
        return torch.stack([self.known[key] for key in keys])


class Anchor:
    """A penalty that keeps texts near what they meant before training: weight * mean_s (1 - cos(t_s, t0_s)).

    t_s is the feature of a text s under the context prompt, t0_s that under the context prompt as initialised. In each
    step half of the texts are symptoms or other wordings of them, and half are everyday sentences: a context that
    is fitted to a dozen lines may change what all other texts mean. KgCoOp (Yao et al., CVPR 2023) holds
    class names so.

    Args:
        vip: the model as initialised.
        initial: its texts.
        weight: of the penalty.
        generator: of the draws.
    """

    def __init__(self, vip: ViP, initial: FixedText, weight: float, generator: Generator):
        self.vip, self.initial, self.weight, self.generator = vip, initial, weight, generator
        symptoms = vip.symptoms
        pairs = zip(symptoms.texts, symptoms.labels, strict=True)
        self.lines = [(each, label) for text, label in pairs for each in (text, *symptoms.wordings.get(text, ()))]
        self.everyday = unrelated_sentences()

    def __call__(self) -> Tensor:
        """The penalty of a step."""
        drawn = [_pick(self.lines, self.generator) for _ in range(ANCHORED)]
        drawn += [(_pick(self.everyday, self.generator), label) for _, label in drawn]
        texts, labels = [text for text, _ in drawn], [label for _, label in drawn]
        text = self.vip.encode_prompts(texts, context_of(self.vip.context_prompt.vectors, labels))
        return self.weight * (1 - F.cosine_similarity(text, self.initial(texts, labels))).mean()


def context_of(vectors: Tensor, labels: Sequence[int]) -> Tensor:
    """Context vectors for texts of classes: (M, W) where all share them, or (n, M, W)."""
    return vectors if vectors.ndim == 2 else vectors[list(labels)]


def unrelated_sentences() -> list[str]:
    """Everyday sentences that describe no medical image."""
    return files("vip_core.training").joinpath("unrelated.txt").read_text(encoding="utf-8").splitlines()


def _happens(share: float, generator: Generator) -> bool:
    return bool(torch.rand((), generator=generator) < share)


def _pick(items: Sequence[_Item], generator: Generator) -> _Item:
    return items[int(torch.randint(len(items), (), generator=generator))]

"""Predictor: the image tower once an image, then symptom sets scored at the price of the lines that changed."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from PIL.Image import Image
from torch import Tensor

from vip_core.data.images import read_image
from vip_core.models.reference import DomainCheck, ReferenceBank
from vip_core.models.vip import Terms, ViP
from vip_core.symptoms import SymptomSet
from vip_core.utils.device import best_device, fast_bf16

CACHED_LINES = 4096
Value = TypeVar("Value")


@dataclass(frozen=True)
class SymptomScore:
    """How one symptom is seen in an image.

    similarity: cosine of the image with the symptom's text feature under the trained context.
    percentile: per cent of the reference images less similar than this one; None without a reference bank.
    contribution: its term of the logit of its class.
    attention: its weight in the merge of its class; the weights of a class sum to 1.
    """

    class_name: str
    symptom: str
    similarity: float
    percentile: float | None
    contribution: float
    attention: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        values = dict(vars(self))
        return {"class": values.pop("class_name"), **values}


@dataclass(frozen=True)
class Diagnosis:
    """What the model makes of one image; all of it plain data.

    logits stand before the temperature: class_terms[c] plus the contributions of c's symptoms is logits[c];
    probabilities are softmax(logits / temperature). domain is None without a reference bank.
    """

    prediction: str
    probabilities: dict[str, float]
    logits: dict[str, float]
    class_terms: dict[str, float]
    symptoms: tuple[SymptomScore, ...]
    domain: DomainCheck | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON: what `python -m vip_core.score --json` prints."""
        return {
            "prediction": self.prediction,
            "probabilities": dict(self.probabilities),
            "logits": dict(self.logits),
            "class_terms": dict(self.class_terms),
            "symptoms": [symptom.to_dict() for symptom in self.symptoms],
            "domain": None if self.domain is None else dict(vars(self.domain)),
        }


class Predictor:
    """Scores images with a trained model.

    `set_image` then `score` serve one image at a time. `encode` and `diagnose` keep no image between calls, so that a
    page can hold each visitor's small feature and share one model among threads.

    Args:
        vip: a trained model; it is moved to the best device there is.
    """

    def __init__(self, vip: ViP):
        self.vip = vip.to(best_device())
        self._features: Tensor | None = None
        self._lines: LineCache[Tensor] = LineCache()  # text features
        self._separations: LineCache[float] = LineCache()

    @classmethod
    def from_pretrained(cls, name: str) -> "Predictor":
        """From a checkpoint's name, folder or hub id. Raises CheckpointError or BackboneError."""
        return cls(ViP.from_pretrained(name))

    @property
    def symptoms(self) -> SymptomSet:
        """The symptom set that the model was trained with."""
        return self.vip.symptoms

    @property
    def temperature(self) -> float:
        """Divides the logits before the softmax."""
        return self.vip.temperature

    # ---- one image at a time

    def set_image(self, image: str | Path | Image) -> None:
        """Run the image tower on a file or an image, once. Raises ImageError."""
        self.set_features(self.encode(image))

    def set_features(self, features: Tensor) -> None:
        """Take the feature (D,) of an image that `encode` gave."""
        self._features = features

    def score(self, symptoms: SymptomSet | None = None) -> Diagnosis:
        """Score the image under a symptom set, the model's own by default.

        Raises:
            RuntimeError: if no image was set.
            SymptomError: if the symptom set has other classes, or a line cannot be a prompt.
        """
        if self._features is None:
            raise RuntimeError("No image is set; call set_image first.")
        return self.diagnose(self._features, symptoms)

    # ---- without state

    @torch.inference_mode()
    def encode(self, image: str | Path | Image) -> Tensor:
        """Image feature (D,) of a file or an image, on the CPU, not normalised. Raises ImageError."""
        backbone = self.vip.backbone
        pixels = backbone.preprocess(read_image(image)).unsqueeze(0).to(backbone.device)
        return backbone.encode_images(pixels, fast_bf16(backbone.device))[0].cpu().clone()

    def diagnose(self, features: Tensor, symptoms: SymptomSet | None = None) -> Diagnosis:
        """Diagnosis of one image by its feature (D,). Raises SymptomError as `score` does."""
        return self.diagnose_all(features.unsqueeze(0), symptoms)[0]

    @torch.inference_mode()
    def diagnose_all(self, features: Tensor, symptoms: SymptomSet | None = None) -> list[Diagnosis]:
        """Diagnoses of B images by their features (B, D). Raises SymptomError as `score` does."""
        symptoms = (symptoms or self.symptoms).ordered(self.symptoms.classes)
        text, terms = self.terms(features, symptoms)
        return assemble(features, symptoms, text, terms, self.vip.temperature, self.vip.reference)

    @torch.inference_mode()
    def terms(self, features: Tensor, symptoms: SymptomSet) -> tuple[Tensor, list[Terms]]:
        """Text features (n, D) of a symptom set, and the terms of the logits of B images (B, D), class by class."""
        text = self.encode_lines(symptoms)
        return text, self.vip.explain(features.to(text.device), text, symptoms.counts)

    def separations(self, symptoms: SymptomSet) -> list[float | None]:
        """For each line, the AUROC with which it ranks the reference images of its class above the others.

        None for every line where the model has no reference bank. Raises SymptomError as `score` does.
        """
        symptoms = symptoms.ordered(self.symptoms.classes)
        if self.vip.reference is None:
            return [None] * len(symptoms.texts)
        return cached_separations(self._separations, self.vip.reference, symptoms, self.encode_lines(symptoms))

    @torch.inference_mode()
    def encode_lines(self, symptoms: SymptomSet) -> Tensor:
        """Text features (n, D) under the context prompt; only lines not met before go through the text tower."""
        context = self.vip.context_prompt(symptoms.counts)
        per_class = context.ndim == 3
        keys = [(label if per_class else 0, line) for label, line in labelled_lines(symptoms)]

        def encode(rows: Sequence[int]) -> Sequence[Tensor]:
            chosen = context[list(rows)] if per_class else context
            return self.vip.backbone.encode_prompts([keys[row][1] for row in rows], chosen)

        return torch.stack(self._lines.get(keys, encode))


class LineCache(Generic[Value]):
    """What is known of lines of text, the most recently used of them; shared by threads."""

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, Value] = OrderedDict()  # least recently used first
        self._lock = threading.Lock()

    def get(self, keys: Sequence[Hashable], compute: Callable[[Sequence[int]], Sequence[Value]]) -> list[Value]:
        """The values of `keys`. compute: gives those of the rows not known yet; a key that stands twice, once."""
        with self._lock:
            known = {key: self._known[key] for key in keys if key in self._known}
        rows = {key: row for row, key in enumerate(keys) if key not in known}
        if rows:
            known |= dict(zip(rows, compute(list(rows.values())), strict=True))
        with self._lock:
            for key in keys:
                self._known[key] = known[key]
                self._known.move_to_end(key)
            while len(self._known) > CACHED_LINES:
                self._known.popitem(last=False)
        return [known[key] for key in keys]


def labelled_lines(symptoms: SymptomSet) -> list[tuple[int, str]]:
    """All lines, class after class, each with the index of its class."""
    return [(label, line) for label, lines in enumerate(symptoms.symptoms) for line in lines]


def cached_separations(
    cache: LineCache[float], reference: ReferenceBank, symptoms: SymptomSet, text: Tensor
) -> list[float | None]:
    """AUROC of each line, from its text features (n, D); only lines not met before are measured."""
    lines = labelled_lines(symptoms)
    return list(cache.get(lines, lambda rows: [reference.separation(text[[r]], lines[r][0])[0] for r in rows]))


def assemble(
    features: Tensor,
    symptoms: SymptomSet,
    text: Tensor,
    terms: list[Terms],
    temperature: float,
    reference: ReferenceBank | None,
) -> list[Diagnosis]:
    """Diagnoses of B images from the terms of their logits.

    Args:
        features: of the images (B, D).
        symptoms: whose lines the terms are of, in order.
        text: their features (n, D).
        terms: one a class.
        temperature: divides the logits before the softmax.
        reference: gives percentiles and the domain check.
    """
    logits = torch.stack([term.token + term.symptoms.sum(-1) for term in terms], dim=-1)  # (B, C)
    probabilities = (logits / temperature).softmax(-1).tolist()
    similarity = torch.cat([term.similarity for term in terms], dim=-1)  # (B, n)
    contribution = torch.cat([term.symptoms for term in terms], dim=-1).tolist()  # (B, n)
    attention = torch.cat([term.attention for term in terms]).tolist()  # (n,)
    tokens = torch.stack([term.token for term in terms], dim=-1).tolist()  # (B, C)
    percentile, domains = None, [None] * len(features)
    if reference is not None:
        percentile = reference.percentile(text, similarity).tolist()
        domains = reference.check(features)
    names = [symptoms.classes[label] for label, _ in labelled_lines(symptoms)]
    return [
        Diagnosis(
            prediction=symptoms.classes[int(logits[b].argmax())],
            probabilities=dict(zip(symptoms.classes, probabilities[b], strict=True)),
            logits=dict(zip(symptoms.classes, logits[b].tolist(), strict=True)),
            class_terms=dict(zip(symptoms.classes, tokens[b], strict=True)),
            symptoms=tuple(
                SymptomScore(
                    names[j],
                    line,
                    similarity[b, j].item(),
                    None if percentile is None else percentile[b][j],
                    contribution[b][j],
                    attention[j],
                )
                for j, line in enumerate(symptoms.texts)
            ),
            domain=domains[b],
        )
        for b in range(len(features))
    ]

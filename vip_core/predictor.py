"""Predictor: the image tower once an image, then symptom sets scored at the price of the lines that changed."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor

from vip_core.device import best_device, fast_bf16
from vip_core.images import read_image
from vip_core.model import ViP
from vip_core.reference import DomainCheck
from vip_core.symptoms import SymptomSet

CACHED_LINES = 4096


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
        self._lines: OrderedDict[tuple[int, str], Tensor] = OrderedDict()  # text features, least recently used first
        self._lock = threading.Lock()

    @classmethod
    def from_pretrained(cls, name: str) -> "Predictor":
        """From a checkpoint's name, folder or hub id. Raises CheckpointError or BackboneError."""
        return cls(ViP.from_pretrained(name))

    @property
    def symptoms(self) -> SymptomSet:
        """The symptom set that the model was trained with."""
        return self.vip.symptoms

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
        vip = self.vip
        symptoms = (symptoms or vip.symptoms).ordered(vip.symptoms.classes)
        text = self._encode_lines(symptoms)
        terms = vip.explain(features.to(text.device), text, symptoms.counts)
        logits = torch.stack([term.token + term.symptoms.sum(-1) for term in terms], dim=-1)  # (B, C)
        probabilities = (logits / vip.temperature).softmax(-1).tolist()
        similarity = torch.cat([term.similarity for term in terms], dim=-1)  # (B, n)
        contribution = torch.cat([term.symptoms for term in terms], dim=-1).tolist()  # (B, n)
        attention = torch.cat([term.attention for term in terms]).tolist()  # (n,)
        tokens = torch.stack([term.token for term in terms], dim=-1).tolist()  # (B, C)
        percentile, domains = None, [None] * len(features)
        if vip.reference is not None:
            percentile = vip.reference.percentile(text, similarity).tolist()
            domains = vip.reference.check(features)
        names = [name for name, count in zip(symptoms.classes, symptoms.counts, strict=True) for _ in range(count)]
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
                    for j, line in enumerate(symptoms.lines)
                ),
                domain=domains[b],
            )
            for b in range(len(features))
        ]

    def separations(self, symptoms: SymptomSet) -> list[float | None]:
        """For each line, the AUROC with which it ranks the reference images of its class above the others.

        None for every line where the model has no reference bank. Raises SymptomError as `score` does.
        """
        symptoms = symptoms.ordered(self.vip.symptoms.classes)
        if self.vip.reference is None:
            return [None] * len(symptoms.lines)
        with torch.inference_mode():
            groups = self._encode_lines(symptoms).split(symptoms.counts)
        return [auroc for c, text in enumerate(groups) for auroc in self.vip.reference.separation(text, c)]

    def _encode_lines(self, symptoms: SymptomSet) -> Tensor:
        """Text features (n, D); only lines not met before go through the text tower."""
        context = self.vip.context_prompt(symptoms.counts)
        per_class = context.ndim == 3
        labels = [c for c, count in enumerate(symptoms.counts) for _ in range(count)]
        keys = [(label if per_class else 0, line) for label, line in zip(labels, symptoms.lines, strict=True)]
        with self._lock:
            known = {key: self._lines[key] for key in keys if key in self._lines}
        rows = {key: row for row, key in enumerate(keys) if key not in known}  # a line that stands twice, once
        if rows:
            chosen = context[list(rows.values())] if per_class else context
            encoded = self.vip.backbone.encode_prompts([line for _, line in rows], chosen)
            known |= dict(zip(rows, encoded, strict=True))
        with self._lock:
            for key in keys:
                self._lines[key] = known[key]
                self._lines.move_to_end(key)
            while len(self._lines) > CACHED_LINES:
                self._lines.popitem(last=False)
        return torch.stack([known[key] for key in keys])

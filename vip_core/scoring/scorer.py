"""Scorer: from image features and symptoms to diagnoses. Symptoms met before are not encoded again."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from vip_core.models.backbone import Backbone
from vip_core.models.reference import MIN_FOR_PERCENTILES, ReferenceBank
from vip_core.models.vip import Terms
from vip_core.scoring.diagnosis import Diagnosis, SymptomScore
from vip_core.symptoms import SymptomSet
from vip_core.utils.lru import LRU

CACHED_SYMPTOMS = 4096
Symptoms = SymptomSet | Mapping[str, Sequence[str]]  # {class: [symptom, …]}


class Scorer(ABC):
    """What Predictor and ZeroShot share. It holds no image, so threads may share one.

    Attributes:
        backbone: the CLIP.
        reference: features of known images, for percentiles and the domain check, or None.
        temperature: divides the logits before the softmax.
    """

    def __init__(self, backbone: Backbone, reference: ReferenceBank | None, temperature: float = 1.0):
        self.backbone = backbone
        self.reference = reference
        self.temperature = temperature
        self._text: LRU[tuple[int, str], Tensor] = LRU(CACHED_SYMPTOMS)  # (context, symptom) -> (D,)
        self._separations: LRU[tuple[int, str], float] = LRU(CACHED_SYMPTOMS)  # (class, symptom) -> AUROC

    # ---- what a subclass decides

    def resolve(self, symptoms: Symptoms) -> SymptomSet:
        """The symptom set to score. Raises SymptomError."""
        return symptoms if isinstance(symptoms, SymptomSet) else SymptomSet.from_dict(symptoms)

    def context_of(self, label: int) -> int:
        """Which context the symptoms of a class have: 0 where all classes share one."""
        return 0

    @property
    def similarity_reference(self) -> ReferenceBank | None:
        """The reference bank that similarities are compared with."""
        return self.reference

    def map_cells(self, cells: Tensor) -> Tensor:
        """An image's cells (h, w, D) as the symptoms are compared with them."""
        return cells

    @abstractmethod
    def encode_new(self, symptoms: list[tuple[int, str]]) -> Tensor:
        """Text features (k, D) of symptoms, given with their context. Raises SymptomError."""

    @abstractmethod
    def explain(self, features: Tensor, text: Tensor, counts: list[int]) -> list[Terms]:
        """The terms of the logits of B images (B, D), one Terms per class.

        Args:
            features: of the images, on the device of `text`.
            text: of the symptoms (n, D), class after class.
            counts: their number per class.
        """

    def calibrated(self, symptoms: SymptomSet) -> bool:
        """Whether the temperature was fitted with these symptoms."""
        return False

    # ---- what follows from it

    def diagnose(self, features: Tensor, symptoms: Symptoms) -> Diagnosis:
        """Diagnosis of one image by its feature (D,). Raises SymptomError."""
        return self.diagnose_all(features.unsqueeze(0), symptoms)[0]

    @torch.inference_mode()
    def diagnose_all(self, features: Tensor, symptoms: Symptoms) -> list[Diagnosis]:
        """Diagnoses of B images by their features (B, D). Raises SymptomError."""
        symptoms = self.resolve(symptoms)
        text, terms = self.terms(features, symptoms)
        logits = torch.stack([term.token + term.symptoms.sum(-1) for term in terms], dim=-1)  # (B, C)
        probabilities = (logits / self.temperature).softmax(-1).tolist()
        tokens = torch.stack([term.token for term in terms], dim=-1).tolist()  # (B, C)
        domains = [None] * len(features) if self.reference is None else self.reference.check(features)
        scores = self._symptom_scores(symptoms, text, terms)
        calibrated = self.calibrated(symptoms)
        return [
            Diagnosis(
                prediction=symptoms.classes[int(logits[b].argmax())],
                probabilities=dict(zip(symptoms.classes, probabilities[b], strict=True)),
                logits=dict(zip(symptoms.classes, logits[b].tolist(), strict=True)),
                class_terms=dict(zip(symptoms.classes, tokens[b], strict=True)),
                symptoms=scores[b],
                domain=domains[b],
                calibrated=calibrated,
            )
            for b in range(len(features))
        ]

    @torch.inference_mode()
    def terms(self, features: Tensor, symptoms: SymptomSet) -> tuple[Tensor, list[Terms]]:
        """Text features (n, D) of the symptoms, and the terms of the logits of B images (B, D), class after class."""
        text = self.encode_symptoms(symptoms)
        return text, self.explain(features.to(text.device), text, symptoms.counts)

    @torch.inference_mode()
    def encode_symptoms(self, symptoms: SymptomSet) -> Tensor:
        """Text features (n, D), class after class. Only symptoms not met before go through the text tower."""
        contexts = [self.context_of(label) for label in symptoms.labels]
        return torch.stack(
            self._text.get(list(zip(contexts, symptoms.texts, strict=True)), lambda new: list(self.encode_new(new)))
        )

    def separations(self, symptoms: Symptoms) -> list[float | None]:
        """Per symptom, the AUROC with which it ranks the reference images of its class above the others.

        The classes must be those of the reference bank. None for every symptom without one. Raises SymptomError.
        """
        symptoms = self.resolve(symptoms)
        keys = list(zip(symptoms.labels, symptoms.texts, strict=True))
        reference = self.similarity_reference
        if reference is None:
            return [None] * len(keys)
        text = dict(zip(keys, self.encode_symptoms(symptoms), strict=True))
        return list(self._separations.get(keys, lambda new: [_separation(reference, text[key], key[0]) for key in new]))

    def _symptom_scores(self, symptoms: SymptomSet, text: Tensor, terms: list[Terms]) -> list[tuple[SymptomScore, ...]]:
        """Per image, the scores of the n symptoms."""
        similarity = torch.cat([term.similarity for term in terms], dim=-1)  # (B, n)
        contribution = torch.cat([term.symptoms for term in terms], dim=-1).tolist()  # (B, n)
        attention = torch.cat([term.attention for term in terms]).tolist()  # (n,)
        reference = self.similarity_reference
        if reference is None or len(reference.labels) < MIN_FOR_PERCENTILES:
            percentile: list[list[float | None]] = [[None] * len(attention)] * len(similarity)
        else:
            percentile = reference.percentile(text, similarity).tolist()
        names = [symptoms.classes[label] for label in symptoms.labels]
        return [
            tuple(map(SymptomScore, names, symptoms.texts, *values, attention))
            for values in zip(similarity.tolist(), percentile, contribution, strict=True)
        ]


def _separation(reference: ReferenceBank, text: Tensor, label: int) -> float:
    return reference.separation(text.unsqueeze(0), label)[0]

"""Symptom reliance: does the decision depend on the symptoms, or would the class tokens decide whatever they say?"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from vip_core.models.vip import ViP
from vip_core.symptoms import SymptomSet

UNRELATED = "a wooden table"


@dataclass(frozen=True)
class Reliance:
    """What becomes of a model's predictions when its symptoms are exchanged.

    Attributes:
        n: images.
        swap_follow_rate: the share of predictions that follow when each class is given the next one's symptoms; with
            two classes, those that flip.
        probability_of_unrelated_text: the mean probability of each class when every symptom is "a wooden table".
        class_token_share: the part of the difference between the two highest logits that the class tokens make, both
            summed in absolute value over the images.
    """

    n: int
    swap_follow_rate: float
    probability_of_unrelated_text: dict[str, float]
    class_token_share: float

    def to_dict(self) -> dict[str, Any]:
        """As the JSON of cards, whose keys are older than these names."""
        return {
            "n": self.n,
            "moved_with_the_lists": self.swap_follow_rate,
            "probability_of_unrelated_text": self.probability_of_unrelated_text,
            "share_of_class_tokens": self.class_token_share,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Reliance":
        """From the JSON of `to_dict`."""
        return cls(
            data["n"],
            data["moved_with_the_lists"],
            data["probability_of_unrelated_text"],
            data["share_of_class_tokens"],
        )


@torch.inference_mode()
def symptom_reliance(vip: ViP, features: Tensor) -> Reliance:
    """Measure it on image features (n, D)."""
    symptoms = vip.symptoms
    logits, tokens = _logits(vip, features, symptoms)
    count = len(symptoms.classes)
    swapped, _ = _logits(vip, features, replace(symptoms, symptoms=(*symptoms.symptoms[1:], symptoms.symptoms[0])))
    # Class c now has the list of class c + 1: what was taken for c + 1 should be taken for c.
    follows = swapped.argmax(-1) == (logits.argmax(-1) - 1) % count
    unrelated, _ = _logits(vip, features, replace(symptoms, symptoms=((UNRELATED,),) * count))
    probabilities = (unrelated / vip.temperature).softmax(-1).mean(0).tolist()
    first, second = logits.topk(2, dim=-1).indices.T[:, :, None]
    whole, part = (values.gather(1, first) - values.gather(1, second) for values in (logits, tokens))
    return Reliance(
        n=len(features),
        swap_follow_rate=follows.float().mean().item(),
        probability_of_unrelated_text=dict(zip(symptoms.classes, probabilities, strict=True)),
        class_token_share=float(part.abs().sum() / whole.abs().sum()),
    )


def _logits(vip: ViP, features: Tensor, symptoms: SymptomSet) -> tuple[Tensor, Tensor]:
    """Logits (n, C) before the temperature, and the part of them that the class tokens make."""
    text = vip.encode_symptoms(symptoms)
    terms = vip.explain(features.to(text.device), text, symptoms.counts)
    tokens = torch.stack([term.token for term in terms], dim=-1)
    symptom = torch.stack([term.symptoms.sum(-1) for term in terms], dim=-1)
    return (tokens + symptom).cpu(), tokens.cpu()

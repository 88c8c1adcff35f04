"""Do the symptoms carry the decision, or would the class tokens decide whatever the text says?"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vip_core.models.vip import ViP
from vip_core.symptoms import SymptomSet

UNRELATED = "a wooden table"


@dataclass(frozen=True)
class Carrying:
    """What becomes of a model's predictions when its symptoms say something else.

    Attributes:
        n: images.
        moved_with_the_lists: the share of predictions that go along when each class gets the next one's symptoms; with
            two classes, those that flip.
        probability_of_unrelated_text: the mean probability of each class when every symptom is "a wooden table".
        share_of_class_tokens: of the difference between the two highest logits, the part that the class tokens make,
            both summed in absolute value over the images.
    """

    n: int
    moved_with_the_lists: float
    probability_of_unrelated_text: dict[str, float]
    share_of_class_tokens: float


@torch.inference_mode()
def carrying(vip: ViP, features: Tensor) -> Carrying:
    """Measure it on image features (n, D)."""
    symptoms = vip.symptoms
    logits, tokens = _logits(vip, features, symptoms)
    count = len(symptoms.classes)
    moved, _ = _logits(vip, features, replace(symptoms, symptoms=(*symptoms.symptoms[1:], symptoms.symptoms[0])))
    # Class c now has the list of class c + 1: what was taken for c + 1 should be taken for c.
    along = moved.argmax(-1) == (logits.argmax(-1) - 1) % count
    unrelated, _ = _logits(vip, features, replace(symptoms, symptoms=((UNRELATED,),) * count))
    probabilities = (unrelated / vip.temperature).softmax(-1).mean(0).tolist()
    first, second = logits.topk(2, dim=-1).indices.T[:, :, None]
    whole, part = (values.gather(1, first) - values.gather(1, second) for values in (logits, tokens))
    return Carrying(
        n=len(features),
        moved_with_the_lists=along.float().mean().item(),
        probability_of_unrelated_text=dict(zip(symptoms.classes, probabilities, strict=True)),
        share_of_class_tokens=float(part.abs().sum() / whole.abs().sum()),
    )


def _logits(vip: ViP, features: Tensor, symptoms: SymptomSet) -> tuple[Tensor, Tensor]:
    """Logits (n, C) before the temperature, and the class tokens' terms of them."""
    text = vip.encode_symptoms(symptoms)
    terms = vip.explain(features.to(text.device), text, symptoms.counts)
    tokens = torch.stack([term.token for term in terms], dim=-1)
    symptom = torch.stack([term.symptoms.sum(-1) for term in terms], dim=-1)
    return (tokens + symptom).cpu(), tokens.cpu()

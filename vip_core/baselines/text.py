"""Text prompts of class names: templates, and the normalised features of what they say."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from vip_core.models.backbone import Backbone
from vip_core.symptoms import SymptomSet

TEMPLATE = "a photo of a {}"
INITIAL_WORDS = "a photo of a"


def class_names(symptoms: SymptomSet) -> list[str]:
    """The names of the classes as text: underscores are spaces."""
    return [name.replace("_", " ") for name in symptoms.classes]


def modality_template(symptoms: SymptomSet) -> str:
    """ "a chest X-ray of {}", or "a photo of {}" where the kind of image is not known."""
    kind = _kind(symptoms)
    return f"{'an' if kind[0] in 'aeiouAEIOU' else 'a'} {kind} of {{}}"


def template_ensemble(symptoms: SymptomSet) -> tuple[str, ...]:
    """Ways to name a class, whose features are averaged."""
    kind = _kind(symptoms)
    return (TEMPLATE, modality_template(symptoms), f"this {kind} shows {{}}", f"{kind} with {{}}", "{}")


def _kind(symptoms: SymptomSet) -> str:
    """The kind of image, as a part of a format string."""
    return (symptoms.modality or "photo").replace("{", "{{").replace("}", "}}")


@torch.no_grad()
def template_features(backbone: Backbone, names: Sequence[str], templates: Sequence[str]) -> Tensor:
    """Unit features (C, D) of class names: the mean of the unit features of their templates, normalised again."""
    each = [F.normalize(backbone.encode_prompts([t.format(name) for name in names]), dim=-1) for t in templates]
    return F.normalize(torch.stack(each).mean(0), dim=-1)

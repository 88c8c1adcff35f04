"""Zero-shot classifiers, which nothing trains: class names in templates, or symptoms averaged."""

import torch
from torch import Tensor
from torch.nn import functional as F

from vip_core.baselines.text import class_names, modality_template, template_ensemble, template_features
from vip_core.models.backbone import Backbone
from vip_core.models.learner import PromptLearner
from vip_core.symptoms import SymptomSet


class NameZeroShot(PromptLearner):
    """CLIP's zero-shot classifier: logit_c = s * cos(x, w_c), w_c from the class name (Radford et al., ICML 2021).

    Args:
        backbone: the frozen CLIP.
        symptoms: of which the class names and the kind of image are used.
        templates: with a place {} for the name; several are averaged.
    """

    text: Tensor

    def __init__(self, backbone: Backbone, symptoms: SymptomSet, templates: tuple[str, ...]):
        super().__init__(backbone, symptoms)
        self.register_buffer("text", template_features(backbone, class_names(symptoms), templates))

    @classmethod
    def one_template(cls, backbone: Backbone, symptoms: SymptomSet) -> "NameZeroShot":
        """With the one template that names the kind of image, such as "a chest X-ray of {}"."""
        return cls(backbone, symptoms, (modality_template(symptoms),))

    @classmethod
    def ensemble(cls, backbone: Backbone, symptoms: SymptomSet) -> "NameZeroShot":
        """With the mean of several templates."""
        return cls(backbone, symptoms, template_ensemble(symptoms))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, C) of image features (B, D)."""
        return self.scale * F.normalize(images, dim=-1) @ self.text.T


class SymptomZeroShot(PromptLearner):
    """logit_c = s * mean_j cos(x, T_cj) over the symptoms of class c (Menon and Vondrick, ICLR 2023)."""

    text: Tensor

    def __init__(self, backbone: Backbone, symptoms: SymptomSet):
        super().__init__(backbone, symptoms)
        with torch.no_grad():
            text = F.normalize(backbone.encode_prompts(symptoms.texts), dim=-1)
        # The mean of cosines is the cosine with the mean of unit features, which is not normalised again.
        self.register_buffer("text", torch.stack([part.mean(0) for part in text.split(symptoms.counts)]))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, C) of image features (B, D)."""
        return self.scale * F.normalize(images, dim=-1) @ self.text.T

"""ViP with parts removed: the contribution of the context prompt, the merge prompt, its tokens and the symptoms."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vip_core.models.backbone import Backbone
from vip_core.models.learner import PromptLearner
from vip_core.models.prompts import CONTEXT_LENGTH, ContextPrompt
from vip_core.models.vip import ViP
from vip_core.symptoms import SymptomSet


class ContextOnly(PromptLearner):
    """The context prompt without the merge prompt: logit_c = s * mean_j cos(x, T_cj)."""

    def __init__(self, backbone: Backbone, symptoms: SymptomSet):
        super().__init__(backbone, symptoms)
        self.context_prompt = ContextPrompt(CONTEXT_LENGTH, backbone.text_width)
        self.to(backbone.device)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, C) of image features (B, D)."""
        text = self.encode_prompts(self.symptoms.texts, self.context_prompt(self.symptoms.counts))
        parts = F.normalize(text, dim=-1).split(self.symptoms.counts)
        mean = torch.stack([part.mean(0) for part in parts])
        return self.scale * F.normalize(images, dim=-1) @ mean.T


class MergeOnly(ViP):
    """The merge prompt over plain sentences: the symptoms have no context, and their features stay fixed."""

    def __init__(self, backbone: Backbone, symptoms: SymptomSet):
        super().__init__(backbone, symptoms)
        self.context_prompt.requires_grad_(False)
        with torch.no_grad():
            self._text = backbone.encode_prompts(symptoms.texts)

    def encode_symptoms(self, symptoms: SymptomSet | None = None) -> Tensor:
        """Features (n, D) of plain sentences."""
        if symptoms is None or symptoms == self.symptoms:
            return self._text
        return self.backbone.encode_prompts(symptoms.texts)


class TokensOnly(PromptLearner):
    """The merge prompt's tokens without any symptom: logit_c = s * cos(x, p_c), a linear probe on unit features."""

    def __init__(self, backbone: Backbone, symptoms: SymptomSet):
        super().__init__(backbone, symptoms)
        tokens = torch.empty(len(symptoms.classes), backbone.embed_dim)
        self.tokens = nn.Parameter(nn.init.normal_(tokens, std=0.02))
        self.to(backbone.device)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, C) of image features (B, D)."""
        return self.scale * F.normalize(images, dim=-1) @ F.normalize(self.tokens, dim=-1).T

"""CoOp: learnable context vectors before the class name (Zhou et al., IJCV 2022)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vip_core.baselines.text import INITIAL_WORDS, class_names
from vip_core.models.backbone import Backbone
from vip_core.models.learner import PromptLearner
from vip_core.models.prompts import CONTEXT_LENGTH
from vip_core.symptoms import SymptomSet


class CoOp(PromptLearner):
    """logit_c = s * cos(x, g([SOS][V1..VM][name_c].[EOS])); V is trained.

    Args:
        backbone: the frozen CLIP.
        symptoms: of which the class names are used.
        class_context: one set of vectors per class (C, M, W) instead of one for all (M, W).
        words: the vectors start as the embeddings of these words, which set M; None: M = 4 from N(0, 0.02).
    """

    def __init__(self, backbone: Backbone, symptoms: SymptomSet, class_context: bool = False, words: str | None = None):
        super().__init__(backbone, symptoms)
        self.names = class_names(symptoms)
        if words is None:
            start = torch.empty(CONTEXT_LENGTH, backbone.text_width)
            shape = (len(self.names), *start.shape) if class_context else start.shape
            start = nn.init.normal_(torch.empty(shape), std=0.02)
        else:
            start = backbone.word_embeddings(words).detach().clone()  # (M, W)
            start = start.repeat(len(self.names), 1, 1) if class_context else start
        self.context = nn.Parameter(start)
        self.to(backbone.device)

    @classmethod
    def per_class(cls, backbone: Backbone, symptoms: SymptomSet) -> "CoOp":
        """With class-specific context (CSC)."""
        return cls(backbone, symptoms, class_context=True)

    @classmethod
    def from_words(cls, backbone: Backbone, symptoms: SymptomSet) -> "CoOp":
        """Started at "a photo of a"."""
        return cls(backbone, symptoms, words=INITIAL_WORDS)

    def text_features(self) -> Tensor:
        """Unit features (C, D) of the classes."""
        return F.normalize(self.encode_prompts(self.names, self.context), dim=-1)

    def logits(self, images: Tensor, text: Tensor) -> Tensor:
        """Logits (B, C) of image features (B, D) with unit features (C, D) of the classes."""
        return self.scale * F.normalize(images, dim=-1) @ text.T

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, C) of image features (B, D)."""
        return self.logits(images, self.text_features())

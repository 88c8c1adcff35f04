"""CoCoOp: CoOp's context, shifted for each image (Zhou et al., CVPR 2022)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vip_core.baselines.text import class_names
from vip_core.models.backbone import Backbone
from vip_core.models.learner import PromptLearner
from vip_core.models.prompts import CONTEXT_LENGTH
from vip_core.symptoms import SymptomSet


class CoCoOp(PromptLearner):
    """logit_c(x) = s * cos(x, g([SOS][V + pi(x)][name_c].[EOS])), pi(x) = W2 relu(W1 x + b1) + b2 on the unit feature.

    One shift (W,) is added to all M vectors, the same for all classes. W1: D to D / 16, W2: D / 16 to W. The text is
    encoded anew for every image, B * C prompts per batch.
    """

    def __init__(self, backbone: Backbone, symptoms: SymptomSet):
        super().__init__(backbone, symptoms)
        self.names = class_names(symptoms)
        dimension, hidden = backbone.embed_dim, max(1, backbone.embed_dim // 16)
        self.context = nn.Parameter(nn.init.normal_(torch.empty(CONTEXT_LENGTH, backbone.text_width), std=0.02))
        self.shift = nn.Sequential(nn.Linear(dimension, hidden), nn.ReLU(), nn.Linear(hidden, backbone.text_width))
        self.to(backbone.device)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, C) of image features (B, D)."""
        x = F.normalize(images, dim=-1)
        contexts = self.context + self.shift(x).unsqueeze(1)  # (B, M, W)
        contexts = contexts.repeat_interleave(len(self.names), dim=0)  # (B C, M, W)
        text = self.encode_prompts(self.names * len(x), contexts)  # (B C, D)
        text = F.normalize(text, dim=-1).view(len(x), len(self.names), -1)  # (B, C, D)
        return self.scale * torch.einsum("bd,bcd->bc", x, text)

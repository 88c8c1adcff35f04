"""CLIP-Adapter: a small residual network on image features (Gao et al., IJCV 2024)."""

from torch import Tensor, nn
from torch.nn import functional as F

from vip_core.baselines.text import class_names, modality_template, template_features
from vip_core.models.backbone import Backbone
from vip_core.models.learner import PromptLearner
from vip_core.symptoms import SymptomSet

RATIO = 0.2


class ClipAdapter(PromptLearner):
    """x' = r A(x) + (1 - r) x, A(x) = relu(W2 relu(W1 x)), D to D / 4 to D without biases; logit_c = s * cos(x', w_c).

    The input is the feature as the tower gives it, and w_c the frozen feature of one template. r = 0.2.
    """

    text: Tensor

    def __init__(self, backbone: Backbone, symptoms: SymptomSet, ratio: float = RATIO):
        super().__init__(backbone, symptoms)
        dimension, hidden = backbone.embed_dim, max(1, backbone.embed_dim // 4)
        self.ratio = ratio
        self.down = nn.Linear(dimension, hidden, bias=False)
        self.up = nn.Linear(hidden, dimension, bias=False)
        text = template_features(backbone, class_names(symptoms), (modality_template(symptoms),))
        self.register_buffer("text", text)  # (C, D)
        self.to(backbone.device)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, C) of image features (B, D)."""
        adapted = self.up(self.down(images).relu()).relu()
        x = F.normalize(self.ratio * adapted + (1 - self.ratio) * images, dim=-1)
        return self.scale * x @ self.text.T

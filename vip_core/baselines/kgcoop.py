"""KgCoOp: CoOp that stays near the hand-written prompt (Yao et al., CVPR 2023)."""

from torch import Tensor
from torch.nn import functional as F

from vip_core.baselines.coop import CoOp
from vip_core.baselines.text import INITIAL_WORDS, class_names, modality_template, template_features
from vip_core.models.backbone import Backbone
from vip_core.symptoms import SymptomSet

WEIGHT = 8.0


class KgCoOp(CoOp):
    """CoOp from "a photo of a", with the loss CE + 8 (1 - mean_c cos(w_c, w0_c)); w0_c is the feature of a template."""

    text: Tensor

    def __init__(self, backbone: Backbone, symptoms: SymptomSet, weight: float = WEIGHT):
        super().__init__(backbone, symptoms, words=INITIAL_WORDS)
        self.weight = weight
        text = template_features(backbone, class_names(symptoms), (modality_template(symptoms),))
        self.register_buffer("text", text)  # (C, D)

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy and the distance from the hand-written prompt."""
        text = self.text_features()
        distance = 1 - (text * self.text).sum(-1).mean()
        return F.cross_entropy(self.logits(images, text), labels) + self.weight * distance

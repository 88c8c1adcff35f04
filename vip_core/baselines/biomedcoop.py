"""BiomedCoOp: CoOp that is kept near sentences of a language model about each class (Koleilat et al., CVPR 2025)."""

import torch
from torch import Tensor
from torch.nn import functional as F

from vip_core.baselines.coop import CoOp
from vip_core.baselines.text import INITIAL_WORDS
from vip_core.models.backbone import Backbone
from vip_core.symptoms import SymptomSet

CONSISTENCY, DISTILLATION, TAU = 0.5, 0.5, 1.5


class BiomedCoOp(CoOp):
    """CoOp started at "a photo of a", with the loss CE + l1 * MSE(w_c, mean of T_c) + l2 * KL(zero-shot || logits).

    Both added terms use frozen features T (C, N, D) of N sentences per class. The published method asks a language
    model for 50; here they are the symptoms, the shorter lists repeated to the length of the longest. For a new data
    set the authors' weights are l1 = l2 = 0.5 and tau = 1.5.

    For the distillation, sentence numbers are selected per batch: number n scores the mean over the batch of
    max_c s * cos(x, T_cn), and is kept where the z-score of its score over the numbers is at most tau.
    """

    sentences: Tensor

    def __init__(
        self,
        backbone: Backbone,
        symptoms: SymptomSet,
        consistency: float = CONSISTENCY,
        distillation: float = DISTILLATION,
        tau: float = TAU,
    ):
        super().__init__(backbone, symptoms, words=INITIAL_WORDS)
        self.consistency, self.distillation, self.tau = consistency, distillation, tau
        number = max(symptoms.counts)
        repeated = [lines[i % len(lines)] for lines in symptoms.symptoms for i in range(number)]
        with torch.no_grad():
            sentences = F.normalize(backbone.encode_prompts(repeated), dim=-1)
        self.register_buffer("sentences", sentences.view(len(symptoms.classes), number, -1))  # (C, N, D), normalised

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy, consistency and distillation."""
        text = self.text_features()
        logits = self.logits(images, text)
        anchor = F.normalize(self.sentences.mean(1), dim=-1)  # (C, D)
        teacher = self.zero_shot(images)
        kl = F.kl_div(logits.log_softmax(-1), teacher.log_softmax(-1), reduction="sum", log_target=True)
        return (
            F.cross_entropy(logits, labels)
            + self.consistency * F.mse_loss(text, anchor)
            + self.distillation * kl / logits.numel()
        )

    @torch.no_grad()
    def zero_shot(self, images: Tensor) -> Tensor:
        """Logits (B, C) of image features (B, D) with the mean of the sentences that are selected for the batch."""
        x = F.normalize(images, dim=-1)
        scores = (self.scale * torch.einsum("bd,cnd->bcn", x, self.sentences)).amax(1).mean(0)  # (N,)
        spread = scores.std(correction=0)
        kept = ((scores - scores.mean()).abs() <= self.tau * spread) | (spread == 0)
        return self.logits(images, F.normalize(self.sentences[:, kept].mean(1), dim=-1))

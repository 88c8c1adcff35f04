"""Bayesian prompt learning: a Gaussian over a shift of CoOp's context (Derakhshani et al., ICCV 2023)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vip_core.baselines.text import class_names
from vip_core.models.backbone import Backbone
from vip_core.models.learner import PromptLearner
from vip_core.models.prompts import CONTEXT_LENGTH
from vip_core.symptoms import SymptomSet

SAMPLES = 10
KL_WEIGHT = 0.001


class BayesianPrompts(PromptLearner):
    """r_l = mu + eps_l * exp(rho / 2); p = mean over l of softmax_c(s * cos(x, g([SOS][V + r_l][name_c].[EOS]))).

    The logits are log p, so the loss is the negative log-likelihood, plus 0.001 times the mean over the W dimensions of
    KL(N(mu, exp(rho)) || N(0, I)). V is a point estimate. mu and rho are learned as they are (`coopvpt` in the public
    code, any batch size), or come from the image (`ConditionalBayesianPrompts`, the form that the ViP paper compares).

    Every step of training draws new samples, from the number of the step alone, so that a resumed run draws what an
    uninterrupted one does; they are the same under every seed. Prediction always uses the samples of step 0.
    """

    step: Tensor

    def __init__(self, backbone: Backbone, symptoms: SymptomSet):
        super().__init__(backbone, symptoms)
        self.names = class_names(symptoms)
        width = backbone.text_width
        self.context = nn.Parameter(nn.init.normal_(torch.empty(CONTEXT_LENGTH, width), std=0.02))
        self.samples = SAMPLES
        self.register_buffer("step", torch.zeros((), dtype=torch.long))
        self._add_distribution(width)
        self.to(backbone.device)

    def _add_distribution(self, width: int) -> None:
        self.mean = nn.Parameter(torch.zeros(1, width))
        self.log_variance = nn.Parameter(torch.rand(1, width))

    def distribution(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance (1 or B, W) of the shift, for unit image features (B, D)."""
        return self.mean, self.log_variance

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, C), which are log-probabilities, of image features (B, D)."""
        return self._log_probabilities(images, *self.distribution(F.normalize(images, dim=-1)))

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """Negative log-likelihood and the KL term."""
        self.step += 1
        mean, log_variance = self.distribution(F.normalize(images, dim=-1))
        likelihood = self._log_probabilities(images, mean, log_variance)
        kl = (log_variance.exp() + mean**2 - 1 - log_variance).mean() / 2
        return F.nll_loss(likelihood, labels) + KL_WEIGHT * kl

    def _log_probabilities(self, images: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
        x, classes = F.normalize(images, dim=-1), len(self.names)
        step = int(self.step) if self.training else 0
        generator = torch.Generator().manual_seed(step)
        noise = torch.randn(self.samples, mean.shape[-1], generator=generator).to(mean.device)  # (L, W)
        shift = mean.unsqueeze(1) + noise * (log_variance.unsqueeze(1) / 2).exp()  # (1 or B, L, W)
        contexts = (self.context + shift.unsqueeze(2)).flatten(0, 1)  # (1 or B times L, M, W)
        text = self.encode_prompts(self.names * len(contexts), contexts.repeat_interleave(classes, dim=0))
        text = F.normalize(text, dim=-1).view(len(mean), self.samples, classes, -1)  # (1 or B, L, C, D)
        cosines = torch.einsum("bd,blcd->blc", x, text.expand(len(x), -1, -1, -1))
        return (self.scale * cosines).log_softmax(-1).logsumexp(1) - math.log(self.samples)  # (B, C)


class ConditionalBayesianPrompts(BayesianPrompts):
    """The same with mean and log-variance from two networks of the unit image feature (`cocoopvpt`, the paper's form).

    Each is Linear(D, D/2), ELU, Linear(D/2, D/2), ELU, Linear(D/2, W). The public code runs it with batches of 1; here
    any batch works, as each image has its own distribution and all share the noise.
    """

    def _add_distribution(self, width: int) -> None:
        dimension = self.backbone.embed_dim
        self.mean_network, self.log_variance_network = (_network(dimension, width) for _ in range(2))

    def distribution(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance (B, W) of the shift, for unit image features (B, D)."""
        return self.mean_network(x), self.log_variance_network(x)


def _network(dimension: int, width: int) -> nn.Sequential:
    hidden = max(1, dimension // 2)
    return nn.Sequential(
        nn.Linear(dimension, hidden), nn.ELU(), nn.Linear(hidden, hidden), nn.ELU(), nn.Linear(hidden, width)
    )

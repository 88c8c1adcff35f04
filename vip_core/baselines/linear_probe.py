"""The linear probe: L2 logistic regression on image features, by the protocol of CLIP and CoOp."""

import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from vip_core.models.backbone import Backbone
from vip_core.models.learner import PromptLearner
from vip_core.symptoms import SymptomSet

COARSE = (1e6, 1e4, 1e2, 1.0, 1e-2, 1e-4, 1e-6)
HALVINGS = 8
MAX_ITERATIONS = 1000


class LinearProbe(PromptLearner):
    """logits = x W^T + b on features as the tower gives them (Radford et al., ICML 2021, appendix A.3).

    The inverse regularisation C is chosen by validation accuracy: a coarse grid, then eight halvings, in log10, of the
    interval from a tenth to ten times the best, each time towards the better end. Trained on the evaluation view.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, backbone: Backbone, symptoms: SymptomSet):
        super().__init__(backbone, symptoms)
        classes = len(symptoms.classes)
        self.register_buffer("weight", torch.zeros(classes, backbone.embed_dim))
        self.register_buffer("bias", torch.zeros(classes))
        self.inverse_regularisation = 0.0  # as chosen

    @property
    def parameter_count(self) -> int:
        """C (D + 1), although they are not trained by gradient steps here."""
        return self.weight.numel() + self.bias.numel()

    def prepare(self, features: Tensor, labels: Tensor) -> None:
        """Keep the evaluation view of the training images."""
        self._train = features[:, 0].double().numpy(), labels.numpy()

    def finish(self, features: Tensor, labels: Tensor) -> None:
        """Choose C on validation images, and keep the regression of that C."""
        x, y = features.double().numpy(), labels.numpy()
        tried: dict[float, tuple[float, LogisticRegression]] = {}

        def accuracy(inverse: float) -> float:
            if inverse not in tried:
                fitted = fit_probe(*self._train, inverse)
                tried[inverse] = float(np.mean(fitted.predict(x) == y)), fitted
            return tried[inverse][0]

        best = max(COARSE, key=accuracy)
        low, high = np.log10(best) - 1, np.log10(best) + 1
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            if accuracy(10**low) >= accuracy(10**high):
                high = middle
            else:
                low = middle
        self.inverse_regularisation = max(tried, key=accuracy)
        self._keep(tried[self.inverse_regularisation][1])
        del self._train

    def _keep(self, fitted: LogisticRegression) -> None:
        weight, bias = (torch.from_numpy(values) for values in (fitted.coef_, fitted.intercept_))
        self.weight.zero_()
        self.bias.zero_()
        rows = fitted.classes_.tolist()
        if len(rows) == 2:  # scikit-learn keeps one row for two classes
            self.weight[rows[1]], self.bias[rows[1]] = weight[0], bias[0]
        else:
            self.weight[rows], self.bias[rows] = weight.float(), bias.float()

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, C) of image features (B, D), not normalised."""
        return images @ self.weight.T + self.bias


def fit_probe(x: NDArray, y: NDArray, inverse: float) -> LogisticRegression:
    """L2 logistic regression by L-BFGS, of at most 1000 iterations."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the protocol stops there; validation judges the result
        return LogisticRegression(C=inverse, max_iter=MAX_ITERATIONS).fit(x, y)

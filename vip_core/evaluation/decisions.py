"""The value of decisions: predictive values and net benefit, at the images' own prevalence or at a stated one."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

THRESHOLDS = np.round(np.arange(0.01, 1.0, 0.01), 2)


def rates(called: NDArray, positive: NDArray, weights: NDArray | None = None) -> tuple[float, float]:
    """Sensitivity and specificity of calls (n,); NaN for a class without images."""
    times = np.ones(len(called)) if weights is None else weights
    hits, sick = (times * (called & positive)).sum(), (times * positive).sum()
    spared, well = (times * (~called & ~positive)).sum(), (times * ~positive).sum()
    return (float(hits / sick) if sick else np.nan), (float(spared / well) if well else np.nan)


def predictive_values(sensitivity: float, specificity: float, prevalence: float) -> tuple[float, float]:
    """PPV and NPV at a prevalence, by Bayes' theorem; NaN where nothing would be called, or nothing spared."""
    hits, false_alarms = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    spared, missed = specificity * (1 - prevalence), (1 - sensitivity) * prevalence
    ppv = hits / (hits + false_alarms) if hits + false_alarms > 0 else np.nan
    npv = spared / (spared + missed) if spared + missed > 0 else np.nan
    return float(ppv), float(npv)


def net_benefit(sensitivity: float, specificity: float, prevalence: float, threshold: float) -> float:
    """True positives less false ones weighted by the odds of the threshold, per person (Vickers and Elkin, 2006).

    Treating nobody has a net benefit of 0; treating all has that of sensitivity 1 and specificity 0.
    """
    return sensitivity * prevalence - (1 - specificity) * (1 - prevalence) * threshold / (1 - threshold)


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit over thresholds (T,), of the model and of treating all; treating nobody gives 0 everywhere."""

    prevalence: float
    thresholds: NDArray
    model: NDArray
    treat_all: NDArray

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "prevalence": self.prevalence,
            "thresholds": self.thresholds.tolist(),
            "model": self.model.tolist(),
            "treat_all": self.treat_all.tolist(),
        }

    def at(self, threshold: float) -> float:
        """The model's net benefit at the nearest threshold of the curve."""
        return float(self.model[np.abs(self.thresholds - threshold).argmin()])


def decision_curve(probability: NDArray, positive: NDArray, prevalence: float | None = None) -> DecisionCurve | None:
    """The decision curve of probabilities (n,) of the positive class; None where all images are of one class.

    prevalence: of the positive class where decisions are made; that of the images by default. The images of each class
    then count for as much as they would there.
    """
    sick = float(positive.mean())
    if sick in (0.0, 1.0):
        return None
    prevalence = sick if prevalence is None else prevalence
    both = [rates(probability >= threshold, positive) for threshold in THRESHOLDS]
    model = [net_benefit(*pair, prevalence, t) for pair, t in zip(both, THRESHOLDS, strict=True)]
    everyone = [net_benefit(1.0, 0.0, prevalence, t) for t in THRESHOLDS]
    return DecisionCurve(prevalence, THRESHOLDS, np.array(model), np.array(everyone))

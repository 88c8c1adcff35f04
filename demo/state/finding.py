"""What is said of the finding: its probability, at the prevalence of a clinic if wanted, and its screening side."""

import math
from dataclasses import dataclass
from typing import Any

from vip_core.evaluation.decisions import predictive_values
from vip_core.utils.priors import shift_prior

from .diagnosis import DiagnosisView
from .task_view import mix

Json = dict[str, Any]


@dataclass(frozen=True)
class FindingAnswer:
    """The answer of a task that is for one finding.

    Attributes:
        name: the finding.
        as_calibrated: its probability in the mix of the validation images.
        probability: the same at the prevalence; without one, as calibrated.
        prevalence: of the finding in the clinic, or None.
        screening: the screening point, on the scale of `probability`; None where the task or the method has none.
        called: the class that the model names at one half.
        values: of each cut-off, "screening" and "half", positive and negative predictive value at the prevalence.
    """

    name: str
    as_calibrated: float
    probability: float
    prevalence: float | None
    screening: float | None
    called: str
    values: dict[str, tuple[float | None, float | None]]

    @property
    def side(self) -> str | None:
        """Of the screening point: "above" or "below"."""
        if self.screening is None:
            return None
        return "above" if self.probability >= self.screening else "below"

    def to_dict(self) -> Json:
        """The answer as JSON."""
        predictive = {kind: {"ppv": ppv, "npv": npv} for kind, (ppv, npv) in self.values.items()}
        return {
            "finding": self.name,
            "probability": self.probability,
            "probability_as_calibrated": self.as_calibrated,
            "prevalence": self.prevalence,
            "screening_point": self.screening,
            "side_of_screening_point": self.side,
            "class_at_one_half": self.called,
            "predictive_values": predictive,
        }


def finding_answer(view: DiagnosisView, prevalence: float | None = None) -> FindingAnswer | None:
    """The answer of a view; None for a refused image, and where the task is not for one finding."""
    name, task = view.finding, view.task
    if name is None or not view.in_domain:
        return None
    known = mix(task.predictor.vip.card, task.classes, task.classes.index(name))
    prevalence = prevalence if known and known < 1 else None

    def here(probability: float) -> float:
        if prevalence is None or known is None:
            return probability
        shares = (known, 1 - known), (prevalence, 1 - prevalence)
        return float(shift_prior([probability, 1 - probability], *shares)[0])  # type: ignore[arg-type]

    own = view.diagnosis.probabilities[name]
    at = view.cutoffs.get("screening")
    other = next(each for each in task.classes if each != name)
    values = (
        {}
        if prevalence is None
        else {
            kind: _worth(cutoff, prevalence)
            for kind, cutoff in view.cutoffs.items()
            if cutoff["found"] is not None and cutoff["false_alarms"] is not None
        }
    )
    screening = None if at is None else here(at["at"])
    return FindingAnswer(name, own, here(own), prevalence, screening, name if own >= 0.5 else other, values)


def _worth(cutoff: Json, prevalence: float) -> tuple[float | None, float | None]:
    """Positive and negative predictive value of a cut-off; None where nothing is called, or all."""
    ppv, npv = predictive_values(cutoff["found"], 1 - cutoff["false_alarms"], prevalence)
    return None if math.isnan(ppv) else ppv, None if math.isnan(npv) else npv

"""A report of an evaluation: all figures as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from vip_core import __version__
from vip_core.data.near_duplicates import Pair
from vip_core.evaluation.comparison import Test
from vip_core.evaluation.intervals import Estimate
from vip_core.evaluation.measure import Evaluation
from vip_core.evaluation.positive_class import PositiveClass
from vip_core.evaluation.referral import Referral
from vip_core.evaluation.subgroups import Subgroup, SymptomLabel


@dataclass(frozen=True)
class Report:
    """Everything measured in one evaluation.

    Attributes:
        model, data, split: what was measured on what, in words.
        evaluation: of the class with the highest probability.
        positive: figures of the positive class.
        subgroups: by the requested columns.
        symptoms: of those that a column labels.
        referral: of the images on which views or wordings disagree, if requested.
        near_duplicates: pairs of images of this split and another that look the same; None if not looked for.
        comparison: tests against the model `compared_with`.
        settings: of the command, for the record.
    """

    model: str
    data: str
    split: str
    evaluation: Evaluation
    positive: PositiveClass
    subgroups: list[Subgroup] = field(default_factory=list)
    symptoms: list[SymptomLabel] = field(default_factory=list)
    referral: Referral | None = None
    near_duplicates: list[Pair] | None = None
    comparison: list[Test] = field(default_factory=list)
    compared_with: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As the JSON of `evaluate --json`: the evaluation's own keys first, then what was asked for beside."""
        result = self.evaluation.to_dict()
        result["positive_class"] = self.positive.to_dict()
        if self.subgroups:
            result["subgroups"] = [group.to_dict() for group in self.subgroups]
        if self.symptoms:
            result["labelled_symptoms"] = [symptom.to_dict() for symptom in self.symptoms]
        if self.referral is not None:
            result["referral"] = self.referral.to_dict()
        if self.near_duplicates is not None:
            pairs = [[str(pair.first), str(pair.second), pair.distance] for pair in self.near_duplicates]
            result["near_duplicates"] = {"n": len(pairs), "pairs": pairs}
        if self.comparison:
            tests = [test.to_dict() for test in self.comparison]
            result["comparison"] = {"with": self.compared_with, "tests": tests}
        return result

    def figures(self) -> list[tuple[str, Estimate | None]]:
        """Names and values of the main figures, in the order of a table."""
        metrics, positive = self.evaluation.metrics, self.positive
        found: list[tuple[str, Estimate | None]] = [
            ("AUROC" if len(metrics.classes) == 2 else "AUROC, mean of the classes", metrics.auroc),
            *((f"AUROC of {name}", value) for name, value in metrics.auroc_by_class.items()),
            (f"average precision (AUPRC) of {positive.name}", positive.auprc),
            ("accuracy", metrics.accuracy),
            ("balanced accuracy", metrics.balanced_accuracy),
            ("F1, mean of the classes", metrics.f1_macro),
            *((f"recall of {name}", value) for name, value in metrics.recall.items()),
            ("Brier score", positive.brier),
            (f"calibration slope of {positive.name} (1 is right)", positive.slope),
            (f"calibration intercept of {positive.name} (0 is right)", positive.intercept),
        ]
        if moved := self.evaluation.at_threshold:
            at = f"with {positive.name} called from {moved.thresholds[positive.name]:.3f}"
            found += [(f"recall of {name}, {at}", value) for name, value in moved.metrics.recall.items()]
        if at_prevalence := positive.at_prevalence:
            where = f"of {positive.name} at a prevalence of {at_prevalence.prevalence:g}"
            found += [(f"PPV {where}", at_prevalence.ppv), (f"NPV {where}", at_prevalence.npv)]
            if at_prevalence.corrected_curve is not None:
                found += [
                    (f"PPV {where}, prior corrected", at_prevalence.corrected_ppv),
                    (f"NPV {where}, prior corrected", at_prevalence.corrected_npv),
                ]
        if self.referral is not None:
            found += [
                ("share of images not referred to a person", self.referral.coverage),
                ("accuracy on images not referred", self.referral.accuracy_kept),
                ("accuracy on images referred", self.referral.accuracy_referred),
            ]
        return found

    @property
    def written_by(self) -> str:
        """Version and day, for the foot of a page."""
        return f"vip_core {__version__}, {date.today().isoformat()}"

"""The result for one image as plain data: Diagnosis, and SymptomScore for each symptom."""

from dataclasses import dataclass
from typing import Any

from vip_core.models.reference import DomainCheck


@dataclass(frozen=True)
class SymptomScore:
    """How strongly one symptom is seen in an image.

    Attributes:
        class_name: the class that it belongs to.
        symptom: its text, as typed.
        similarity: cosine of the image with the symptom's text feature under the trained context.
        percentile: percentage of the reference images less similar than this one; None without a reference bank,
            or with one of fewer than 20 images.
        contribution: its term of the logit of its class.
        attention: its weight in the merge of its class; the weights of a class sum to 1.
    """

    class_name: str
    symptom: str
    similarity: float
    percentile: float | None
    contribution: float
    attention: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        values = dict(vars(self))
        return {"class": values.pop("class_name"), **values}


@dataclass(frozen=True)
class Diagnosis:
    """The result for one image.

    Attributes:
        prediction: the class of the highest logit.
        probabilities: per class, softmax(logits / temperature).
        logits: per class, before the temperature: class_terms[c] plus the contributions of c's symptoms.
        class_terms: per class, the class token's term of the logit.
        symptoms: one score per symptom, class after class.
        domain: whether the image resembles the reference images; None without a reference bank.
        calibrated: whether the probabilities are those of a trained model under the symptoms that its temperature was
            fitted with. False for edited symptoms and for zero-shot.
        prevalence: per class, the share that the probabilities were corrected for; None if they were not.
        remarks: sentences on where the image reader departed from what the file asks; see `read_image`.
    """

    prediction: str
    probabilities: dict[str, float]
    logits: dict[str, float]
    class_terms: dict[str, float]
    symptoms: tuple[SymptomScore, ...]
    domain: DomainCheck | None
    calibrated: bool = False
    prevalence: dict[str, float] | None = None
    remarks: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON: what `python -m vip_core.score --json` prints."""
        return {
            "prediction": self.prediction,
            "probabilities": dict(self.probabilities),
            "logits": dict(self.logits),
            "class_terms": dict(self.class_terms),
            "symptoms": [symptom.to_dict() for symptom in self.symptoms],
            "domain": None if self.domain is None else dict(vars(self.domain)),
            "calibrated": self.calibrated,
            **({} if self.prevalence is None else {"prevalence": dict(self.prevalence)}),
            **({"remarks": list(self.remarks)} if self.remarks else {}),
        }

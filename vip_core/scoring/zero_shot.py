"""ZeroShot: a diagnosis by a Backbone as it is, without training, from plain sentences."""

import torch
from torch import Tensor
from torch.nn import functional as F

from vip_core.models.backbone import Backbone
from vip_core.models.reference import ReferenceBank
from vip_core.models.vip import Terms
from vip_core.scoring.predictor import Diagnosis, LineCache, assemble, cached_separations
from vip_core.symptoms import SymptomSet


class ZeroShot:
    """Scores images by the mean similarity with the symptoms of each class (Menon and Vondrick, ICLR 2023).

        logit_c = exp(logit_scale) * mean_j cos(x, T_cj)    T_cj: feature of symptom j of class c, a plain sentence

    so a symptom's term is its cosine times the scale over their number, and there is no class term. With one prompt a
    class, as `class_prompts` gives, this is CLIP's own zero-shot classifier. The probabilities are not calibrated.

    Args:
        backbone: the CLIP.
        reference: features of known images, for percentiles and the domain check.
    """

    temperature = 1.0

    def __init__(self, backbone: Backbone, reference: ReferenceBank | None = None):
        self.backbone = backbone
        self.reference = reference
        self._lines: LineCache[Tensor] = LineCache()
        self._separations: LineCache[float] = LineCache()

    def diagnose(self, features: Tensor, symptoms: SymptomSet) -> Diagnosis:
        """Diagnosis of one image by its feature (D,). Raises SymptomError if a line cannot be a prompt."""
        return self.diagnose_all(features.unsqueeze(0), symptoms)[0]

    @torch.inference_mode()
    def diagnose_all(self, features: Tensor, symptoms: SymptomSet) -> list[Diagnosis]:
        """Diagnoses of B images by their features (B, D). Raises SymptomError as `diagnose` does."""
        text, terms = self.terms(features, symptoms)
        return assemble(features, symptoms, text, terms, self.temperature, self.reference)

    @torch.inference_mode()
    def terms(self, features: Tensor, symptoms: SymptomSet) -> tuple[Tensor, list[Terms]]:
        """Text features (n, D) of a symptom set, and the terms of the logits of B images (B, D), class by class."""
        text = self.encode_lines(symptoms)
        cosines = F.normalize(features.to(text.device), dim=-1) @ F.normalize(text, dim=-1).T  # (B, n)
        scale = self.backbone.logit_scale.exp()
        terms = []
        for similarity in cosines.split(symptoms.counts, dim=-1):  # (B, m)
            share = similarity.new_full(similarity.shape[1:], 1 / similarity.shape[1])  # (m,)
            terms.append(Terms(similarity.new_zeros(len(similarity)), scale * similarity * share, share, similarity))
        return text, terms

    def separations(self, symptoms: SymptomSet) -> list[float | None]:
        """For each line, the AUROC with which it ranks the reference images of its class above the others.

        The classes must be those of the reference bank, in its order. None for every line without one.
        """
        if self.reference is None:
            return [None] * len(symptoms.texts)
        return cached_separations(self._separations, self.reference, symptoms, self.encode_lines(symptoms))

    @torch.inference_mode()
    def encode_lines(self, symptoms: SymptomSet) -> Tensor:
        """Text features (n, D) of the lines as plain sentences; only those not met before are encoded."""
        lines = symptoms.texts
        return torch.stack(
            self._lines.get(lines, lambda rows: self.backbone.encode_prompts([lines[row] for row in rows]))
        )


def class_prompts(symptoms: SymptomSet) -> SymptomSet:
    """One prompt a class, from modality and name, as zero-shot CLIP has it: "a chest X-ray of pneumonia"."""
    kind = symptoms.modality or "photo"
    article = "an" if kind[0] in "aeiouAEIOU" else "a"
    prompts = tuple((f"{article} {kind} of {name}",) for name in symptoms.classes)
    return SymptomSet(symptoms.classes, prompts, symptoms.modality, {"kind": "class names"})

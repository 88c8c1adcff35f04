"""ZeroShot: a diagnosis by a Backbone as it is, without training, from plain sentences."""

from torch import Tensor
from torch.nn import functional as F

from vip_core.models.backbone import Backbone
from vip_core.models.reference import ReferenceBank
from vip_core.models.vip import Terms
from vip_core.scoring.scorer import Scorer
from vip_core.symptoms import SymptomSet

VOWEL_LETTERS = "AEFHILMNORSX"  # letters whose names begin with a vowel sound: an MRI, an X-ray
CONSONANT_SOUNDS = ("eu", "uni", "ure", "uri", "ute")  # spelled with a vowel, spoken with a y: a uterine scan


class ZeroShot(Scorer):
    """Scores images by the mean similarity with the symptoms of each class (Menon and Vondrick, ICLR 2023).

        logit_c = exp(logit_scale) * mean_j cos(x, T_cj)    T_cj: feature of symptom j of class c, a plain sentence

    A symptom's term is its cosine times the scale over their number, and there is no class term. With one prompt per
    class, as `class_prompts` gives, this is CLIP's own zero-shot classifier. The probabilities are not calibrated.

    Args:
        backbone: the CLIP.
        reference: features of known images, for percentiles and the domain check; its classes are those scored.
    """

    def __init__(self, backbone: Backbone, reference: ReferenceBank | None = None):
        super().__init__(backbone, reference)

    def encode_new(self, symptoms: list[tuple[int, str]]) -> Tensor:
        """Text features (k, D) of plain sentences."""
        return self.backbone.encode_prompts([text for _, text in symptoms])

    def explain(self, features: Tensor, text: Tensor, counts: list[int]) -> list[Terms]:
        """The equal shares of each class's symptoms in its logit."""
        cosines = F.normalize(features, dim=-1) @ F.normalize(text, dim=-1).T  # (B, n)
        scale = self.backbone.logit_scale.exp()
        terms = []
        for similarity in cosines.split(counts, dim=-1):  # (B, m)
            share = similarity.new_full(similarity.shape[1:], 1 / similarity.shape[1])  # (m,)
            terms.append(Terms(similarity.new_zeros(len(similarity)), scale * similarity * share, share, similarity))
        return terms


def class_prompts(symptoms: SymptomSet) -> SymptomSet:
    """One prompt per class, from modality and name, as in zero-shot CLIP: "a chest X-ray of pneumonia"."""
    kind = symptoms.modality or "photo"
    prompts = tuple((f"{article(kind)} {kind} of {name}",) for name in symptoms.classes)
    return SymptomSet(symptoms.classes, prompts, symptoms.modality, {"kind": "class names"})


def article(phrase: str) -> str:
    """The indefinite article of a kind of image: "an" X-ray, MRI or ultrasound image, "a" CT scan or US image."""
    first = phrase.replace("-", " ").split()[0]
    if first.isupper():  # an abbreviation, spoken letter by letter
        return "an" if first[0] in VOWEL_LETTERS else "a"
    first = first.lower()
    return "an" if first[0] in "aeiou" and not first.startswith(CONSONANT_SOUNDS) else "a"

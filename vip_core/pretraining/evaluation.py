"""How well a backbone's sentences rank images: what alignment is worth, measured on wordings never trained on."""

from collections import defaultdict

from sklearn.metrics import roc_auc_score
from torch import Tensor
from torch.nn import functional as F

from vip_core.pretraining.labels import Sentence


def sentence_aurocs(image_features: Tensor, text_features: Tensor, decided: Tensor) -> list[float | None]:
    """For each sentence, the AUROC with which it ranks the images it is right for above those it is wrong for.

    A sentence that denies a finding is right for the images without it, so above .5 is the right direction for all.

    Args:
        image_features: (N, D).
        text_features: (S, D).
        decided: (N, S): 1 right, -1 wrong, 0 undecided or not to count.

    Returns:
        S values; None where an image of either side is lacking.
    """
    similarity = F.normalize(image_features, dim=-1) @ F.normalize(text_features, dim=-1).T
    values: list[float | None] = []
    for column, signs in zip(similarity.T, decided.T, strict=True):
        known = signs != 0
        truth = signs[known] > 0
        both = bool(truth.any()) and not bool(truth.all())
        values.append(float(roc_auc_score(truth.numpy(), column[known].numpy())) if both else None)
    return values


def summarise(sentences: list[Sentence], values: list[float | None]) -> dict[str, float]:
    """Mean AUROC of the sentences that say a finding is present, or absent, within its own modality."""
    groups: dict[str, list[float]] = defaultdict(list)
    for sentence, value in zip(sentences, values, strict=True):
        if value is not None and sentence.finding is not None:
            groups[f"{sentence.finding} {'present' if sentence.state else 'absent'}"].append(value)
    return {name: sum(group) / len(group) for name, group in groups.items()}

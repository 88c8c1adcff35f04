"""How well a backbone's sentences rank images, measured on phrasings that were never used in training."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata, spearmanr
from torch import Tensor
from torch.nn import functional as F

from vip_core.evaluation.bootstrap import RESAMPLES, bootstrap, units
from vip_core.models.backbone import Backbone
from vip_core.pretraining.findings import ATTRIBUTES
from vip_core.pretraining.kinds import IMAGE_KINDS
from vip_core.pretraining.labels import Sentence, bank_sentences
from vip_core.pretraining.localisation import Placement, measure_placement
from vip_core.pretraining.phrases import load_phrases
from vip_core.pretraining.pixels import image_features_of
from vip_core.pretraining.sets import LabelledImage, matching
from vip_core.utils.ranking import SortedScores, auroc

JSON_KEYS = {"lay": "loose", "inverted": "wrong_way"}
WORDS = {"consolidation": True, "pneumonia": True, "opacity": True, "clear lungs": False}  # True: of pneumonia


@dataclass(frozen=True)
class Value:
    """A figure with its 95 % bootstrap interval over images, each side's resampled apart."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Ranking:
    """How the sentences of a finding rank images; above .5 is the right direction for all three.

    present: mean AUROC of the held-out phrasings that say the finding is there.
    absent: of those that deny it, which are to rank the images without it first.
    lay: lay and figurative phrasings of both kinds.
    inverted: the held-out phrasings, of either kind, whose AUROC is below .5.
    """

    positives: int
    negatives: int
    present: Value
    absent: Value
    lay: Value | None
    inverted: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON, under the keys of the files that are already written."""
        values = asdict(self)
        return {JSON_KEYS.get(name, name): value for name, value in values.items()}


@dataclass(frozen=True)
class Denials:
    """How lists of denied findings rank images without a finding (n of them) above those with it; .5 is chance.

    inverted: the lists whose AUROC lies below .5.
    """

    without: int
    with_finding: int
    value: Value
    inverted: tuple[str, ...]


@dataclass(frozen=True)
class Alignment:
    """All that is measured of a backbone on one split.

    Attributes:
        words: AUROC of single words for pneumonia against normal, in the right direction.
        paraphrases: Spearman correlation over images of two held-out phrasings that say the same, the median of all
            pairs of a finding's state.
        negation: Spearman correlation over images between a finding's presence and its denial, phrasings averaged;
            below 0 is right.
        modality: share of images for which phrasings of their own kind of image come first, before those of other
            kinds and of what is none of them.
        denials: how lists of denied findings rank images, by comparison: those without the findings are to come first.
        placement: where the evidence is, by comparison; empty where a backbone's patches have no features.
        text: agreement with the sentence encoder on sentences it never taught; empty where it was not measured.
    """

    split: str
    images: dict[str, int]
    rankings: dict[str, Ranking]
    words: dict[str, Value]
    paraphrases: dict[str, float]
    negation: dict[str, float]
    modality: dict[str, float]
    denials: dict[str, Denials] = field(default_factory=dict)
    placement: dict[str, Placement] = field(default_factory=dict)
    text: dict[str, float] = field(default_factory=dict)

    @property
    def median_paraphrase(self) -> float:
        """Over the findings' states."""
        return float(np.median(list(self.paraphrases.values())))

    @property
    def attributes(self) -> float | None:
        """Mean AUROC over the five dermoscopic attributes, said to be present; None without dermoscopy."""
        names = [comparison.name for comparison in load_phrases().comparisons if comparison.finding in ATTRIBUTES]
        values = [self.rankings[name].present.value for name in names if name in self.rankings]
        return float(np.mean(values)) if values else None

    @property
    def kinds(self) -> dict[str, float]:
        """Mean AUROC of affirmative phrasings over the comparisons of each kind of image."""
        names = {m.name: [c.name for c in m.comparisons if c.name in self.rankings] for m in load_phrases().modalities}
        return {
            kind: float(np.mean([self.rankings[name].present.value for name in measured]))
            for kind, measured in names.items()
            if measured
        }

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        summary = {"median_paraphrase": self.median_paraphrase, "mean_attributes": self.attributes}
        rankings = {name: ranking.to_dict() for name, ranking in self.rankings.items()}
        return {**asdict(self), "rankings": rankings, **summary}


def measure_alignment(
    backbone: Backbone, images: list[LabelledImage], split: str, seed: int = 0, resamples: int = RESAMPLES
) -> Alignment:
    """Measure a backbone's alignment on images of one split, with sentences that were never trained on.

    Args:
        backbone: any; of vip-mini alone it is known that these sentences were never trained on.
        images: of any kinds.
        split: its name, for the record.
        seed: of the bootstrap.
        resamples: of the bootstrap.
    """
    features = F.normalize(image_features_of(backbone, images), dim=-1)
    bank = {part: bank_sentences(load_phrases(), part) for part in ("held_out", "lay")}
    seen = {part: similarities(backbone, features, [s.text for s in sentences]) for part, sentences in bank.items()}
    rng = np.random.default_rng(seed)
    rankings = rank_images(images, bank, seen, rng, resamples)
    positives, negatives = (matching(images, {"pneumonia": state}) for state in (1, 0))
    words = similarities(backbone, features, list(WORDS))
    signs = np.array([1 if for_pneumonia else -1 for for_pneumonia in WORDS.values()])
    return Alignment(
        split=split,
        images={kind: count for kind in IMAGE_KINDS if (count := sum(image.modality == kind for image in images))},
        rankings=rankings,
        words={
            word: _value((signs * words)[:, [i]], positives, negatives, rng, resamples)
            for i, word in enumerate(WORDS)
            if positives.any()
        },
        **_agreements(images, bank["held_out"], seen["held_out"]),
        denials=rank_denials(backbone, images, features, rng, resamples),
        placement=measure_placement(backbone, images),
    )


def rank_denials(
    backbone: Backbone, images: list[LabelledImage], features: Tensor, rng: np.random.Generator, resamples: int
) -> dict[str, Denials]:
    """How the bank's lists of denied findings rank images with unit features (N, D), by comparison."""
    found = {}
    for modality in load_phrases().modalities:
        if not modality.denials:
            continue
        seen = similarities(backbone, features, list(modality.denials))
        for comparison in modality.comparisons:
            right, wrong = (matching(images, known) for known in (comparison.wrong, comparison.right))
            if comparison.name in modality.denied_in and right.any() and wrong.any():
                each = _each(seen, right, wrong)
                inverted = tuple(text for text, value in zip(modality.denials, each, strict=True) if value < 0.5)
                value = _value(seen, right, wrong, rng, resamples)
                found[comparison.name] = Denials(int(right.sum()), int(wrong.sum()), value, inverted)
    return found


def rank_images(
    images: list[LabelledImage],
    bank: Mapping[str, list[Sentence]],
    seen: Mapping[str, NDArray],
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> dict[str, Ranking]:
    """How well sentences separate images, for each comparison that has images on both sides.

    Args:
        images: N of them.
        bank: the sentences of the parts "held_out" and "lay".
        seen: similarities (N, S) of the images with the S sentences of each part.
        rng: of the bootstrap.
        resamples: of the bootstrap.
    """

    def places(part: str, finding: str, state: int) -> list[int]:
        return [i for i, s in enumerate(bank[part]) if (s.finding, s.state) == (finding, state)]

    def columns(part: str, finding: str, state: int) -> NDArray:
        return seen[part][:, places(part, finding, state)]

    rankings = {}
    for comparison in load_phrases().comparisons:
        finding = comparison.finding
        right, wrong = (matching(images, known) for known in (comparison.right, comparison.wrong))
        if not (right.any() and wrong.any()):
            continue
        present, absent = columns("held_out", finding, 1), -columns("held_out", finding, 0)
        lay = np.hstack([columns("lay", finding, 1), -columns("lay", finding, 0)])
        texts = [bank["held_out"][i].text for state in (1, 0) for i in places("held_out", finding, state)]
        each = np.concatenate([_each(present, right, wrong), _each(absent, right, wrong)])
        rankings[comparison.name] = Ranking(
            int(right.sum()),
            int(wrong.sum()),
            _value(present, right, wrong, rng, resamples),
            _value(absent, right, wrong, rng, resamples),
            _value(lay, right, wrong, rng, resamples) if lay.size else None,
            tuple(text for text, value in zip(texts, each, strict=True) if value < 0.5),
        )
    return rankings


def _agreements(images: list[LabelledImage], sentences: list[Sentence], seen: NDArray) -> dict[str, dict[str, float]]:
    """Paraphrases, negation and modality, of the similarities (N, S) of held-out sentences."""
    paraphrases, negation = {}, {}
    kinds = np.array([image.modality for image in images])
    for finding in dict.fromkeys(s.finding for s in sentences if s.finding):
        sides = {}
        for state in (1, 0):
            wanted = [i for i, s in enumerate(sentences) if (s.finding, s.state) == (finding, state)]
            if not (kinds == sentences[wanted[0]].modality).any():
                break  # no images of the kind were given
            own = seen[np.ix_(kinds == sentences[wanted[0]].modality, wanted)]
            sides[state] = own.mean(1)
            correlations = np.corrcoef(rankdata(own, axis=0), rowvar=False)  # Spearman's, of all pairs at once
            pairs = correlations[np.triu_indices(len(wanted), 1)]
            paraphrases[f"{finding} {'present' if state else 'absent'}"] = float(np.median(pairs))
        if len(sides) == 2:
            negation[finding] = float(np.asarray(spearmanr(sides[1], sides[0]))[0])
    groups = {
        kind: [i for i, s in enumerate(sentences) if s.finding is None and s.modality == kind]
        for kind in (*IMAGE_KINDS, None)
    }
    order = list(groups)
    nearest = np.stack([seen[:, wanted].mean(1) for wanted in groups.values()]).argmax(0)
    modality = {
        kind: float((nearest[kinds == kind] == order.index(kind)).mean())
        for kind in IMAGE_KINDS
        if (kinds == kind).any()
    }
    return {"paraphrases": paraphrases, "negation": negation, "modality": modality}


@torch.inference_mode()
def encode_texts(backbone: Backbone, texts: list[str], batch_size: int = 256) -> torch.Tensor:
    """Text features (n, D) of n plain sentences."""
    return torch.cat([backbone.encode_prompts(texts[i : i + batch_size]) for i in range(0, len(texts), batch_size)])


def similarities(backbone: Backbone, features: Tensor, texts: list[str]) -> NDArray:
    """Cosines (N, n) of unit image features (N, D) with plain sentences."""
    return (features @ F.normalize(encode_texts(backbone, texts).cpu(), dim=-1).T).numpy()


def _each(scores: NDArray, right: NDArray, wrong: NDArray) -> NDArray:
    """AUROC (K,) of each column of scores (N, K)."""
    return auroc(scores[right | wrong], right[right | wrong])


def _value(scores: NDArray, right: NDArray, wrong: NDArray, rng: np.random.Generator, resamples: int) -> Value:
    """Mean AUROC of the columns of scores (N, K), with its interval."""
    sides = np.flatnonzero(right), np.flatnonzero(wrong)
    truth = np.repeat([True, False], [len(side) for side in sides])
    ranking = SortedScores(scores[np.concatenate(sides)], truth)
    resampled = bootstrap(lambda weights: ranking.auroc(weights).mean(), units(~truth), rng, resamples)
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Value(float(_each(scores, right, wrong).mean()), float(low), float(high))

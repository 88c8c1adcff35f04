"""Which sentences are right, wrong or undecided for which training image."""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import torch
from torch import Tensor

from vip_core.data.sources import load_dataset
from vip_core.data.sources.isic2017 import isic2017_table
from vip_core.pretraining.phrases import PhraseBank

XRAY, DERMOSCOPY = "chest X-ray", "dermoscopy image"
ATTRIBUTES = ("pigment_network", "negative_network", "streaks", "milia_like_cyst", "globules")


@dataclass(frozen=True)
class LabelledImage:
    """An image and what is known of it. findings: 1 present, 0 absent; what is not there is unknown."""

    path: Path
    modality: str
    findings: Mapping[str, int]


@dataclass(frozen=True)
class Sentence:
    """A sentence of the bank and what makes it right: a finding's state, or, without a finding, the modality alone."""

    text: str
    modality: str | None  # None: right for no image
    finding: str | None = None
    state: int = 1

    def holds(self, image: LabelledImage) -> int:
        """1 if the sentence is right for the image, -1 if it is wrong, 0 if nothing decides it."""
        if self.modality != image.modality:
            # "No infection" is not wrong of a mole, merely beside the point; "streaks" is wrong of a chest.
            return -1 if self.state == 1 else 0
        if self.finding is None:
            return 1
        known = image.findings.get(self.finding)
        return 0 if known is None else (1 if known == self.state else -1)


def labelled_images(root: Path, split: str) -> list[LabelledImage]:
    """Chest X-rays and dermoscopy images of a split, "train" or "val", with what their labels decide.

    Kermany et al. (Cell 2018) state that bacterial pneumonia typically is a focal lobar consolidation and viral
    pneumonia a diffuse interstitial pattern in both lungs; these are tendencies of the classes, not readings of the
    radiograph. The melanocytic signs of ABCD rule and seven-point list go with the diagnosis in the same way.

    Args:
        root: a folder that holds `pneumonia/` and `isic2017/`.
        split: the validation images of the pneumonia data are those of `vip_core.data.sources`, no patient of whom is
            in train.

    Raises:
        DataError: if a data set is missing.
    """
    images = [
        LabelledImage(row.path, XRAY, _chest_findings(row.details["subtype"]))
        for row in load_dataset("pneumonia", root / "pneumonia", ("normal lung", "pneumonia")).split(split)
    ]
    return images + dermoscopy_images(root, split)


def dermoscopy_images(root: Path, split: str) -> list[LabelledImage]:
    """The dermoscopy images among them. Raises DataError if they are missing."""
    return [
        LabelledImage(image.path, DERMOSCOPY, _skin_findings(image.details))
        for image in isic2017_table(root / "isic2017")
        if image.split == split
    ]


def bank_sentences(bank: PhraseBank, part: str = "train") -> list[Sentence]:
    """The bank's sentences to train on, or those to measure with: "held_out" or "lay"."""
    sentences = [Sentence(text, None) for text in getattr(bank.other, part)]
    for modality in bank.modalities:
        sentences += [Sentence(text, modality.name) for text in getattr(modality.phrasings, part)]
        for finding in modality.findings:
            for state, phrasings in ((1, finding.present), (0, finding.absent)):
                sentences += [Sentence(text, modality.name, finding.name, state) for text in getattr(phrasings, part)]
    return sentences


def negation_pairs(bank: PhraseBank, seed: int, nouns: int = 2) -> list[Sentence]:
    """Hard negatives: sentences in which a negation, hedge or preference reverses the meaning; none is in the bank.

    A sentence encoder attends mostly to the nouns: "findings argue against a bacterial cause" is near its contrary,
    "lungs not clear" near "lungs clear", "a mole rather than melanoma" near "melanoma rather than a mole". These are
    the bank's pairs; every hedge with `nouns` of each finding's nouns; every way to prefer one finding to a
    differential diagnosis with as many nouns of both, and a finding to a mimic of it, or the mimic, with one noun. All
    are drawn at random, since the effect of such words is learnt from many nouns.
    """
    generator = random.Random(seed)
    taken = {normalise(s.text) for s in bank_sentences(bank)} | heldout_texts(bank)
    sentences = []

    def drawn(names: tuple[str, ...]) -> list[str]:
        return generator.sample(names, min(nouns, len(names)))

    for modality in bank.modalities:
        named = {finding.name: finding.nouns for finding in modality.findings}
        for finding in modality.findings:
            said = [(text, 1 - place) for pair in finding.pairs for place, text in enumerate(pair)]
            for hedges, state in ((bank.affirming, 1), (bank.denying, 0)):
                said += [(hedge.format(noun), state) for hedge in hedges for noun in drawn(finding.nouns)]
            for differential, preferring in product(finding.differentials, bank.preferring):
                both = zip(drawn(finding.nouns), drawn(named[differential]), strict=False)
                said += [(preferring.format(ours, theirs), 1) for ours, theirs in both]
            for preferring in bank.preferring:
                ours, theirs = generator.choice(finding.nouns), generator.choice(finding.mimics)
                said += [(preferring.format(ours, theirs), 1), (preferring.format(theirs, ours), 0)]
            for text, state in said:
                if normalise(text) not in taken:
                    taken.add(normalise(text))
                    sentences.append(Sentence(text, modality.name, finding.name, state))
    return sentences


def labelled_sentences(bank: PhraseBank, seed: int) -> list[Sentence]:
    """All sentences that are trained on with labels: the bank's and the negation pairs."""
    return bank_sentences(bank) + negation_pairs(bank, seed)


def heldout_texts(bank: PhraseBank) -> set[str]:
    """The normalised texts of all sentences to measure with, which no training sentence may repeat."""
    return {normalise(sentence.text) for part in ("held_out", "lay") for sentence in bank_sentences(bank, part)}


def normalise(text: str) -> str:
    """Letters, digits, signs that stand alone and single spaces, to compare two sentences."""
    return " ".join(re.findall(r"[a-z0-9ø]+|(?<!\w)[-+<>]|[-+<>](?!\w)", text.lower()))


def label_targets(images: list[LabelledImage], sentences: list[Sentence]) -> Tensor:
    """(N, S) int8: 1 right, -1 wrong, 0 undecided."""
    # Few images differ in what is known of them, so each kind is worked out once.
    kinds: dict[tuple[str, tuple[tuple[str, int], ...]], list[int]] = {}
    rows = []
    for image in images:
        kind = (image.modality, tuple(sorted(image.findings.items())))
        if kind not in kinds:
            kinds[kind] = [sentence.holds(image) for sentence in sentences]
        rows.append(kinds[kind])
    return torch.tensor(rows, dtype=torch.int8)


def same_modality(images: list[LabelledImage], sentences: list[Sentence]) -> Tensor:
    """(N, S) True where a sentence is about the image's modality."""
    kinds = {image.modality: [sentence.modality == image.modality for sentence in sentences] for image in images}
    return torch.tensor([kinds[image.modality] for image in images])


def _chest_findings(subtype: str) -> dict[str, int]:
    return {
        "pneumonia": int(subtype != "normal"),
        "bacterial": int(subtype == "bacteria"),
        "viral": int(subtype == "virus"),
    }


def _skin_findings(details: Mapping[str, str]) -> dict[str, int]:
    diagnosis = details["diagnosis"]
    findings = {name: int(details[name]) for name in ATTRIBUTES if details.get(name)}
    if details.get("melanoma"):
        findings["melanoma"] = int(float(details["melanoma"]))
    if diagnosis:
        findings["nevus"] = int(diagnosis == "nevus")
        findings["seborrheic_keratosis"] = int(diagnosis == "seborrheic_keratosis")
    if diagnosis in ("melanoma", "nevus"):
        findings["melanoma_signs"] = int(diagnosis == "melanoma")
    return findings

"""Which sentences are right, wrong or undecided for which training image."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import torch
from torch import Tensor

from vip_core.pretraining.phrases import PhraseBank
from vip_core.pretraining.sets import LabelledImage

DIFFERENTIALS = 3  # as many preferences are made for a finding with more of them
LISTS = 8  # of denied findings, per form and kind of image


@dataclass(frozen=True)
class Sentence:
    """A sentence of the bank and what makes it right: findings' state, or, without a finding, the modality alone.

    Attributes:
        text: of the sentence.
        modality: the kind of image it is about; None: right for no image.
        finding: that it is about.
        state: 1 if it says that the finding is there, 0 if it denies it.
        others: further findings that it denies.
    """

    text: str
    modality: str | None
    finding: str | None = None
    state: int = 1
    others: tuple[str, ...] = ()

    def holds(self, image: LabelledImage) -> int:
        """1 if the sentence is right for the image, -1 if it is wrong, 0 if nothing decides it."""
        if self.modality != image.modality:
            # "No infection" is not wrong of a mole, merely beside the point; "streaks" is wrong of a chest.
            return -1 if self.state == 1 else 0
        if self.finding is None:
            return 1
        known = [image.findings[name] for name in (self.finding, *self.others) if name in image.findings]
        if not known:
            return 0
        # A list of denials is wrong if one of its findings is there, and right if all that is known of are not.
        return 1 if max(known) == self.state else -1


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
    known, never = bank_sentences(bank), heldout_texts(bank)
    sentences = []

    def drawn(names: tuple[str, ...]) -> list[str]:
        return generator.sample(names, min(nouns, len(names)))

    for modality in bank.modalities:
        taken = never | {normalise(s.text) for s in known if s.modality in (modality.name, None)}
        named = {finding.name: finding.nouns for finding in modality.findings}
        for finding in modality.findings:
            said = [(text, 1 - place) for pair in finding.pairs for place, text in enumerate(pair)]
            for hedges, state in ((bank.affirming, 1), (bank.denying, 0)):
                said += [(hedge.format(noun), state) for hedge in hedges for noun in drawn(finding.nouns)]
            ways = bank.preferring
            if len(finding.differentials) > DIFFERENTIALS:
                ways = tuple(generator.sample(ways, len(ways) * DIFFERENTIALS // len(finding.differentials)))
            for differential, preferring in product(finding.differentials, ways):
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


def denial_lists(bank: PhraseBank, seed: int, taken: set[str]) -> list[Sentence]:
    """Lists of two to four denied findings, which reports are full of: right where none of them is there.

    Args:
        bank: has the findings that may be in a list, and the lists' forms.
        seed: of the draw.
        taken: normalised texts of sentences that are there already.
    """
    generator = random.Random(seed)
    sentences, taken = [], taken | heldout_texts(bank)
    for modality in bank.modalities:
        named = [finding for finding in modality.findings if finding.name in modality.listed]
        for form, _ in product(bank.lists, range(LISTS if named else 0)):
            chosen = generator.sample(named, generator.randint(2, min(4, len(named) - 1)))
            *first, last = [generator.choice(finding.nouns) for finding in chosen]
            text = form.format(", ".join(first), last)
            if normalise(text) not in taken:
                taken.add(normalise(text))
                others = tuple(finding.name for finding in chosen[1:])
                sentences.append(Sentence(text, modality.name, chosen[0].name, 0, others))
    return sentences


def labelled_sentences(bank: PhraseBank, seed: int) -> list[Sentence]:
    """All sentences that are trained on with labels: the bank's and the negation pairs."""
    sentences = bank_sentences(bank) + negation_pairs(bank, seed)
    return sentences + denial_lists(bank, seed, {normalise(sentence.text) for sentence in sentences})


def heldout_texts(bank: PhraseBank) -> set[str]:
    """The normalised texts of all sentences to measure with, which no training sentence may repeat."""
    measured = [sentence.text for part in ("held_out", "lay") for sentence in bank_sentences(bank, part)]
    return {normalise(text) for text in [*measured, *(text for m in bank.modalities for text in m.denials)]}


def normalise(text: str) -> str:
    """Letters, digits, signs that stand alone and single spaces, to compare two sentences."""
    return " ".join(re.findall(r"[a-z0-9ø]+|(?<!\w)[-+<>]|[-+<>](?!\w)", text.lower()))


@dataclass(frozen=True)
class Verdicts:
    """What S sentences are for N images, worked out once for all images of a set of which the same is known.

    Attributes:
        decided: (P, S) int8: 1 right, -1 wrong, 0 undecided.
        own: (P, S) True where a sentence is about the images' kind.
        source: (P,) the number of the images' set.
        profile: (N,) the row of each image.
    """

    decided: Tensor
    own: Tensor
    source: Tensor
    profile: Tensor


def verdicts(images: Sequence[LabelledImage], sentences: Sequence[Sentence]) -> Verdicts:
    """What sentences are for images.

    A text that several kinds of image share ("benign") is undecided for those of another kind that say it too.
    """
    examples: dict[tuple[str, str, tuple[tuple[str, int], ...]], LabelledImage] = {}
    keys = [(image.source, image.modality, tuple(sorted(image.findings.items()))) for image in images]
    for key, image in zip(keys, images, strict=True):
        examples.setdefault(key, image)
    claims: dict[Sentence, int] = {}  # sentences that differ in their text alone are decided together
    claim = [claims.setdefault(replace(sentence, text=""), len(claims)) for sentence in sentences]
    decided = torch.tensor([[each.holds(image) for each in claims] for image in examples.values()], dtype=torch.int8)
    own = torch.tensor([[each.modality == image.modality for each in claims] for image in examples.values()])
    decided, own = decided[:, claim], own[:, claim]

    saying: dict[str, set[str | None]] = {}
    for sentence in sentences:
        saying.setdefault(normalise(sentence.text), set()).add(sentence.modality)
    for column, sentence in enumerate(sentences):
        if len(kinds := saying[normalise(sentence.text)]) > 1:
            for row, image in enumerate(examples.values()):
                if image.modality in kinds and image.modality != sentence.modality:
                    decided[row, column] = 0
    sources, places = {name: None for name, _, _ in examples}, {key: place for place, key in enumerate(examples)}
    source = torch.tensor([list(sources).index(name) for name, _, _ in examples])
    return Verdicts(decided, own, source, torch.tensor([places[key] for key in keys]))

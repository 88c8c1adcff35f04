"""The phrase bank: many phrasings of each finding's presence and absence, some of them never trained on."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Phrasings:
    """Sentences that say the same thing.

    Attributes:
        train: to train on.
        held_out: never trained on: what one would type or write in a report.
        lay: never trained on either: lay or figurative phrasings, far from any report.
    """

    train: tuple[str, ...]
    held_out: tuple[str, ...]
    lay: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """A finding of a kind of image, said to be present and said to be absent.

    Attributes:
        nouns: what it is called, to put into hedges.
        pairs: sentences that share most words, the first of which says it is present and the second denies it.
        differentials: names of the findings it is weighed against.
        mimics: what else may be taken for it: names of what is none of the bank's findings.
    """

    name: str
    present: Phrasings
    absent: Phrasings
    nouns: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    differentials: tuple[str, ...]
    mimics: tuple[str, ...]


@dataclass(frozen=True)
class Modality:
    """A kind of image: what it is called, its findings, and frames with a place {} that leave a meaning alone."""

    name: str
    phrasings: Phrasings
    findings: tuple[Finding, ...]
    frames: tuple[str, ...]


@dataclass(frozen=True)
class PhraseBank:
    """All of them.

    Attributes:
        other: phrasings that describe neither kind of image.
        affirming: hedges with a place {} for a noun, which say or lean to it.
        denying: those that deny it, or lean to that.
        preferring: with places {0} and {1} for two nouns, of which they prefer the first.
        frames: with a place {} for any sentence, whose meaning they leave alone.
    """

    modalities: tuple[Modality, ...]
    other: Phrasings
    affirming: tuple[str, ...]
    denying: tuple[str, ...]
    preferring: tuple[str, ...]
    frames: tuple[str, ...]


def _phrasings(value: dict[str, list[str]]) -> Phrasings:
    return Phrasings(*(tuple(value[part]) for part in ("train", "held_out", "loose")))


@cache
def load_phrases() -> PhraseBank:
    """Read the bank that ships with the project."""
    data = json.loads((Path(__file__).parent / "phrases.json").read_text(encoding="utf-8"))
    modalities = tuple(
        Modality(
            name,
            _phrasings(modality["wordings"]),
            tuple(
                Finding(
                    finding,
                    _phrasings(sides["present"]),
                    _phrasings(sides["absent"]),
                    tuple(sides["nouns"]),
                    tuple((present, absent) for present, absent in sides["pairs"]),
                    tuple(sides.get("rivals", ())),
                    tuple(sides["mimics"]),
                )
                for finding, sides in modality["findings"].items()
            ),
            tuple(modality["frames"]),
        )
        for name, modality in data["modalities"].items()
    )
    hedges = data["hedges"]
    return PhraseBank(
        modalities,
        _phrasings(data["other"]),
        tuple(hedges["present"]),
        tuple(hedges["absent"]),
        tuple(hedges["preferring"]),
        tuple(data["frames"]),
    )

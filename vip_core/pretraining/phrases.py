"""The phrase bank: many phrasings of each finding's presence and absence, some of them never trained on."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "phrases"
FILES = ("chest_xray", "dermoscopy", "knee", "blood_cells", "breast_ultrasound", "brain_mri")  # a kind of image each


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
class Comparison:
    """Which images a finding's sentences should separate. right, wrong: what is known of either side's images."""

    name: str
    finding: str
    right: Mapping[str, int]
    wrong: Mapping[str, int]


@dataclass(frozen=True)
class Modality:
    """A kind of image.

    Attributes:
        name: of the kind.
        phrasings: what it is called.
        findings: that are seen in it.
        frames: with a place {} for a sentence about it, whose meaning they leave alone.
        comparisons: that its findings' sentences are measured with.
        denials: lists of denied findings, never trained on.
        denied_in: names of the comparisons whose wrong side such a list is true of.
        listed: names of the findings that lists of denials to train on are made of.
    """

    name: str
    phrasings: Phrasings
    findings: tuple[Finding, ...]
    frames: tuple[str, ...]
    comparisons: tuple[Comparison, ...] = ()
    denials: tuple[str, ...] = ()
    denied_in: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()


@dataclass(frozen=True)
class PhraseBank:
    """All of them.

    Attributes:
        other: phrasings that describe no kind of image in the bank.
        affirming: hedges with a place {} for a noun, which say or lean to it.
        denying: those that deny it, or lean to that.
        preferring: with places {0} and {1} for two nouns, of which they prefer the first.
        frames: with a place {} for any sentence, whose meaning they leave alone.
        lists: with places {0} for nouns and {1} for the last of them, all of which they deny.
    """

    modalities: tuple[Modality, ...]
    other: Phrasings
    affirming: tuple[str, ...]
    denying: tuple[str, ...]
    preferring: tuple[str, ...]
    frames: tuple[str, ...]
    lists: tuple[str, ...] = ()

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Those of all kinds of image."""
        return tuple(comparison for modality in self.modalities for comparison in modality.comparisons)


@cache
def load_phrases() -> PhraseBank:
    """Read the bank that ships with the project: a file for each kind of image, and one for what is common to them."""
    general = _read("general")
    hedges = general["hedges"]
    return PhraseBank(
        tuple(_modality(_read(name)) for name in FILES),
        _phrasings(general["other"]),
        tuple(hedges["present"]),
        tuple(hedges["absent"]),
        tuple(hedges["preferring"]),
        tuple(general["frames"]),
        tuple(general["lists"]),
    )


def _read(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def _phrasings(value: dict[str, list[str]]) -> Phrasings:
    return Phrasings(*(tuple(value[part]) for part in ("train", "held_out", "loose")))


def _modality(data: dict[str, Any]) -> Modality:
    findings = tuple(
        Finding(
            name,
            _phrasings(sides["present"]),
            _phrasings(sides["absent"]),
            tuple(sides["nouns"]),
            tuple((present, absent) for present, absent in sides["pairs"]),
            tuple(sides.get("rivals", ())),
            tuple(sides["mimics"]),
        )
        for name, sides in data["findings"].items()
    )
    return Modality(
        data["name"],
        _phrasings(data["wordings"]),
        findings,
        tuple(data["frames"]),
        tuple(Comparison(**comparison) for comparison in data.get("comparisons", ())),
        tuple(data.get("denials", ())),
        tuple(data.get("denied_in", ())),
        tuple(data.get("listed", ())),
    )

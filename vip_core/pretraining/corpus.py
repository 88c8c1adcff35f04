"""The text that the text tower is distilled on: medical sentences, their fragments and their words."""

import random
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

from vip_core.errors import DataError

TEXT_FILES = ("medquad_sentences.txt", "roco_captions.txt", "ontology_definitions.txt")
MAX_WORDS = 32  # nobody writes a longer symptom, and short text is quick to learn
WORD = re.compile(r"[a-z][a-z'-]{2,}")
FRAMES = (
    "{} is seen",
    "there is {}",
    "{} noted",
    "{} present",
    "{} may be present",
    "the image shows {}",
    "evidence of {}",
    "no {}",
    "no evidence of {}",
    "without {}",
    "{} not identified",
    "lack of {}",
    "mild {}",
    "marked {}",
    "possible {}",
    "{} on the left",
    "{} in both",
    "{}.",
)
DENIALS = ("no {}", "without {}", "absence of {}", "{} is not seen", "there is no {}")


def read_corpus(root: Path, dev_every: int = 100) -> tuple[list[str], list[str]]:
    """Read sentences to distil on, and others to measure on.

    A symptom is a phrase, not a sentence, so sentences are also cut at commas into fragments, and frequent words and
    word pairs stand alone, also denied: without them a single word ("opacity") would be far from anything trained on.

    Args:
        root: a folder that holds `text/` with the files of `TEXT_FILES`, one sentence a line.
        dev_every: one line in so many is kept out of training, with all that is cut from it.

    Raises:
        DataError: if the files are not there.
    """
    train: dict[str, None] = {}
    dev: dict[str, None] = {}
    words: Counter[str] = Counter()
    pairs: Counter[str] = Counter()
    number = 0
    for name in TEXT_FILES:
        path = root / "text" / name
        if not path.is_file():
            raise DataError(f"{path} is missing; --root must hold text/ with {', '.join(TEXT_FILES)}.")
        for line in path.read_text(encoding="utf-8").splitlines():
            line = line.strip()
            number += 1
            if not line or len(line.split()) > MAX_WORDS or not _mostly_ascii(line):
                continue
            pieces = [line, *_fragments(line)]
            if number % dev_every == 0:
                dev.update(dict.fromkeys(pieces))
                continue
            train.update(dict.fromkeys(pieces))
            found = WORD.findall(line.lower())
            words.update(found)
            pairs.update(f"{a} {b}" for a, b in pairwise(found))
    frequent = [word for word, count in words.most_common(12_000) if count >= 6]
    frequent += [pair for pair, count in pairs.most_common(12_000) if count >= 12]
    train.update(dict.fromkeys(frequent))
    train.update(dict.fromkeys(DENIALS[i % len(DENIALS)].format(term) for i, term in enumerate(frequent)))
    return list(train), [sentence for sentence in dev if sentence not in train]


def variants(sentences: list[str], seed: int, each: int = 10) -> list[str]:
    """Neighbours of sentences: framed, shortened by a word, with a word of another one, or two joined.

    The sentence encoder gives each of them its feature, so the text tower learns the space between the sentences
    instead of memorising the sentences.
    """
    generator = random.Random(seed)
    words = sorted({word for sentence in sentences for word in sentence.split()})
    made: dict[str, None] = {}
    for sentence in sentences:
        split = sentence.split()
        for kind in range(each):
            place = generator.randrange(len(split))
            if kind % 5 < 2:
                made[generator.choice(FRAMES).format(sentence)] = None
            elif kind % 5 == 2 and len(split) > 2:
                made[" ".join(split[:place] + split[place + 1 :])] = None
            elif kind % 5 == 3:
                made[" ".join([*split[:place], generator.choice(words), *split[place + 1 :]])] = None
            else:
                made[f"{sentence}, {generator.choice(sentences)}"] = None
    known = set(sentences)
    return [sentence for sentence in made if sentence not in known]


def _fragments(line: str) -> list[str]:
    pieces = [piece.strip(" .") for piece in re.split(r"[,;:()]", line)]
    return [piece for piece in pieces if 2 <= len(piece.split()) <= 14] if len(pieces) > 1 else []


def _mostly_ascii(line: str) -> bool:
    return sum(character.isascii() for character in line) >= 0.97 * len(line)

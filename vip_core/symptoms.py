"""A symptom set: the classes of a task in order, each with the visual symptoms that speak for it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vip_core.errors import SymptomError
from vip_core.utils.files import write_json

MOST_SYMPTOMS = 64  # a class


@dataclass(frozen=True)
class SymptomSet:
    """Classes in order, each with its symptoms. Frozen: an edit makes a new one. Text is kept as typed.

    Attributes:
        classes: C names; a label is an index into them.
        symptoms: C tuples of texts, 1 to 64 a class; classes may differ in their number.
        modality: the kind of image, such as "chest X-ray".
        source: who or which model wrote it, when, from what.

    Raises:
        SymptomError: if there are fewer than two classes, a class twice, a class with no symptom or too many, or a
            text that is empty, has a line break, or is not text.
    """

    classes: tuple[str, ...]
    symptoms: tuple[tuple[str, ...], ...]
    modality: str = ""
    source: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.classes) < 2:
            raise SymptomError(f"A symptom set needs at least two classes, this one has {len(self.classes)}.")
        seen: set[str] = set()
        for name, lines in zip(self.classes, self.symptoms, strict=True):
            _check_text(name, "A class name")
            if name.casefold() in seen:
                raise SymptomError(f"The class “{name}” stands twice; give each class once, with all its symptoms.")
            seen.add(name.casefold())
            if not lines:
                raise SymptomError(f"The class “{name}” has no symptom; write at least one, a line each.")
            if len(lines) > MOST_SYMPTOMS:
                raise SymptomError(
                    f"The class “{name}” has {len(lines)} symptoms; at most {MOST_SYMPTOMS} a class are taken."
                )
            for line in lines:
                _check_text(line, f"A symptom of “{name}”")

    @classmethod
    def from_dict(cls, data: object) -> "SymptomSet":
        """Read our JSON, `{"modality", "source", "classes": {class: [symptom]}}`, or the paper's plain form."""
        if not isinstance(data, Mapping):
            raise SymptomError('A symptom set is a JSON object such as {"classes": {"pneumonia": ["lung opacity"]}}.')
        nested = isinstance(data.get("classes"), Mapping)
        classes = data["classes"] if nested else data
        for name, lines in classes.items():
            if not isinstance(lines, list | tuple):
                raise SymptomError(f'The symptoms of “{name}” are not a list; write them as ["…", "…"].')
        modality, source = (data.get("modality", ""), data.get("source", {})) if nested else ("", {})
        if not isinstance(modality, str) or not isinstance(source, Mapping):
            raise SymptomError('In a symptom set "modality" is a text and "source" an object.')
        return cls(tuple(classes), tuple(tuple(lines) for lines in classes.values()), modality, dict(source))

    @classmethod
    def load(cls, path: str | Path) -> "SymptomSet":
        """Read a JSON file in either form. Raises SymptomError, naming the file."""
        path = Path(path)
        try:
            data = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_unique)
            return cls.from_dict(data)
        except OSError as error:
            raise SymptomError(f"The symptom file {path} cannot be read ({error.strerror}).") from error
        except UnicodeDecodeError as error:
            raise SymptomError(f"The symptom file {path} is not UTF-8 text; save it as UTF-8.") from error
        except RecursionError as error:
            raise SymptomError(f"The symptom file {path} is nested too deeply to be a symptom set.") from error
        except json.JSONDecodeError as error:
            raise SymptomError(f"The symptom file {path} is not JSON: {error.msg} in line {error.lineno}.") from error
        except SymptomError as error:
            raise SymptomError(f"The symptom file {path} cannot be used: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """The set as our JSON."""
        classes = {name: list(lines) for name, lines in zip(self.classes, self.symptoms, strict=True)}
        return {"modality": self.modality, "source": dict(self.source), "classes": classes}

    def save(self, path: str | Path) -> None:
        """Write our JSON, atomically. Raises StorageError."""
        write_json(Path(path), self.to_dict())

    def edited(self, name: str, symptoms: Iterable[str]) -> "SymptomSet":
        """The same set with other symptoms for one class. Raises SymptomError."""
        index = self.classes.index(name)
        return replace(self, symptoms=(*self.symptoms[:index], tuple(symptoms), *self.symptoms[index + 1 :]))

    def ordered(self, classes: Iterable[str]) -> "SymptomSet":
        """The same set with its classes in another order. Raises SymptomError, with both lists, if names differ."""
        classes = tuple(classes)
        if sorted(classes) != sorted(self.classes):
            raise SymptomError(
                f"The classes do not match: {', '.join(self.classes)} in the symptom set, "
                f"{', '.join(classes)} expected; use the same names."
            )
        by_name = dict(zip(self.classes, self.symptoms, strict=True))
        return replace(self, classes=classes, symptoms=tuple(by_name[name] for name in classes))

    @property
    def counts(self) -> list[int]:
        """The number of symptoms of each class."""
        return [len(lines) for lines in self.symptoms]

    @property
    def lines(self) -> list[str]:
        """All symptoms, class after class."""
        return [line for lines in self.symptoms for line in lines]


def _check_text(text: object, what: str) -> None:
    if not isinstance(text, str):
        raise SymptomError(f"{what} is {json.dumps(text, default=str)}, not a text; put it in quotation marks.")
    if not text.strip():
        raise SymptomError(f"{what} is empty; write it, or remove the line.")
    if len(text.splitlines()) > 1:
        raise SymptomError(f"{what} runs over several lines; write one a line.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise SymptomError(f"{what} holds half a character (a lone surrogate); write it again.") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # JSON readers keep the last of two equal names in silence, which would lose a class's symptoms.
    result: dict[str, Any] = {}
    for name, value in pairs:
        if name in result:
            raise SymptomError(f"the class “{name}” stands twice; give each class once, with all its symptoms.")
        result[name] = value
    return result

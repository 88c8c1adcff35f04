"""A symptom set: the classes of a task in order, each with the visual symptoms that support it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vip_core.errors import SymptomError
from vip_core.utils.files import write_json

MAX_SYMPTOMS = 64  # per class


@dataclass(frozen=True)
class SymptomSet:
    """Classes in order, each with its symptoms. Frozen and hashable: an edit makes a new set. Text is kept as typed.

    Attributes:
        classes: C names; a label is an index into them. Any list is stored as a tuple.
        symptoms: C tuples of texts, 1 to 64 per class; classes may differ in their number. Lists become tuples.
        modality: the kind of image, such as "chest X-ray".
        source: who or which model wrote it, when, from what.
        wordings: other ways to write a symptom, by its text; `vip-adapter` trains on all of them. May be empty.

    Raises:
        SymptomError: if there are fewer than two classes, a class is listed twice, a class has no symptom or too many,
            a string takes the place of a list, or a symptom is empty, has a line break, or is not a string.
    """

    classes: tuple[str, ...]
    symptoms: tuple[tuple[str, ...], ...]
    modality: str = ""
    source: Mapping[str, Any] = field(default_factory=dict, hash=False)
    wordings: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        classes = _texts(self.classes, "The classes")
        if isinstance(self.symptoms, str) or not isinstance(self.symptoms, Iterable):
            raise SymptomError('The symptoms are not a list of lists; write them as [["…", "…"], ["…"]].')
        lists = tuple(self.symptoms)
        if len(lists) != len(classes):
            raise SymptomError(
                f"There are {len(classes)} classes and {len(lists)} lists of symptoms; give one list per class."
            )
        lists = tuple(_texts(texts, f"The symptoms of “{name}”") for name, texts in zip(classes, lists, strict=True))
        object.__setattr__(self, "classes", classes)  # the way to set a field of a frozen data class
        object.__setattr__(self, "symptoms", lists)
        if len(self.classes) < 2:
            raise SymptomError(f"A symptom set needs at least two classes; this one has {len(self.classes)}.")
        seen: set[str] = set()
        for name, texts in zip(self.classes, self.symptoms, strict=True):
            _check_text(name, "A class name")
            if name.casefold() in seen:
                raise SymptomError(f"Class “{name}” is listed twice; list each class once, with all its symptoms.")
            seen.add(name.casefold())
            if not texts:
                raise SymptomError(f"Class “{name}” has no symptoms; write at least one, one per line.")
            if len(texts) > MAX_SYMPTOMS:
                raise SymptomError(f"Class “{name}” has {len(texts)} symptoms; the limit is {MAX_SYMPTOMS} per class.")
            for text in texts:
                _check_text(text, f"A symptom of “{name}”")
        wordings = {text: _texts(texts, f"The wordings of “{text}”") for text, texts in dict(self.wordings).items()}
        object.__setattr__(self, "wordings", wordings)
        for text in (text for texts in wordings.values() for text in texts):
            _check_text(text, "A wording")

    @classmethod
    def from_dict(cls, data: object) -> "SymptomSet":
        """Read our JSON or the paper's plain form, {class: [symptom]}.

        Ours is `{"modality", "source", "classes": {class: [symptom]}, "wordings": {symptom: [wording]}}`; only
        "classes" is required. Wordings of a text that is not in the set are refused.
        """
        if not isinstance(data, Mapping):
            raise SymptomError('A symptom set is a JSON object such as {"classes": {"pneumonia": ["lung opacity"]}}.')
        nested = isinstance(data.get("classes"), Mapping)
        classes = data["classes"] if nested else data
        modality, source = (data.get("modality", ""), data.get("source", {})) if nested else ("", {})
        if not isinstance(modality, str) or not isinstance(source, Mapping):
            raise SymptomError('In a symptom set "modality" must be a string and "source" an object.')
        wordings = data.get("wordings", {}) if nested else {}
        if not isinstance(wordings, Mapping):
            raise SymptomError('In a symptom set "wordings" must be an object of the form {symptom: [wording, …]}.')
        made = cls(tuple(classes), tuple(classes.values()), modality, dict(source), wordings)
        if unknown := next((text for text in made.wordings if text not in made.texts), None):
            raise SymptomError(f"There are wordings of “{unknown}”, which is not a symptom of any class.")
        return made

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
        classes = {name: list(texts) for name, texts in zip(self.classes, self.symptoms, strict=True)}
        result = {"modality": self.modality, "source": dict(self.source), "classes": classes}
        if self.wordings:
            result["wordings"] = {text: list(texts) for text, texts in self.wordings.items()}
        return result

    def save(self, path: str | Path) -> None:
        """Write our JSON, atomically. Raises StorageError."""
        write_json(Path(path), self.to_dict())

    def edited(self, name: str, symptoms: Iterable[str]) -> "SymptomSet":
        """The same set with other symptoms for one class. Raises SymptomError, also for an unknown class."""
        if name not in self.classes:
            raise SymptomError(f"Unknown class “{name}”; the classes are {', '.join(self.classes)}.")
        index = self.classes.index(name)
        changed = _texts(symptoms, f"The symptoms of “{name}”")
        return replace(self, symptoms=(*self.symptoms[:index], changed, *self.symptoms[index + 1 :]))

    def ordered(self, classes: Iterable[str]) -> "SymptomSet":
        """The same set with its classes in another order. Raises SymptomError with both lists if the names differ."""
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
    def texts(self) -> list[str]:
        """The n symptoms of all classes, class after class."""
        return [text for texts in self.symptoms for text in texts]

    @property
    def labels(self) -> list[int]:
        """The class index of each of the n symptoms, class after class."""
        return [label for label, texts in enumerate(self.symptoms) for _ in texts]


def _texts(value: object, what: str) -> tuple[Any, ...]:
    """A list as a tuple. A string is refused: its letters would become the items."""
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise SymptomError(f'{what} are not a list; write them as ["…", "…"].')
    return tuple(value)


def _check_text(text: object, what: str) -> None:
    if not isinstance(text, str):
        raise SymptomError(f"{what} is {json.dumps(text, default=str)}, not a string; put it in quotation marks.")
    if not text.strip():
        raise SymptomError(f"{what} is empty; write it, or remove the line.")
    if len(text.splitlines()) > 1:
        raise SymptomError(f"{what} spans several lines; write one per line.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise SymptomError(f"{what} contains an incomplete character (a lone surrogate); type it again.") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # JSON readers keep the last of two equal names in silence, which would lose a class's symptoms.
    result: dict[str, Any] = {}
    for name, value in pairs:
        if name in result:
            raise SymptomError(f"class “{name}” is listed twice; list each class once, with all its symptoms.")
        result[name] = value
    return result

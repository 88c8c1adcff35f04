"""The labels of a cohort: reads a CSV file, matches its labels with the classes and its rows with the images."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from vip_core.data.columns import NAMES
from vip_core.data.tables import class_key, read_csv, read_header
from vip_core.errors import DataError

from .archive import shown_name

MAX_LABEL_BYTES = 2**20  # 500 lines have 50,000
NEEDED = ("image", "label")
SEPARATORS = ",;\t"  # a spreadsheet writes semicolons where the comma is the decimal sign
MAX_UNKNOWN = 40  # labels that are asked for; more are no classes

LabelMeanings = Mapping[str, int]  # class key of a label -> index into the classes, as the visitor says


@dataclass(frozen=True, eq=False)
class Labels:
    """A labels file.

    Attributes:
        file: its name.
        lines: line number, name of the image and label, as in the file.
        details: the other columns of each line; empty where there are none.
    """

    file: str
    lines: tuple[tuple[int, str, str], ...]
    details: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True)
class MatchedLabels:
    """Labels as the images of a cohort have them.

    Attributes:
        labels: for each image an index into the classes, or None.
        details: for each image the other columns of its line.
        notes: sentences on what did not fit, and on what was understood without being a class's name.
        unknown: labels of images that are no class's name, each once, as in the file.
    """

    labels: list[int | None]
    details: list[Mapping[str, str]]
    notes: tuple[str, ...]
    unknown: tuple[str, ...]


def read_labels(path: Path, called: str) -> Labels:
    """A CSV file with the columns image and label. Raises DataError, which names the file but not its folder."""
    file = shown_name(called)
    if path.stat().st_size > MAX_LABEL_BYTES:
        raise DataError(f"{file} is larger than {MAX_LABEL_BYTES // 2**20} MB; give only the columns image and label.")
    try:
        header = {_key(name): name for name in read_header(path, SEPARATORS)}
        if not all(name in header for name in NEEDED):
            raise DataError(
                f"{file} needs the columns image and label. Its first line has: {', '.join(header.values())}. Separate "
                "columns with commas, semicolons or tabs."
            )
        image, label = (header.get(name, name) for name in NEEDED)
        records = read_csv(path, (image, label), SEPARATORS)
    except DataError as error:
        raise DataError(str(error).replace(str(path), file)) from None
    if not records:
        raise DataError(f"{file} has no rows below its header; give one row per image: file name, label.")
    return Labels(
        file,
        tuple((line, shown_name(record[image]), record[label]) for line, record in records),
        tuple({key: cell for key, cell in record.items() if key not in (image, label)} for _, record in records),
    )


def match_labels(
    labels: Labels, names: Sequence[str], classes: tuple[str, ...], meanings: LabelMeanings | None = None
) -> MatchedLabels:
    """The label of each image, by its base name (case, and a missing ending, do not count), and what did not fit.

    Args:
        labels: of the file.
        names: of the images.
        classes: of the task.
        meanings: what the visitor says of labels that are no class's name.
    """
    places: defaultdict[str, set[int]] = defaultdict(set)
    for i, name in enumerate(names):
        places[name.casefold()].add(i)
        places[PurePath(name).stem.casefold()].add(i)
    found: list[int | None] = [None] * len(names)
    details: list[Mapping[str, str]] = [{}] * len(names)
    known = {class_key(name): c for c, name in enumerate(classes)} | dict(meanings or {})
    unknown: dict[str, str] = {}
    aliases: dict[str, int] = {}
    strange, absent, twice, shared = [], [], [], []
    seen: set[int] = set()
    for row, (line, image, label) in enumerate(labels.lines):
        at = places.get(image.casefold(), set())
        if len(at) != 1:
            (shared if at else absent).append(f"“{image}” in line {line}")
            continue
        (place,) = at
        key = class_key(label)
        if place in seen:
            twice.append(f"“{image}” in line {line}")
            found[place] = None
        elif key in known:
            found[place] = known[key]
        elif (meant := class_meant(label, classes)) is not None:
            found[place] = aliases[label] = meant
        elif label:  # an empty cell is no label
            unknown.setdefault(key, label)
            strange.append(f"“{label[:40]}” in line {line}")
        if row < len(labels.details):
            details[place] = labels.details[row]
        seen.add(place)
    notes = [f"“{label[:40]}” was interpreted as {classes[c]}." for label, c in aliases.items()]
    if strange:
        names_of = ", ".join(classes)
        notes.append(f"{labels.file} has labels other than {names_of}: {_some(strange)}; say below what they mean.")
    if absent:
        notes.append(f"{labels.file} names images that were not uploaded: {_some(absent)}.")
    if twice:
        notes.append(f"{labels.file} lists images twice: {_some(twice)}; these count as unlabelled.")
    if shared:
        notes.append(f"Several images have the same name: {_some(shared)}; these count as unlabelled.")
    return MatchedLabels(found, details, tuple(notes), tuple(unknown.values()))


def unknown_labels(labels: Labels, classes: Sequence[str]) -> list[str]:
    """The labels of a file that are no class's name and cannot be taken for one, each once."""
    keys = {class_key(name) for name in classes}
    found = {
        class_key(label): label
        for _, _, label in labels.lines
        if label and class_key(label) not in keys and class_meant(label, classes) is None
    }
    return list(found.values())[:MAX_UNKNOWN]


def class_meant(label: str, classes: Sequence[str]) -> int | None:
    """The one class whose name has all words of a label, as NORMAL for “normal lung”; None if none or several do."""
    words = set(class_key(label).split())
    fitting = [c for c, name in enumerate(classes) if words and words <= set(class_key(name).split())]
    return fitting[0] if len(fitting) == 1 else None


def patients_of(details: Sequence[Mapping[str, str]]) -> list[str] | None:
    """The patient of each image where a column names them; an image without a name is a patient of its own."""
    column = next((name for line in details for name in line if _is_patient(name)), None)
    if column is None:
        return None
    return [line.get(column, "").strip() or f"image {i}" for i, line in enumerate(details)]


def group_columns(details: Sequence[Mapping[str, str]]) -> list[str]:
    """The columns whose values may be subgroups: all but the patient."""
    names = dict.fromkeys(name for line in details for name in line)
    return [name for name in names if name and not _is_patient(name)]


def _some(things: list[str]) -> str:
    return things[0] if len(things) == 1 else f"{len(things):,}, the first {things[0]}"


def _key(name: str) -> str:
    return class_key(name).replace(" ", "")


def _is_patient(column: str) -> bool:
    return _key(column) in NAMES["patient"]

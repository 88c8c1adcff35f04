"""How rows are split: all images of a patient in one split, each class in its share."""

import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from vip_core.data.dataset import Dataset, Row
from vip_core.data.options import Use
from vip_core.errors import DataError


def _patient(row: Row) -> str:
    return row.patient


def _label(row: Row) -> str:
    return str(row.label)


def hold_out(
    rows: Sequence[Row],
    fraction: float,
    classes: Sequence[str],
    group: Callable[[Row], str] = _patient,
    stratum: Callable[[Row], str] = _label,
    keep: int = 1,
) -> tuple[list[Row], list[Row]]:
    """Split rows into (kept, held out). Deterministic: by the names of the groups, not by a seed or the order of rows.

    Groups are visited in the order of a hash of their content, or of their names where that is not known. A group is
    held out if that brings the strata nearer to `fraction` of their rows. A class of which nothing was taken then gives
    its smallest group.

    Args:
        fraction: share of the rows to hold out, at most a half.
        classes: names of the labels, for the error.
        group: rows of the same group stay together.
        stratum: rows of each stratum are held out in the same share.
        keep: the number of groups of each class that must not be held out.

    Raises:
        DataError: a class has no more groups than must be kept.
    """
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[group(row)].append(row)
    labels = {name: {row.label for row in members} for name, members in groups.items()}
    remaining = Counter(label for found in labels.values() for label in found)  # groups with each class, not held out
    order = sorted(groups, key=lambda name: _place(name, groups[name]))
    wanted = {name: fraction * count for name, count in Counter(map(stratum, rows)).items()}
    taken: Counter[str] = Counter()
    held: set[str] = set()

    def hold(name: str) -> None:
        held.add(name)
        remaining.subtract(labels[name])
        taken.update(map(stratum, groups[name]))

    def may_go(name: str) -> bool:
        return name not in held and all(remaining[label] > keep for label in labels[name])

    for name in order:
        counts = Counter(map(stratum, groups[name]))
        gain = sum(abs(wanted[s] - taken[s]) - abs(wanted[s] - taken[s] - count) for s, count in counts.items())
        if gain > 0 and may_go(name):
            hold(name)
    for label in sorted({row.label for row in rows}):
        names = [name for name in order if label in labels[name]]
        _require_patients(len(names), keep + 1, classes[label])
        if held.isdisjoint(names):
            free = [name for name in names if may_go(name)]
            if not free:
                raise DataError(
                    f"The class {classes[label]!r} shares its few patients with other classes, so "
                    "none can be held out; add images of other patients, or give the splits yourself."
                )
            hold(min(free, key=lambda name: len(groups[name])))
    kept = [row for row in rows if group(row) not in held]
    return kept, [row for row in rows if group(row) in held]


def _place(name: str, rows: Sequence[Row]) -> bytes:
    """The place of a group in the order: by the content of its files where that is known, else by its name."""
    text = min(row.digest for row in rows) if all(row.digest for row in rows) else name
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


def split_three_ways(rows: Sequence[Row], classes: Sequence[str]) -> dict[str, list[Row]]:
    """70 % train, 10 % val and 20 % test, by patient. Raises DataError where a class has fewer than 3 patients."""
    rest, test = hold_out(rows, 0.2, classes, keep=2)  # one for train and one for val
    train, val = hold_out(rest, 0.1 / 0.8, classes)
    return {"train": train, "val": val, "test": test}


def _require_patients(found: int, needed: int, name: str) -> None:
    if found < needed:
        raise DataError(
            f"The class {name!r} has images of only {found} patient{'s' * (found != 1)}, and "
            f"{needed} are needed to hold some out; add images of other patients, or give the splits yourself."
        )


def make_dataset(
    name: str,
    classes: Sequence[str],
    root: Path,
    splits: Mapping[str, Sequence[Row]],
    use: Use = "train",
    notes: Sequence[str] = (),
) -> Dataset:
    """A data set of the given splits. Without val, a tenth of train is held out. use: "all" needs no split at all.

    Raises DataError where a patient is in two splits, or train lacks one of the classes although it is for training.
    """
    if use != "all":
        refuse_shared_patients(splits)
    train, val, test = (splits.get(split, ()) for split in ("train", "val", "test"))
    if use == "all":
        return Dataset(name, tuple(classes), (), (), (*train, *val, *test), tuple(notes))
    if not val and train:
        train, val = hold_out(train, 0.1, classes)
    if use == "evaluate":
        return Dataset(name, tuple(classes), tuple(train), tuple(val), tuple(test), tuple(notes))
    present = {row.label for row in train}
    missing = [title for label, title in enumerate(classes) if label not in present]
    if missing:
        raise DataError(f"{root} has no images of {missing} in train; each of {list(classes)} needs some.")
    return Dataset(name, tuple(classes), tuple(train), tuple(val), tuple(test), tuple(notes))


def refuse_shared_patients(splits: Mapping[str, Sequence[Row]]) -> None:
    """Raise DataError with the patient's name where a patient is in two splits."""
    home: dict[str, tuple[str, Path]] = {}
    for split, rows in splits.items():
        for row in rows:
            first, path = home.setdefault(row.patient, (split, row.path))
            if first != split:
                raise DataError(
                    f"The patient {row.patient!r} is in {first} ({path}) and in {split} ({row.path}); "
                    "give each patient to one split."
                )


def few_shot(
    rows: Sequence[Row], shots: int, seed: int, classes: Sequence[str], or_all: bool = False
) -> tuple[Row, ...]:
    """Draw `shots` rows of each label under the seed. The result is sorted by path, whatever the order of `rows`.

    Under one seed a draw of more shots contains the draw of fewer. Raises DataError where a class has fewer rows,
    unless `or_all` takes all of them.
    """
    if shots < 1:
        raise DataError(f"--shots is {shots}; each class needs at least 1 image.")
    chosen: list[Row] = []
    for label in sorted({row.label for row in rows}):
        pool = sorted((row for row in rows if row.label == label), key=_path)
        if len(pool) < shots and not or_all:
            images = f"{len(pool)} image{'s' * (len(pool) != 1)}"
            raise DataError(f"Class {classes[label]!r} has {images}; --shots {shots} needs at least {shots}.")
        random.Random(f"{seed}/{label}").shuffle(pool)
        chosen += pool[:shots]
    return tuple(sorted(chosen, key=_path))


def _path(row: Row) -> str:
    return row.path.as_posix()

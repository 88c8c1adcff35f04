"""Which column of a table has which role: names match without case, spaces and underscores; near misses are named."""

from collections.abc import Sequence
from pathlib import Path

from vip_core.data.options import DataOptions
from vip_core.errors import DataError

NAMES = {  # by what the column holds; the first is the name of our own tables
    "image": ("image",),
    "label": ("label",),
    "split": ("split", "set", "subset", "partition"),
    "patient": ("patient", "patientid", "patientnumber", "subject", "subjectid"),
}
LOOKALIKES = {
    "split": ("fold", "phase", "usage", "dataset"),
    "patient": ("person", "case", "caseid", "casenum", "study", "studyid", "mrn", "id"),
}


def find_columns(
    header: Sequence[str], options: DataOptions, classes: Sequence[str], path: Path
) -> tuple[dict[str, str], list[str]]:
    """The column of each of image, label, split and patient, as far as there is one, and notes on those not used.

    Raises:
        DataError: no image or label column, two columns that match, or a column of the options that is not there.
    """
    found: dict[str, str] = {}
    notes = []
    for role, names in NAMES.items():
        given = getattr(options, f"{role}_column")
        if given is not None:
            if given not in header:
                raise DataError(f"{path} has no column {given!r} for --{role}-column; its columns are {list(header)}.")
            found[role] = given
            continue
        exact = [column for column in header if _key(column) == names[0]]
        matching = exact or [column for column in header if _key(column) in names[1:]]
        if len(matching) > 1:
            raise DataError(
                f"{path} has the columns {matching}, each of which could be the {role}; choose "
                f"one with --{role}-column."
            )
        if matching:
            found[role] = matching[0]
    missing = [role for role in ("image", "label") if role not in found]
    if missing:
        if {_key(name) for name in classes} <= {_key(column) for column in header}:
            raise DataError(
                f"{path} has a column per class; combine them into one column label, with the class of each image. "
                "Images of several classes at once cannot be used."
            )
        raise DataError(
            f"{path} lacks the columns {missing}: its first line has {list(header)}; separate columns with commas, or "
            "name yours with --image-column and --label-column."
        )
    for role in ("split", "patient"):
        near = [column for column in header if _key(column) in (*NAMES[role], *LOOKALIKES[role])]
        unused = [column for column in near if column not in found.values()]
        if unused:
            notes.append(f"{path.name}: the columns {unused} are not used; --{role}-column takes one as the {role}.")
    return found, notes


def _key(name: str) -> str:
    return "".join(name.replace("_", "").split()).casefold()

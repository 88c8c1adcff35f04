"""The tenth of the training images that neither a backbone nor prompts are trained on: those of the reference bank.

Percentiles and AUROC among images that a model was trained on are too good. The images to hold out follow from the
names of their groups alone, so that a backbone and the prompts on it can hold out the same ones.
"""

import hashlib
from collections.abc import Mapping, Sequence

from vip_core.data.dataset import Row

ONE_IN = 10


def reference_group(patient: str, details: Mapping[str, str]) -> str:
    """The name of what must stay together: a column `group` or `number`, else the patient without its folders."""
    return details.get("group") or details.get("number") or patient.rsplit("/", 1)[-1]


def held_for_reference(group: str) -> bool:
    """Whether the images of a group are held out, which one group in ten is."""
    digest = hashlib.sha256(group.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") % ONE_IN == 0


def divide_rows(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Rows as (to train on, held out for the reference bank)."""
    held = [held_for_reference(reference_group(row.patient, row.details)) for row in rows]
    return [row for row, out in zip(rows, held, strict=True) if not out], [
        row for row, out in zip(rows, held, strict=True) if out
    ]

"""How a user's own images are read, and what the domain check learns from beside them. Imports no torch."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from typer import Option

Use = Literal["train", "evaluate", "all"]  # train; one split of a data set; the whole of it, without splits

ALTERATIONS = ("upside-down", "sideways", "inverted", "half-black", "screenshot", "from-afar")


@dataclass(frozen=True)
class DataOptions:
    """What a data set does not state itself, and what to check; the columns are those of --data csv."""

    image_column: Annotated[
        str | None, Option(metavar="NAME", help="the column of image paths", show_default="image")
    ] = None
    label_column: Annotated[str | None, Option(metavar="NAME", help="the column of classes", show_default="label")] = (
        None
    )
    patient_column: Annotated[
        str | None, Option(metavar="NAME", help="the column of patients", show_default="patient, patient_id or subject")
    ] = None
    split_column: Annotated[
        str | None, Option(metavar="NAME", help="the column of splits (train, val, test)", show_default="split or set")
    ] = None
    patient_pattern: Annotated[
        str | None,
        Option(
            metavar="REGEX",
            help="the part of a file name that identifies the patient, such as '^(.+)_' for "
            "00000061_012.png; '' for none",
            show_default="the part before the last _ or -, if it is a number that varies between images",
        ),
    ] = None
    merge: Annotated[
        list[str],
        Option(
            metavar="CLASS=LABEL,…",
            help="with --data csv or folder: the labels that make up a class, such as "
            '"knee osteoarthritis=KL 2,KL 3,KL 4"',
        ),
    ] = field(default_factory=list)
    leave_out: Annotated[
        list[str],
        Option(metavar="LABEL", help="with --data csv or folder: labels whose images are left out"),
    ] = field(default_factory=list)
    data_name: Annotated[
        str | None,
        Option(metavar="NAME", help="what the card or the report calls the images", show_default="as --data"),
    ] = None
    skip_unreadable: Annotated[
        bool, Option("--skip-unreadable", help="leave out images that cannot be read instead of stopping")
    ] = False
    near_duplicates: Annotated[
        bool, Option("--near-duplicates", help="list images that look like an image of another split")
    ] = False


@dataclass(frozen=True)
class NearMissOptions:
    """Images that are easily mistaken for the task's own, which the domain check learns to recognise."""

    near_misses: Annotated[
        Path | None,
        Option(
            metavar="FILE",
            help="CSV file of near misses for the domain check to learn: image, kind (such as \"an adult's chest "
            'X-ray") and optionally split; images of test are only counted',
        ),
    ] = None
    altered: Annotated[
        list[str],
        Option(
            metavar="KIND...",
            help=f"altered images for the domain check to learn: {', '.join(ALTERATIONS)}",
        ),
    ] = field(default_factory=list)

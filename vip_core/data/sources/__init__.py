"""The data sets by name: a key of DATASETS, a folder, and the classes of the symptom set give a `Dataset`."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from vip_core.data.copies import check_copies
from vip_core.data.dataset import Dataset
from vip_core.data.options import DataOptions, Use
from vip_core.data.sources.custom import folder, labels_csv
from vip_core.data.sources.derm7pt import derm7pt
from vip_core.data.sources.isic2017 import isic2017
from vip_core.data.sources.pneumonia import pneumonia
from vip_core.errors import DataError, UsageError

DATASETS: dict[str, Callable[[Path, Sequence[str], DataOptions, Use], Dataset]] = {
    "pneumonia": pneumonia,
    "isic2017": isic2017,
    "derm7pt": derm7pt,
    "folder": folder,
    "csv": labels_csv,
}
OWN_LABELS = ("csv", "folder")  # whose labels are a user's own


def load_dataset(
    name: str, root: Path, classes: Sequence[str], options: DataOptions | None = None, use: Use = "train"
) -> Dataset:
    """Read a data set. The docstring of its function in DATASETS describes the files that it looks for.

    Args:
        name: a key of DATASETS.
        root: the folder of the data set; for csv also the file.
        classes: class names of the symptom set. Their order becomes the order of the labels. They are matched with the
            data's by name; case does not count, and `_` is a space.
        options: how a user's own images are read.
        use: what for; "evaluate" needs no train split, and "all" puts all images into `test`.

    Raises:
        DataError: an image in two classes or splits, an unknown name, no such root, another layout, other classes.
        UsageError: if labels are merged or left out of a data set that has classes of its own.
    """
    if name not in DATASETS:
        raise DataError(f"There is no data set {name!r}; choose one of {', '.join(DATASETS)}.")
    options = options or DataOptions()
    if name not in OWN_LABELS and (options.merge or options.leave_out):
        raise UsageError(
            f"--merge and --leave-out are for --data {' and '.join(OWN_LABELS)}; {name} has its own classes."
        )
    root = Path(root).expanduser()
    try:
        if not root.exists():
            raise DataError(f"{root} does not exist; give --root the folder of the {name} data.")
        if not root.is_dir() and name != "csv":
            raise DataError(f"{root} is a file; give --root the folder of the {name} data.")
        dataset = DATASETS[name](root, classes, options, use)
        name = options.data_name or dataset.name
        return replace(dataset, name=name, notes=(*dataset.notes, *check_copies(dataset)))
    except OSError as error:
        raise DataError(f"{error.filename or root} cannot be read ({error.strerror}); check the --root.") from error

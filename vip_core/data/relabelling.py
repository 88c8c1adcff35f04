"""Labels of the data that make up a class of the task, and labels whose images are left out."""

from collections import Counter
from collections.abc import Sequence

from vip_core.data.options import DataOptions
from vip_core.data.tables import class_key
from vip_core.errors import UsageError


class Relabelling:
    """The meaning that --merge and --leave-out give to a data set's labels, which are compared like class names.

    Raises:
        UsageError: if an option has another form, names a class that the symptom set lacks, or a label twice.
    """

    def __init__(self, options: DataOptions, classes: Sequence[str]):
        known = {class_key(name): name for name in classes}
        self._names: dict[str, str] = {}  # as given
        self._class_of: dict[str, str | None] = {}
        self._counts: Counter[str] = Counter()
        for text in options.merge:
            name, equals, labels = text.partition("=")
            if not equals or not all(label.strip() for label in labels.split(",")):
                raise UsageError(f'--merge {text!r} is not of the form "CLASS=LABEL,LABEL".')
            if class_key(name) not in known:
                raise UsageError(f"--merge names the class {name!r}; the symptom set has {list(classes)}.")
            for label in labels.split(","):
                self._add(label.strip(), known[class_key(name)])
        for label in options.leave_out:
            self._add(label, None)

    def _add(self, label: str, name: str | None) -> None:
        if class_key(label) in self._class_of:
            raise UsageError(f"--merge and --leave-out name the label {label!r} twice.")
        self._names[class_key(label)], self._class_of[class_key(label)] = label, name

    def class_of(self, label: str, images: int = 1) -> str | None:
        """The class of images with a label: as merged, else the label itself; None if they are left out."""
        key = class_key(label)
        if key not in self._class_of:
            return label
        self._counts[key] += images
        return self._class_of[key]

    def notes(self) -> list[str]:
        """Sentences on how the labels were used. Raises UsageError for a label that no image has."""
        if unused := [name for key, name in self._names.items() if not self._counts[key]]:
            raise UsageError(f"No image has the label {unused[0]!r} of --merge or --leave-out; correct the option.")
        found = {name: [] for name in dict.fromkeys(self._class_of.values())}
        for key, name in self._class_of.items():
            found[name].append(f"{self._counts[key]:,} of {self._names[key]}")
        return [
            f"{'Left out' if name is None else f'Merged into {name}'}: {', '.join(parts)}."
            for name, parts in found.items()
        ]

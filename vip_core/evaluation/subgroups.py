"""Metrics of subgroups, by the columns of the data's table, and of symptoms that a column labels."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vip_core.data.dataset import Row
from vip_core.errors import UsageError
from vip_core.evaluation.bootstrap import bootstrap, units
from vip_core.evaluation.intervals import Estimate, estimate, percentile_interval
from vip_core.evaluation.metrics import Metrics, compute_metrics
from vip_core.utils.ranking import SortedScores

MIN_PER_CLASS = 10  # images of every class, below which a subgroup has no metrics
MAX_VALUES = 6  # of a column of numbers; with more it is cut into quarters
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Subgroup:
    """Images that share a value of a column. metrics: None where a class has fewer than 10 images."""

    column: str
    value: str
    counts: dict[str, int]
    metrics: Metrics | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        found = None if self.metrics is None else self.metrics.to_dict()
        return {"column": self.column, "value": self.value, "images": self.counts, "metrics": found}


def measure_subgroups(
    probabilities: Tensor,
    labels: Tensor,
    classes: tuple[str, ...],
    rows: Sequence[Row],
    columns: Sequence[str],
    seed: int = 0,
) -> list[Subgroup]:
    """Metrics by the values of columns, a subgroup for each.

    Args:
        probabilities: (n, C).
        labels: (n,).
        classes: C names.
        rows: n, whose details hold the columns.
        columns: names; case does not count, and `_` is a space.
        seed: of the bootstrap.

    Raises:
        UsageError: no row has one of the columns.
    """
    found = []
    for column in columns:
        groups = group_values([_cell(row.details, column) for row in rows], column, rows)
        for value in dict.fromkeys(sorted(groups, key=_in_order)):
            chosen = np.array([group == value for group in groups])
            own = labels[chosen]
            counts = {name: int((own == c).sum()) for c, name in enumerate(classes)}
            metrics = None
            if min(counts.values()) >= MIN_PER_CLASS:
                patients = [row.patient for row, here in zip(rows, chosen, strict=True) if here]
                metrics = compute_metrics(probabilities[chosen], own, classes, seed, patients)
            found.append(Subgroup(column, value, counts, metrics))
    return found


def group_values(cells: Sequence[str], column: str, rows: Sequence[Row] = ()) -> list[str]:
    """The group of each cell: its text, or its quarter where the column has numbers of more than 6 values."""
    known = [cell for cell in cells if cell]
    if not known:
        names = sorted({name for row in rows for name in row.details})
        raise UsageError(f"No image has a value in the column {column!r}; the columns are {names}.")
    known = [cell for cell in known if not np.isnan(_number(cell))] or known
    numbers = [_number(cell) for cell in known]
    if any(np.isnan(numbers)) or len(set(numbers)) <= MAX_VALUES:
        return [cell or UNKNOWN for cell in cells]
    edges = np.unique(np.quantile(numbers, [0, 0.25, 0.5, 0.75, 1], method="nearest"))
    names = [f"{low:g} to {high:g}" if k == 0 else f"over {low:g} to {high:g}" for k, (low, high) in _pairs(edges)]
    places = {cell: int(np.clip(np.searchsorted(edges, _number(cell)) - 1, 0, len(names) - 1)) for cell in known}
    return [names[places[cell]] if cell in places else cell or UNKNOWN for cell in cells]


def _pairs(edges: NDArray) -> list[tuple[int, tuple[float, float]]]:
    return list(enumerate(itertools.pairwise(edges)))


def _cell(details: Mapping[str, str], column: str) -> str:
    key = _key(column)
    return next((str(value).strip() for name, value in details.items() if _key(name) == key), "")


def _key(name: str) -> str:
    return re.sub(r"[\s_]+", " ", name).strip().casefold()


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")


def _in_order(value: str) -> tuple[bool, float, str]:
    first = re.search(r"-?\d+(\.\d+)?", value)
    return value == UNKNOWN, float(first[0]) if first else 0.0, value


# ---- symptoms that a column labels


@dataclass(frozen=True)
class SymptomLabel:
    """How a symptom's similarity ranks the images that a column calls positive. auroc: None under 10 of a kind."""

    symptom: str
    class_name: str
    column: str
    positives: int
    negatives: int
    auroc: Estimate | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "symptom": self.symptom,
            "class": self.class_name,
            "column": self.column,
            "positives": self.positives,
            "negatives": self.negatives,
            "auroc": None if self.auroc is None else self.auroc.to_dict(),
        }


def measure_symptoms(
    similarity: NDArray,
    symptoms: Sequence[tuple[str, str]],
    rows: Sequence[Row],
    columns: Sequence[str],
    seed: int = 0,
) -> list[SymptomLabel]:
    """AUROC of each symptom that has the words of a column's name, on the images that the column labels 0 or 1.

    Args:
        similarity: (n, S) of the images with the symptoms.
        symptoms: S pairs of class and text.
        rows: n, whose details hold the columns.
        columns: names such as "pigment_network".
        seed: of the bootstrap.

    Raises:
        UsageError: a column has no labels.
    """
    found = []
    for column in columns:
        labels = np.array([{"0": 0, "1": 1}.get(_cell(row.details, column), -1) for row in rows])
        if not (labels >= 0).any():
            raise UsageError(f"The column {column!r} has no label 0 or 1 for these images.")
        known = labels >= 0
        positive = labels[known] == 1
        patients = [row.patient for row, here in zip(rows, known, strict=True) if here]
        for s, (name, text) in enumerate(symptoms):
            if not _words(column) <= _words(text):
                continue
            auroc = None
            if min(positive.sum(), (~positive).sum()) >= MIN_PER_CLASS:
                ranking = SortedScores(similarity[known, s], positive)
                drawn = units(positive.astype(int), patients)
                values = bootstrap(ranking.auroc, drawn, np.random.default_rng(seed))
                point = ranking.auroc(np.ones(len(positive), dtype=np.int64))[0]
                auroc = estimate(point, percentile_interval(values[:, 0]), len(positive))
            found.append(SymptomLabel(text, name, column, int(positive.sum()), int((~positive).sum()), auroc))
    return found


def _words(text: str) -> set[str]:
    """The words of a text, without case and plural."""
    return {word.rstrip("s") for word in re.findall(r"[a-z]+", text.casefold())}

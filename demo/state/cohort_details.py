"""The slowest figures of a cohort, computed once nobody is typing: intervals, subgroups, versions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from vip_core.errors import SymptomError, UsageError
from vip_core.evaluation.bootstrap import RESAMPLES
from vip_core.evaluation.metrics import Metrics
from vip_core.evaluation.positive_class import PositiveClass
from vip_core.evaluation.subgroups import Subgroup, measure_subgroups

from .cohort import SEED, Results, measure_cohort, score_cohort
from .labels import group_columns
from .lists import parse_boxes
from .tasks import Task

MAX_GROUPS = 12  # of a column; more are no groups, but names
MAX_VERSIONS = 10


@dataclass(frozen=True)
class Details:
    """Figures with intervals.

    Attributes:
        belief: of the probability of the finding.
        subgroups: by each other column of the labels file.
        left_out: columns that are no subgroups, with the reason.
        versions: name of a version of the lists and its figures; a sentence where it cannot be scored.
    """

    belief: PositiveClass
    subgroups: list[Subgroup]
    left_out: list[str]
    versions: list[tuple[str, Metrics | str]]


def cohort_details(task: Task, results: Results, versions: Sequence[Any] = ()) -> Details | None:
    """The details of results that have figures; None without.

    versions: {"name": …, "lists": {class: [symptom, …]}} each, as the page keeps them.
    """
    if results.figures is None:
        return None
    belief = measure_cohort(task, results, RESAMPLES).belief
    assert belief is not None
    subgroups, left_out = _subgroups(results)
    return Details(belief, subgroups, left_out, [_version(task, results, each) for each in versions[:MAX_VERSIONS]])


def _subgroups(results: Results) -> tuple[list[Subgroup], list[str]]:
    rows = results.measured_rows
    probabilities = torch.tensor([row.probabilities for row in results.counted], dtype=torch.float64)
    truth = torch.tensor([row.label for row in rows])
    found: list[Subgroup] = []
    left_out: list[str] = []
    for column in group_columns([row.details for row in rows]):
        try:
            groups = measure_subgroups(probabilities, truth, results.classes, rows, [column], SEED)
        except UsageError:
            left_out.append(f"{column} (empty)")
            continue
        if len(groups) > MAX_GROUPS:
            left_out.append(f"{column} ({len(groups)} different values)")
        else:
            found += groups
    return found, left_out


def _version(task: Task, results: Results, version: Any) -> tuple[str, Metrics | str]:  # noqa: ANN401
    name = str(version.get("name", ""))[:40] if isinstance(version, Mapping) else ""
    lists = version.get("lists") if isinstance(version, Mapping) else None
    if not isinstance(lists, Mapping) or list(lists) != list(task.classes):
        return name, "has lists of another task"
    try:
        symptoms = parse_boxes(task.predictor.symptoms, tuple("\n".join(map(str, lines)) for lines in lists.values()))
        found = score_cohort(task, results.cohort, results.labels, symptoms, results, results.asked)
    except SymptomError as error:
        return name, str(error)
    assert found.figures is not None
    return name, found.figures

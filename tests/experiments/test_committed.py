"""The results in the repository: their tables are what the predictions of their runs give."""

import csv
import json
from pathlib import Path

import pytest

from vip_core.experiments.config import SHOTS, RunSpec, row_name
from vip_core.experiments.runs import RUN, RunResult, read_run
from vip_core.experiments.tables import COLUMNS, row
from vip_core.experiments.targets import TARGETS

RESULTS = Path(__file__).parents[2] / "results"
FOLDERS = sorted(RESULTS.glob("*/*")) if RESULTS.is_dir() else []
SHOT_TABLES = {f"shots-{shots}": shots for shots in SHOTS} | {"shots-all": None}
TABLES = {"table1": None, "table2": None, "figure5": None} | SHOT_TABLES


@pytest.fixture(scope="module", params=FOLDERS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def folder(request) -> Path:
    """The results of one backbone and data set."""
    return request.param


@pytest.fixture(scope="module")
def runs(folder) -> dict[RunSpec, RunResult]:
    """All its runs. Each must have the settings of the others and the name of its specification."""
    found, shared = {}, None
    for path in sorted((folder / "runs").iterdir()):
        info = json.loads((path / RUN).read_text(encoding="utf-8"))
        spec, shared = RunSpec(**info["spec"]), shared or info["shared"]
        assert spec.name == path.name
        found[spec] = read_run(path, spec, shared)
    return found


def test_every_target_has_its_files_and_there_are_no_others(folder):
    drawn = {f"{name}.{kind}" for name in TARGETS if not name.startswith("table") for kind in ("png", "pdf")}
    written = {f"{name}.{kind}" for name in TABLES for kind in ("csv", "md")}
    assert {path.name for path in folder.iterdir()} == drawn | written | {"runs"}


@pytest.mark.parametrize("table", TABLES)
def test_table_is_what_the_predictions_give(folder, runs, table):
    names = {(row_name(spec.method, spec.knowledge), spec.shots, spec.seed, spec.rate): spec for spec in runs}
    with (folder / f"{table}.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for written in rows:
        rate = float(written["rate"]) if written["rate"] else None
        spec = names[written["method"], TABLES[table], int(written["seed"]), rate]
        expected = row(written["method"], runs[spec])
        assert written == {name: str(expected[name]) for name in COLUMNS}


def test_learning_rate_is_the_one_with_the_best_validation_auroc(runs):
    """Of the first seed with all images and the visual symptoms; the smaller of equals."""
    tried: dict[str, list[RunResult]] = {}
    for spec, result in runs.items():
        if spec.rate is not None and spec.seed == 1 and spec.shots is None and spec.knowledge == "visual":
            tried.setdefault(spec.method, []).append(result)
    best = {
        (method, max(found, key=lambda result: (round(result.val_auroc, 12), -result.spec.rate)).spec.rate)
        for method, found in tried.items()
    }
    assert {(spec.method, spec.rate) for spec in runs if spec.rate is not None and spec.seed != 1} == best

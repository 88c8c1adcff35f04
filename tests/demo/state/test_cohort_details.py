"""The Cohort page has the figures of `vip evaluate`: the same values, the same intervals, on the same images."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from demo.render.cohort_details import details_card
from demo.state.cohort import CohortChoices, score_cohort
from demo.state.cohort_details import cohort_details
from demo.state.cohort_loader import Turns, read_cohort
from demo.state.labels import read_labels
from tests.processes import run

COUNT = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tasks):
    """The example X-rays again and again, each a little brighter or darker, and their labels."""
    folder = tmp_path_factory.mktemp("films")
    examples = tasks["pneumonia"].examples
    lines = ["image,label,patient,sex"]
    for i in range(COUNT):
        path, diagnosis = examples[i % len(examples)]
        pixels = np.asarray(Image.open(path).convert("L").resize((240, 240)), dtype=float)
        noise = np.random.default_rng(i).normal(0, 30, pixels.shape)
        Image.fromarray(np.clip(pixels * (0.6 + 0.01 * i) + noise, 0, 255).astype(np.uint8)).save(folder / f"{i}.png")
        label = "pneumonia" if ("pneumonia" in diagnosis) != (i % 7 == 0) else "normal lung"
        lines.append(f"{i}.png,{label},p{i // 2},{'fm'[i % 2]}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def scored(folder, tasks):
    """What the page makes of them."""
    task = tasks["pneumonia"]
    files = [(folder / f"{i}.png", f"{i}.png") for i in range(COUNT)]
    *_, last = read_cohort(task.predictor.vip.backbone, files, "me", Turns())
    labels = read_labels(folder / "labels.csv", "labels.csv")
    threshold = task.predictor.vip.card.threshold
    asked = CohortChoices(threshold=threshold, prevalence=0.1)
    half = score_cohort(task, last.cohort, labels, task.predictor.symptoms, None, CohortChoices(prevalence=0.1))
    return half, score_cohort(task, last.cohort, labels, task.predictor.symptoms, None, asked)


@pytest.fixture(scope="module")
def report(folder):
    """What the command makes of them."""
    command = ["-m", "vip_core.evaluate", "--checkpoint", "pneumonia", "--data", "csv", "--root", folder]
    done = run(*command, "--split", "all", "--prevalence", "0.1", "--by", "sex", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def same(mine, theirs) -> None:
    """Equal but for the last digits, which depend on how many images share a batch."""
    if isinstance(mine, dict):
        assert set(mine) == set(theirs)
        for key in mine:
            same(mine[key], theirs[key])
    elif isinstance(mine, list | tuple):
        assert len(mine) == len(theirs)
        for pair in zip(mine, theirs, strict=True):
            same(*pair)
    elif isinstance(mine, float):
        assert mine == pytest.approx(theirs, abs=1e-4)
    else:
        assert mine == theirs


def test_cohort_figures_are_those_of_evaluate(scored, report):
    half, at_threshold = scored
    mine = json.loads(json.dumps(half.figures.to_dict()))
    same(mine, {key: report[key] for key in mine})
    moved = json.loads(json.dumps(at_threshold.figures.to_dict()))
    theirs = report["at_threshold"]
    assert theirs["unit"] if "unit" in theirs else mine["unit"] == "patient"
    for key in ("accuracy", "balanced_accuracy", "f1_macro", "recall", "confusion"):
        same(moved[key], theirs[key])
    same({k: v for k, v in moved["intervals"].items() if k != "auroc"}, theirs["intervals"])


def test_cohort_details_are_those_of_evaluate(scored, report, tasks):
    half, _ = scored
    details = cohort_details(tasks["pneumonia"], half)
    same(json.loads(json.dumps(details.belief.to_dict())), report["positive_class"])
    same(json.loads(json.dumps([group.to_dict() for group in details.subgroups])), report["subgroups"])
    card = details_card(details)
    brier = report["positive_class"]["brier"]
    assert f"{brier['value']:.3f} <small>({brier['interval'][0]:.3f} to {brier['interval'][1]:.3f})" in card


def test_cohort_details_measure_versions_and_say_what_is_no_subgroup(scored, tasks):
    half, _ = scored
    task = tasks["pneumonia"]
    own = {name: list(lines) for name, lines in zip(task.classes, task.predictor.symptoms.symptoms, strict=True)}
    versions = [{"name": "A", "lists": own}, {"name": "B", "lists": {"melanoma": ["x"]}}, "nonsense"]
    details = cohort_details(task, half, versions)
    (a, found), (b, other), (_, nonsense) = details.versions
    assert (a, found) == ("A", half.figures) and (b, other) == ("B", "has lists of another task")
    assert nonsense == "has lists of another task"
    many = [{**line, "id": f"name {i}"} for i, line in enumerate(half.matched.details)]
    ids = dataclasses.replace(half, matched=dataclasses.replace(half.matched, details=many))
    assert cohort_details(task, ids).left_out == [f"id ({COUNT} different values)"]

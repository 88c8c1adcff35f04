"""The page's work with a checkpoint that has an image adapter."""

import pytest
import torch

from demo.state.rows import score_rows
from demo.state.tasks import load_tasks
from demo.state.visit import Visit
from tests.demo.state.test_rows import asked_for


@pytest.fixture
def task(adapted):
    (task,) = load_tasks([str(adapted)]).values()
    return task


@pytest.fixture
def visit():
    return Visit(choice=1, features=torch.randn(8, generator=torch.Generator().manual_seed(1)))


def test_an_edit_encodes_the_changed_line_alone(task, visit, monkeypatch):
    request, encoded = asked_for(task), []
    score_rows(task, visit, request)
    encode = type(task.predictor).encode_new
    monkeypatch.setattr(
        type(task.predictor), "encode_new", lambda own, lines: encoded.extend(lines) or encode(own, lines)
    )
    request["lists"][task.classes[0]][0]["text"] = "a new line"
    score_rows(task, visit, request)
    assert [text for _, text in encoded] == ["a new line"]


def test_bars_sum_to_the_logit(task, visit):
    found = task.predictor.diagnose(visit.features)
    rows = score_rows(task, visit, asked_for(task))["rows"]
    for name in task.classes:
        bars = [row["contribution"] for row in rows if row["class"] == name]
        assert found.class_terms[name] + sum(bars) == pytest.approx(found.logits[name], abs=1e-3)


def test_reference_images_stay_within_the_axis(task):
    bank = task.predictor.vip.reference
    low, high = task.axis
    for features in bank.features:
        assert all(low <= each.similarity <= high for each in task.predictor.diagnose(features).symptoms)
    assert task.scorer("symptoms").similarity_reference is bank  # zero-shot has no adapter

"""Classes that a visitor adds: scored as ZeroShot scores the same lists, and refused with a sentence if odd."""

import pytest

from demo.state.added_classes import MAX_ADDED, task_asked
from demo.state.bench import rescore
from demo.state.visit import Visit
from vip_core.errors import SymptomError
from vip_core.scoring.zero_shot import ZeroShot
from vip_core.symptoms import SymptomSet


def request(task, added, **more):
    own = task.predictor.symptoms
    lists = {name: list(lines) for name, lines in zip(own.classes, own.symptoms, strict=True)} | added
    rows = {name: [{"text": line, "on": True} for line in lines] for name, lines in lists.items()}
    return {"task": task.key, "mode": "symptoms", "choice": 1, "id": 7, "lists": rows, **more}, lists


def test_added_class_is_scored_as_zero_shot_scores_it(tasks, task, features):
    asked, lists = request(task, {"tuberculosis": ["cavity in an upper lobe", "tree-in-bud nodules"]}, changes=True)
    found = rescore(tasks, Visit(choice=1, features=features), asked)
    expected = ZeroShot(task.predictor.vip.backbone).diagnose(features, SymptomSet.from_dict(lists))
    assert found["probabilities"] == pytest.approx(list(expected.probabilities.values()), abs=1e-4)
    new = [row for row in found["rows"] if row["class"] == "tuberculosis"]
    assert [row["auroc"] for row in new] == [None, None] and new[0]["counts"][0] == [0] * len(new[0]["counts"][0])
    assert found["domain"]["in_domain"] is True  # the reference images still say what the model knows
    assert found["changes"] and found["neighbours"]


def test_added_class_with_a_finding_of_its_own_keeps_its_similarity(tasks, task, features):
    asked, _ = request(task, {"tuberculosis": ["cavity"]})
    plain = rescore(tasks, Visit(choice=1, features=features), asked)
    asked["lists"]["tuberculosis"][0]["finding"] = "seen"
    assert rescore(tasks, Visit(choice=1, features=features), asked)["probabilities"] == plain["probabilities"]


@pytest.mark.parametrize("name", ["", "  ", "x" * 61])
def test_task_asked_refuses_odd_names(tasks, task, name):
    with pytest.raises(SymptomError, match="A class name must have 1 to 60 characters"):
        task_asked(tasks, request(task, {name: ["x"]})[0])


def test_task_asked_refuses_too_many_classes(tasks, task, features):
    asked, _ = request(task, {f"class {i}": ["x"] for i in range(MAX_ADDED + 1)})
    assert "At most 6 classes" in rescore(tasks, Visit(choice=1, features=features), asked)["error"]


def test_task_asked_is_the_task_itself_without_added_classes(tasks, task):
    assert task_asked(tasks, request(task, {})[0]) is task

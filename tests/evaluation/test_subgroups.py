"""Subgroups by columns, and symptoms that a column labels."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from vip_core.data.dataset import Row
from vip_core.errors import UsageError
from vip_core.evaluation.metrics import compute_metrics
from vip_core.evaluation.subgroups import group_values, measure_subgroups, measure_symptoms


def rows(cells: list[dict[str, str]], patients: list[str] | None = None) -> list[Row]:
    return [Row(Path(f"{i}.png"), i % 2, patients[i] if patients else f"p{i}", cell) for i, cell in enumerate(cells)]


def test_measure_subgroups_are_the_metrics_of_their_images():
    torch.manual_seed(0)
    probabilities, labels = torch.rand(90, 2).softmax(-1), torch.arange(90) % 2
    table = rows([{"Sex": "female" if i < 60 else "male" if i < 85 else ""} for i in range(90)])
    found = measure_subgroups(probabilities, labels, ("a", "b"), table, ["sex"])
    assert [(group.value, sum(group.counts.values())) for group in found] == [
        ("female", 60),
        ("male", 25),
        ("unknown", 5),
    ]
    assert found[0].metrics == compute_metrics(probabilities[:60], labels[:60], ("a", "b"))
    assert found[2].metrics is None and found[2].counts == {"a": 2, "b": 3}


def test_measure_subgroups_of_fewer_than_ten_of_a_class_have_no_metrics():
    probabilities, labels = torch.full((40, 2), 0.5), (torch.arange(40) < 9).long()
    (group,) = measure_subgroups(probabilities, labels, ("a", "b"), rows([{"site": "x"}] * 40), ["site"])
    assert group.metrics is None and group.counts == {"a": 31, "b": 9}


def test_group_values_cuts_numbers_into_quarters():
    groups = group_values([str(age) for age in range(1, 101)] + [""], "age")
    assert {groups.count(name) for name in set(groups) - {"unknown"}} <= {24, 25, 26}
    assert groups[0] == "1 to 26" and groups[-1] == "unknown" and len(set(groups)) == 5
    assert group_values(["1", "2", "1"], "grade") == ["1", "2", "1"]
    with_words = group_values([str(age) for age in range(1, 101)] + ["unknown", "n/a"], "age")
    assert with_words[:100] == groups[:100] and with_words[100:] == ["unknown", "n/a"]


def test_group_values_names_the_columns_that_there_are():
    with pytest.raises(UsageError, match=r"'view'; the columns are \['age'\]"):
        measure_subgroups(torch.ones(4, 2) / 2, torch.arange(4) % 2, ("a", "b"), rows([{"age": "3"}] * 4), ["view"])


def test_measure_symptoms_ranks_the_images_that_the_column_labels():
    rng = np.random.default_rng(0)
    similarity = rng.normal(size=(60, 2))
    cells = [{"pigment_network": "" if i < 10 else str(int(i % 3 == 0))} for i in range(60)]
    symptoms = [("nevus", "Regular pigment networks of thin lines"), ("nevus", "brown globules")]
    (found,) = measure_symptoms(similarity, symptoms, rows(cells), ["pigment_network"])
    truth = np.array([i % 3 == 0 for i in range(10, 60)])
    assert found.symptom == symptoms[0][1] and found.positives == truth.sum()
    assert found.auroc.value == pytest.approx(roc_auc_score(truth, similarity[10:, 0]))
    assert found.auroc.low < found.auroc.value < found.auroc.high


def test_measure_symptoms_withholds_few_images_and_refuses_columns_without_labels():
    cells = [{"streaks": str(int(i < 5)), "site": "back"} for i in range(40)]
    (found,) = measure_symptoms(np.zeros((40, 1)), [("a", "irregular streaks")], rows(cells), ["streaks"])
    assert found.auroc is None and found.positives == 5
    with pytest.raises(UsageError, match="no label 0 or 1"):
        measure_symptoms(np.zeros((40, 1)), [("a", "irregular streaks")], rows(cells), ["site"])

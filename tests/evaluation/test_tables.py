"""Tables: every figure that depends on a class names it, and names are shown as they are."""

import json

import pytest
import torch
from rich.console import Console

from vip_core.evaluation.intervals import share
from vip_core.evaluation.measure import Evaluation, ThresholdMetrics
from vip_core.evaluation.metrics import compute_metrics
from vip_core.evaluation.reliance import Reliance
from vip_core.evaluation.tables import print_evaluation
from vip_core.evaluation.thresholds import at_threshold
from vip_core.models.card import read_card
from vip_core.models.checkpoint import find_checkpoint


def evaluation(names: tuple[str, str], second: torch.Tensor, labels: torch.Tensor, threshold: float) -> Evaluation:
    probabilities = torch.stack([1 - second, second], -1)
    moved = compute_metrics(at_threshold(probabilities, threshold), labels, names)
    return Evaluation(
        metrics=compute_metrics(probabilities, labels, names),
        at_threshold=ThresholdMetrics({names[0]: 1 - threshold, names[1]: threshold}, moved),
        reliance=Reliance(4, 1.0, {}, 0.0),
        probabilities=None,
        ece_before_temperature=0.0,
        subtypes={"viral [x]": share(labels.numpy() == 1)},
        flagged=0,
    )


def printed(result: Evaluation, positive: str | None, capsys) -> str:
    print_evaluation(Console(width=140), "[red]a title", result, positive)
    return capsys.readouterr().out


def test_print_evaluation_shows_class_names_as_they_are(capsys):
    labels = torch.tensor([0, 1, 0, 1])
    names = ("nodule [benign]", "nodule [/b]")
    out = printed(evaluation(names, labels * 0.6 + 0.2, labels, 0.5), None, capsys)
    assert "[red]a title (n = 4)" in out and "all resamples agree" in out and "viral [x]" in out
    assert all(out.count(f"recall of {name}") == 2 for name in names)


@pytest.mark.parametrize("swapped", [False, True])
def test_print_evaluation_names_the_class_of_the_threshold(swapped, capsys):
    """A melanoma is called from a probability of .297 on, in whichever order the classes come."""
    labels = torch.tensor([0, 0, 0, 1, 1, 1])  # 1: melanoma
    melanoma = torch.tensor([0.1, 0.2, 0.4, 0.25, 0.35, 0.9])
    if swapped:
        result = evaluation(("melanoma", "nevus"), 1 - melanoma, 1 - labels, 0.703)
    else:
        result = evaluation(("nevus", "melanoma"), melanoma, labels, 0.297)
    out = printed(result, "melanoma", capsys)
    assert "predicting melanoma at a probability of at least 0.297" in out and "0.703" not in out
    found = result.to_dict()["at_threshold"]
    assert found["thresholds"] == pytest.approx({"melanoma": 0.297, "nevus": 0.703})
    assert found["threshold"] == pytest.approx(found["thresholds"][found["threshold_class"]])
    assert found["recall"] == pytest.approx({"melanoma": 2 / 3, "nevus": 2 / 3})


@pytest.mark.parametrize("name", ["pneumonia", "melanoma"])
def test_evaluation_reads_the_figures_of_shipped_cards(name):
    figures = read_card(find_checkpoint(name)).figures["test"]
    again = Evaluation.from_dict(figures).to_dict()
    again["at_threshold"] = {
        key: value for key, value in again["at_threshold"].items() if key in figures["at_threshold"]
    }
    assert json.loads(json.dumps({key: again[key] for key in figures})) == figures

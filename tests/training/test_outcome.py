"""What a run did, and its warnings, seen in real runs."""

import json

import pytest

from tests.training.test_loop import arguments
from vip_core.errors import UsageError
from vip_core.models.vip import ViP
from vip_core.train import main
from vip_core.training.config import TrainConfig
from vip_core.training.outcome import _below_probe


def learning(folder):
    return json.loads((folder / "card.json").read_text())["learning"]


def warned(folder, part: str) -> bool:
    return any(part in warning for warning in learning(folder)["warnings"])


def test_a_run_that_changes_nothing_warns(image_folder, symptom_file, tiny_native, tmp_path, capsys):
    main(arguments(image_folder, symptom_file, tiny_native, tmp_path / "run", "--rate", "0", "--warmup-rate", "0"))
    assert warned(tmp_path / "run", "The prompts are as initialised: training changed nothing.")
    assert "training changed nothing" in " ".join(capsys.readouterr().err.split())


def test_a_run_in_which_the_tokens_decide_warns(image_folder, symptom_file, tiny_native, tmp_path):
    main(arguments(image_folder, symptom_file, tiny_native, tmp_path / "run", "--rate", "0.5"))
    assert warned(tmp_path / "run", "The class tokens decide, not the symptoms")
    assert warned(tmp_path / "run", "Try --swap 0.5 or a lower --rate.")


def test_a_run_that_diverges_says_so(image_folder, symptom_file, tiny_native, tmp_path):
    out = tmp_path / "run"
    with pytest.raises(UsageError, match="diverged in the first epoch"):
        main(arguments(image_folder, symptom_file, tiny_native, out, "--warmup-rate", "1e38"))
    main(arguments(image_folder, symptom_file, tiny_native, tmp_path / "later", "--rate", "1e38"))
    assert warned(tmp_path / "later", "Training diverged")


@pytest.mark.parametrize(
    ("settings", "advice"),
    [
        ({"method": "vip"}, "Try --method vip-adapter."),
        ({"method": "vip-adapter"}, "Try --train-prompts and look at what the symptoms then mean, or more epochs."),
        ({"method": "vip-adapter", "train_prompts": True}, "Try more epochs or a higher --rate."),
    ],
)
def test_a_run_below_the_probe_names_what_it_has_not_tried(settings, advice):
    config = TrainConfig(data="folder", root="", symptoms="", **settings)
    assert _below_probe(0.80, 0.86, config) == (
        "A logistic regression on the same image features has a validation AUROC of 0.860, this model 0.800. " + advice
    )
    assert _below_probe(0.82, 0.86, config) is None


def test_the_card_has_the_probe_and_what_the_symptoms_mean(trained):
    found = learning(trained)
    assert set(found["epochs"]) == {"first", "kept", "last"}
    assert 0 <= found["probe"]["val"] <= 1 and 0 <= found["probe"]["test"] <= 1
    assert -1 <= found["before"]["line_correlation"] <= 1
    assert ViP.from_pretrained(trained).card.learning.model_dump() == found

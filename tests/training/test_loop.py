"""The protocol of the paper, and a run that survives being killed."""

import json
import math
import shutil
import signal
import time
from dataclasses import replace
from typing import get_args

import pytest
import torch
from torch.nn import functional as F

from tests.processes import start
from vip_core.data.features import FeatureSplit
from vip_core.data.sources import DATASETS
from vip_core.errors import CheckpointError, UsageError
from vip_core.models.vip import ViP
from vip_core.train import main
from vip_core.training.config import DataName, TrainConfig, rate_at
from vip_core.training.loop import train_prompts
from vip_core.training.run import train

CONFIG = TrainConfig(data="folder", root="", symptoms="", method="vip")


def arguments(image_folder, symptom_file, tiny_native, out, *more: str) -> list[str]:
    return [
        *("--data", "folder", "--root", str(image_folder), "--symptoms", str(symptom_file)),
        *("--backbone", tiny_native, "--out", str(out), "--epochs", "6", "--batch-size", "8", "--views", "2", *more),
    ]


def test_rate_at_is_the_papers_schedule():
    assert rate_at(0, CONFIG) == 1e-5
    assert rate_at(1, CONFIG) == 2e-3
    assert rate_at(26, CONFIG) == pytest.approx(1e-3)  # half way down the cosine
    assert rate_at(49, CONFIG) == pytest.approx(1e-3 * (1 + math.cos(math.pi * 48 / 50)))


def test_train_prompts_is_sgd_over_shuffled_batches_without_the_last_partial_one(backbone, symptoms, tmp_path):
    """The loop against the optimiser's formula written out: v = 0.9 v + g + 5e-4 p, p = p - rate v."""
    torch.manual_seed(0)
    vip = ViP(backbone, symptoms)
    features, labels = torch.randn(10, 1, 8), torch.arange(10) % 3
    config = replace(CONFIG, epochs=2, batch_size=4)
    expected = {key: value.clone().requires_grad_(True) for key, value in vip.state_dict().items()}
    generator = torch.Generator().manual_seed(config.seed)
    velocity = {key: torch.zeros_like(value) for key, value in expected.items()}
    for epoch in range(2):
        order = torch.randperm(10, generator=generator)
        torch.randint(1, (10,), generator=generator)
        for rows in (order[:4], order[4:8]):
            logits = torch.func.functional_call(vip, expected, features[rows, 0])
            loss = F.cross_entropy(logits, labels[rows])
            for (key, value), slope in zip(
                expected.items(), torch.autograd.grad(loss, list(expected.values())), strict=True
            ):
                velocity[key] = 0.9 * velocity[key] + slope + 5e-4 * value.detach()
                expected[key] = (value.detach() - rate_at(epoch, config) * velocity[key]).requires_grad_(True)
    # A validation set on which the later epoch is always better would need luck, so the last state is read instead.
    train_prompts(
        vip, lambda epoch: features, labels, FeatureSplit(features[:, 0], labels), config, tmp_path / "last.pt"
    )
    last = torch.load(tmp_path / "last.pt", weights_only=True)["model"]
    for key, value in expected.items():
        torch.testing.assert_close(last[key], value.detach(), atol=1e-6, rtol=1e-5)


def test_train_prompts_keeps_the_earliest_of_equally_good_epochs(backbone, symptoms, tmp_path):
    torch.manual_seed(0)
    vip = ViP(backbone, symptoms)
    features, labels = torch.randn(8, 1, 8), torch.arange(8) % 3
    constant = FeatureSplit(features[:1, 0], vip(features[:1, 0]).argmax(-1))  # right in every epoch
    done = train_prompts(
        vip, lambda epoch: features, labels, constant, replace(CONFIG, epochs=4, rate=1e-6), tmp_path / "last.pt"
    )
    assert [accuracy for _, accuracy, _ in done.history] == [1.0] * 4
    assert done.best_epoch == 0


def test_train_prompts_keeps_the_epoch_that_select_names(backbone, symptoms, tmp_path):
    features, labels = torch.randn(8, 1, 8, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 3
    val = FeatureSplit(features[:, 0], (labels + 1) % 3)  # learning the training labels makes these worse
    best = {}
    for select in ("accuracy", "loss", "last"):
        torch.manual_seed(0)
        vip = ViP(backbone, symptoms)
        config = replace(CONFIG, epochs=4, rate=0.05, select=select)
        done = train_prompts(vip, lambda epoch: features, labels, val, config, tmp_path / f"{select}.pt")
        _, accuracies, losses = zip(*done.history, strict=True)
        best[select] = done.best_epoch
    assert best["loss"] == losses.index(min(losses)) != losses.index(max(losses))
    assert best["accuracy"] == accuracies.index(max(accuracies))
    assert best["last"] == 3 != best["loss"]


def test_train_prompts_ends_with_the_prompts_of_the_kept_epoch(backbone, symptoms, tmp_path):
    torch.manual_seed(0)
    vip = ViP(backbone, symptoms)
    features, labels = torch.randn(8, 1, 8), torch.arange(8) % 3
    val = FeatureSplit(features[:1, 0], vip(features[:1, 0]).argmax(-1))
    done = train_prompts(vip, lambda epoch: features, labels, val, replace(CONFIG, epochs=3), tmp_path / "last.pt")
    last = torch.load(tmp_path / "last.pt", weights_only=True)["model"]
    assert done.best_epoch < 2
    for key, value in vip.state_dict().items():
        assert torch.equal(value, done.best_state[key])
    assert any(not torch.equal(value, last[key]) for key, value in vip.state_dict().items())


def test_without_training_the_context_every_text_keeps_its_features(backbone, symptoms, tmp_path):
    torch.manual_seed(0)
    vip = ViP(backbone, symptoms)
    before = {key: value.clone() for key, value in vip.state_dict().items()}
    other = symptoms.edited(symptoms.classes[0], ["a text that is in no list"])
    text = vip.encode_symptoms(other)
    features, labels = torch.randn(8, 1, 8), torch.arange(8) % 3
    config = replace(CONFIG, epochs=3, train_context=False, select="last")
    train_prompts(
        vip, lambda epoch: features, labels, FeatureSplit(features[:, 0], labels), config, tmp_path / "last.pt"
    )
    moved = {key for key, value in vip.state_dict().items() if not torch.equal(value, before[key])}
    assert moved == {key for key in before if key.startswith("merge_prompt.")}
    torch.testing.assert_close(vip.encode_symptoms(other), text, atol=1e-6, rtol=1e-6)


def test_an_anchor_keeps_other_texts_near_what_they_meant(backbone, symptoms, tmp_path):
    features, labels = torch.randn(24, 1, 8), torch.arange(24) % 3
    other = symptoms.edited(symptoms.classes[0], ["a text that is in no list"])
    moved = {}
    for anchor in (0.0, 20.0):
        torch.manual_seed(0)
        vip = ViP(backbone, symptoms)
        before = vip.encode_symptoms(other).detach()
        config = replace(CONFIG, epochs=6, rate=0.05, anchor=anchor, select="last")
        split, path = FeatureSplit(features[:, 0], labels), tmp_path / f"{anchor}.pt"
        train_prompts(vip, lambda epoch: features, labels, split, config, path)
        after = vip.encode_symptoms(other).detach()
        moved[anchor] = (1 - torch.cosine_similarity(before, after)).mean().item()
    assert moved[20.0] < 0.5 * moved[0.0]


@pytest.mark.parametrize("changes", [{"anchor": 20.0}, {"train_context": False}], ids=["anchor", "fixed"])
def test_a_resumed_run_knows_the_text_of_the_beginning(backbone, symptoms, tmp_path, changes):
    features, labels = torch.randn(24, 1, 8), torch.arange(24) % 3
    val = FeatureSplit(features[:, 0], labels)
    config = replace(CONFIG, epochs=4, rate=0.05, unrelated=0.5, select="last", **changes)

    def run(path, views):
        torch.manual_seed(0)
        vip = ViP(backbone, symptoms)
        train_prompts(vip, views, labels, val, config, path)
        return vip.state_dict()

    def killed(epoch):
        if epoch == 2:
            raise KeyboardInterrupt
        return features

    whole = run(tmp_path / "whole.pt", lambda epoch: features)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "part.pt", killed)
    resumed = run(tmp_path / "part.pt", lambda epoch: features)
    assert all(torch.equal(value, resumed[key]) for key, value in whole.items())


def test_train_lowers_the_loss_and_writes_a_card(image_folder, symptom_file, tiny_native, tmp_path):
    main(arguments(image_folder, symptom_file, tiny_native, tmp_path / "run", "--rate", "0.05"))
    card = json.loads((tmp_path / "run" / "card.json").read_text())
    history = [epoch["loss"] for epoch in card["training"]["history"]]
    assert history[-1] < history[0]
    assert card["classes"] == ["dark", "white"]  # the order of the symptom file, not of the folders or of time
    assert card["data"]["images"]["train"] == {"dark": 14, "white": 14}
    assert card["figures"]["test"]["n"] == 8 and set(card["figures"]["test"]["intervals"])
    assert card["backbone"]["fingerprint"] == ViP.from_pretrained(tmp_path / "run").backbone.fingerprint


def test_train_resumed_after_a_kill_equals_an_uninterrupted_run(image_folder, symptom_file, tiny_native, tmp_path):
    """Killed without warning in the middle of training in a process of its own, resumed in another; bit for bit."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    more = ("--epochs", "60")
    process = start("-m", "vip_core.train", *arguments(image_folder, symptom_file, tiny_native, killed, *more))
    deadline = time.monotonic() + 120
    while not (killed / "last.pt").is_file() and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "card.json").exists()
    epochs_done = torch.load(killed / "last.pt", weights_only=True)["progress"]["epoch"]
    assert 1 <= epochs_done < 60
    for out in (whole, killed):
        main(arguments(image_folder, symptom_file, tiny_native, out, *more, "--resume"))
    for name in ("model.safetensors", "reference.safetensors"):
        assert (whole / name).read_bytes() == (killed / name).read_bytes()
    assert ViP.from_pretrained(whole).card.figures == ViP.from_pretrained(killed).card.figures


def test_train_interrupted_leaves_a_sentence_and_a_run_to_resume(image_folder, symptom_file, tiny_native, tmp_path):
    out = tmp_path / "run"
    run = arguments(image_folder, symptom_file, tiny_native, out, "--epochs", "2000")
    process = start("-m", "vip_core.train", *run, stderr=tmp_path / "errors")
    deadline = time.monotonic() + 120
    while not (out / "last.pt").is_file() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    errors = (tmp_path / "errors").read_text()
    assert "Traceback" not in errors
    assert f"Finished epochs are kept in {out}; continue with --resume." in " ".join(errors.split())
    assert torch.load(out / "last.pt", weights_only=True)["progress"]["epoch"] >= 1


def test_train_never_overwrites_a_run_nor_repeats_a_finished_one(
    image_folder, symptom_file, tiny_native, tmp_path, capsys
):
    run = arguments(image_folder, symptom_file, tiny_native, tmp_path / "run")
    main(run)
    before = (tmp_path / "run" / "card.json").read_bytes()
    with pytest.raises(CheckpointError, match=r"already contains a run\. Use --resume"):
        main(run)
    main([*run, "--resume"])
    assert "contains a finished run, which was not changed" in " ".join(capsys.readouterr().err.split())
    with pytest.raises(CheckpointError, match="contains a run with seed 1, not 7"):
        main([*run, "--resume", "--seed", "7"])
    assert (tmp_path / "run" / "card.json").read_bytes() == before


def test_resume_accepts_moved_images_and_refuses_other_ones(image_folder, symptom_file, tiny_native, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    shutil.copytree(image_folder, here)
    config = TrainConfig("folder", str(here), str(symptom_file), backbone=tiny_native, epochs=2, views=1)
    train(config, tmp_path / "run", test=False)
    (tmp_path / "run" / "card.json").unlink()
    here.rename(there)
    train(replace(config, root=str(there)), tmp_path / "run", resume=True, test=False)
    (there / "dark" / "dark00.png").rename(there / "white" / "dark00.png")
    for done in (True, False):
        with pytest.raises(CheckpointError, match="contains a run on other images"):
            train(replace(config, root=str(there)), tmp_path / "run", resume=True, test=False)
        if done:
            (tmp_path / "run" / "card.json").unlink()


@pytest.mark.parametrize(
    ("more", "sentence"), [("empty", "contains no images"), ("none", "is not a folder"), ("a", "two")]
)
def test_train_refuses_ood_folders_before_anything_is_done(
    image_folder, symptom_file, tiny_native, tmp_path, more, sentence
):
    for folder in ("empty", "x/a", "y/x/a"):
        (tmp_path / folder).mkdir(parents=True)
    for folder in ("x/a", "y/x/a"):
        shutil.copy(image_folder / "dark" / "dark00.png", tmp_path / folder)
    folders = [tmp_path / "x" / "a", tmp_path / "y" / "x" / "a"] if more == "a" else [tmp_path / more]
    run = arguments(image_folder, symptom_file, tiny_native, tmp_path / "run", "--ood", *map(str, folders))
    with pytest.raises(UsageError, match=sentence):
        main(run)
    assert not (tmp_path / "run").exists()


def test_train_stores_a_relative_backbone_path_as_absolute(
    image_folder, symptom_file, tiny_native, tmp_path, monkeypatch
):
    shutil.copytree(tiny_native.removeprefix("local-dir:"), tmp_path / "tiny")
    monkeypatch.chdir(tmp_path)
    main(arguments(image_folder, symptom_file, "local-dir:tiny", "run", "--epochs", "1", "--no-test"))
    monkeypatch.chdir("/")
    vip = ViP.from_pretrained(tmp_path / "run")
    assert vip.backbone.name == f"local-dir:{(tmp_path / 'tiny').resolve()}"
    with pytest.raises(CheckpointError, match="exists only on this machine"):
        vip.push_to_hub("someone/something")


def test_resume_refuses_other_values(image_folder, symptom_file, tiny_native, tmp_path):
    config = TrainConfig("folder", str(image_folder), str(symptom_file), backbone=tiny_native, epochs=2, views=1)
    train(config, tmp_path / "run")
    (tmp_path / "run" / "card.json").unlink()
    with pytest.raises(CheckpointError, match="contains a run with seed 1, not 2"):
        train(replace(config, seed=2), tmp_path / "run", resume=True)


def test_resume_refuses_edited_symptoms(image_folder, tiny_native, tmp_path):
    """The path is the same, the content is not: class tokens would go to the wrong classes."""
    symptoms = tmp_path / "symptoms.json"
    symptoms.write_text('{"dark": ["black"], "white": ["bright"]}')
    config = TrainConfig("folder", str(image_folder), str(symptoms), backbone=tiny_native, epochs=2, views=1)
    train(config, tmp_path / "run")
    (tmp_path / "run" / "card.json").unlink()
    symptoms.write_text('{"white": ["bright"], "dark": ["black"]}')
    with pytest.raises(CheckpointError, match="contains a run with other symptoms"):
        train(config, tmp_path / "run", resume=True)


def test_train_with_views_0_encodes_afresh_every_epoch(image_folder, symptom_file, tiny_native, tmp_path):
    config = TrainConfig("folder", str(image_folder), str(symptom_file), backbone=tiny_native, epochs=3, views=0)
    train(config, tmp_path / "run")
    assert ViP.from_pretrained(tmp_path / "run").card.training["views"] == 0


def test_train_with_shots_uses_that_many_images_per_class(image_folder, symptom_file, tiny_native, tmp_path):
    main(arguments(image_folder, symptom_file, tiny_native, tmp_path / "run", "--shots", "3"))
    card = json.loads((tmp_path / "run" / "card.json").read_text())
    assert card["data"]["images"]["train"] == {"dark": 3, "white": 3}


def test_train_positive_sets_the_threshold_in_the_card(image_folder, halves, symptom_file, tiny_native, tmp_path):
    more = ("--data", "csv", "--root", str(halves), "--positive", "dark", "--sensitivity", "1")
    main(arguments(image_folder, symptom_file, tiny_native, tmp_path / "run", *more))
    card = ViP.from_pretrained(tmp_path / "run").card
    assert (card.training["positive"], card.training["sensitivity"]) == ("dark", 1.0)
    assert card.figures["val"]["at_threshold"]["recall"]["dark"] == 1
    with pytest.raises(UsageError, match="--positive 'grey' must be one of two classes"):
        main(arguments(image_folder, symptom_file, tiny_native, tmp_path / "other", "--positive", "grey"))
    with pytest.raises(UsageError, match="--sensitivity needs --positive"):
        main(arguments(image_folder, symptom_file, tiny_native, tmp_path / "other", "--sensitivity", "1"))


@pytest.mark.parametrize(
    ("backbone", "expected"),
    [("RN50x64", (8, 1e-3)), ("ViT-L-14-336", (16, 2e-3)), ("ViT-L/14-336", (16, 2e-3)), ("RN50", (32, 2e-3))],
)
def test_config_has_the_papers_values_by_backbone_and_prefers_what_is_given(backbone, expected):
    config = TrainConfig("pneumonia", "x", backbone=backbone)
    assert (config.batch_size, config.rate) == expected
    assert TrainConfig("pneumonia", "x", backbone=backbone, batch_size=3).batch_size == 3


def test_config_needs_symptoms_for_data_of_ones_own():
    with pytest.raises(UsageError, match="needs --symptoms"):
        TrainConfig("folder", "x")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"epochs": 0}, "epochs is 0; it must be at least 1"),
        ({"shots": 0}, "shots is 0; it must be at least 1"),
        ({"rate": float("nan")}, "rate: 'nan' is not a finite number"),
        ({"crop": 0.0}, "crop: '0.0' is not a share of a whole"),
        ({"data": "mri"}, "Unknown data layout 'mri'; use one of pneumonia, isic2017"),
        ({"sensitivity": 0.9}, "--sensitivity needs --positive"),
    ],
)
def test_config_refuses_values_out_of_range(values, sentence):
    with pytest.raises(UsageError, match=sentence):
        TrainConfig(**{"data": "pneumonia", "root": "x", **values})


def test_config_offers_the_layouts_that_can_be_read():
    assert list(get_args(DataName)) == list(DATASETS)

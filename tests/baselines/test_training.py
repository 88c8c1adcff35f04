"""Every method through the one training loop: what moves, how many values, the same bits for a seed."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression

from tests.conftest import PROJECT
from vip_core.baselines.linear_probe import MAX_ITERATIONS, LinearProbe, fit_probe
from vip_core.baselines.registry import METHODS
from vip_core.data.features import FeatureSplit
from vip_core.models.vip import predict
from vip_core.symptoms import SymptomSet
from vip_core.training.config import TrainConfig
from vip_core.training.loop import train_prompts

TRAINED = [m for m in METHODS.values() if m.rate is not None and m.name not in ("maple", "fine-tuned")]


def train(method, backbone, symptoms, path, epochs: int = 3, seed: int = 1):
    generator = torch.Generator().manual_seed(0)
    views, labels = torch.randn(24, 3, 8, generator=generator), torch.arange(24) % 3
    torch.manual_seed(seed)
    learner = method.build(backbone, symptoms)
    learner.prepare(views, labels)
    before = copy.deepcopy(learner.state_dict())
    config = TrainConfig("folder", "", "", seed=seed, epochs=epochs, batch_size=8, rate=0.1, method="vip")
    config = replace(config, **method.settings)
    val = FeatureSplit(views[:, 0], labels)
    train_prompts(learner, lambda epoch: views[:, 1:], labels, val, config, path)
    learner.finish(val.features, val.labels)
    return learner, before


@pytest.mark.parametrize("method", TRAINED, ids=lambda method: method.name)
def test_method_trains_its_own_parameters_only_and_repeats_to_the_bit(backbone, symptoms, tmp_path, method):
    frozen = copy.deepcopy(backbone.state_dict())
    learner, before = train(method, backbone, symptoms, tmp_path / "one.pt")
    state = torch.load(tmp_path / "one.pt", weights_only=True)["model"]
    trained = {name for name, parameter in learner.named_parameters() if parameter.requires_grad}
    assert {name for name in before if not torch.equal(before[name], state[name])} - {"step"} == trained
    assert all(torch.equal(value, frozen[name]) for name, value in backbone.state_dict().items())
    assert not any(name.startswith(("clip", "backbone")) for name in learner.state_dict())

    again, _ = train(method, backbone, symptoms, tmp_path / "two.pt")
    images = torch.randn(7, 8, generator=torch.Generator().manual_seed(1))
    assert torch.equal(predict(learner, images), predict(again, images))


def test_bayesian_prompts_resume_with_the_same_draws(backbone, symptoms, tmp_path, monkeypatch):
    method = METHODS["bayesian"]
    whole, _ = train(method, backbone, symptoms, tmp_path / "whole.pt")
    calls = []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return save(*arguments)

    from vip_core.training import loop

    save = loop.save_state
    monkeypatch.setattr(loop, "save_state", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(method, backbone, symptoms, tmp_path / "part.pt")
    monkeypatch.setattr(loop, "save_state", save)
    resumed, _ = train(method, backbone, symptoms, tmp_path / "part.pt")
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_parameter_count_of_each_method_is_the_published_one(backbone, symptoms):
    width, dimension, length, classes, images = 12, 8, 4, 3, 6
    hidden = max(1, dimension // 16)
    expected = {
        "vip": length * width + classes * dimension + 2 * dimension**2,
        "coop": length * width,
        "coop-csc": classes * length * width,
        "cocoop": length * width + dimension * hidden + hidden + hidden * width + width,
        "bayesian": length * width + 2 * width,
        "tip-adapter": 0,
        "tip-adapter-f": images * dimension,
        "clip-adapter": dimension**2 // 2,
        "kgcoop": length * width,
        "biomedcoop": length * width,
        "linear-probe": classes * (dimension + 1),
        "context-only": length * width,
        "merge-only": classes * dimension + 2 * dimension**2,
        "tokens-only": classes * dimension,
        "vip-swap": length * width + classes * dimension + 2 * dimension**2,
        "zero-shot-symptoms": 0,
        "maple": 2 * length * width + 2 * (width * 16 + 16),
    }
    for name, count in expected.items():
        learner = METHODS[name].build(backbone, symptoms)
        learner.prepare(torch.randn(images, 2, dimension), torch.arange(images) % classes)
        assert learner.parameter_count == count, name


@pytest.mark.parametrize("classes", [2, 3])
def test_linear_probe_is_scikit_learns_regression_of_the_chosen_c(backbone, symptoms, classes):
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(90, 1, 8, generator=generator), torch.arange(90) % classes
    x[:, 0, :classes] += torch.nn.functional.one_hot(y, classes)
    if classes == 2:
        symptoms = symptoms.from_dict({"a": ["x"], "b": ["y"]})
    probe = LinearProbe(backbone, symptoms)
    probe.prepare(x[:60], y[:60])
    probe.finish(x[60:, 0], y[60:])
    ours = LogisticRegression(C=probe.inverse_regularisation, max_iter=1000).fit(x[:60, 0].numpy(), y[:60].numpy())
    shares = predict(probe, x[60:, 0]).softmax(-1).numpy()
    np.testing.assert_allclose(shares, ours.predict_proba(x[60:, 0].numpy()), atol=1e-3)
    assert (shares.argmax(-1) == y[60:].numpy()).mean() >= max(
        LogisticRegression(C=c, max_iter=1000).fit(x[:60, 0].numpy(), y[:60].numpy()).score(x[60:, 0], y[60:])
        for c in (1e-4, 1e-2, 1.0, 1e2)
    )


@pytest.mark.filterwarnings("error")
def test_linear_probe_stops_after_1000_iterations_without_a_warning():
    """Of features whose scales differ by a factor of 10,000, nearly without regularisation."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(400, 30)) * np.logspace(-2, 2, 30), rng.integers(0, 2, 400)
    assert fit_probe(x, y, 1e6).n_iter_[0] == MAX_ITERATIONS


def test_fine_tuned_tower_has_its_own_dimension_and_preprocessing(backbone, vip_mini, monkeypatch):
    """On a backbone with other features; vip-mini's weights stand in for those of ImageNet."""
    monkeypatch.setattr("vip_core.pretraining.architecture.new_vip_mini", lambda seed: vip_mini)
    symptoms = SymptomSet.load(PROJECT / "assets" / "symptoms" / "pneumonia.json")
    learner = METHODS["fine-tuned"].build(backbone, symptoms).eval()
    assert backbone.embed_dim != vip_mini.embed_dim and learner.backbone is vip_mini
    pixels = learner.backbone.preprocess(Image.new("RGB", (300, 200), "grey"))
    assert pixels.shape == (3, 224, 224)
    with torch.no_grad():
        expected = learner.head(vip_mini.encode_images(pixels[None]))
        torch.testing.assert_close(learner(pixels[None]), expected)

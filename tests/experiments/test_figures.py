"""Figures of experiments, from runs that are given."""

import numpy as np
import pytest

from vip_core.experiments import plan
from vip_core.experiments.config import RunSpec
from vip_core.experiments.figures import figure4, figure5
from vip_core.experiments.material import Material
from vip_core.experiments.plan import Entry
from vip_core.experiments.runs import RunResult, mean_auroc
from vip_core.scoring.zero_shot import ZeroShot


@pytest.mark.parametrize("above", range(1, 10))
def test_figure5_draws_seeds_that_are_equal(above):
    """The mean of three times .1 is not .1 in floating point."""
    labels = np.array([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    second = np.array([above - 0.5, *range(10)]) / 20  # the one image of the class is above so many of ten others
    predictions = np.stack([1 - second, second], axis=1), labels
    assert mean_auroc(*predictions) == above / 10
    runs = tuple(RunResult(RunSpec("vip", seed), predictions, predictions, {}) for seed in (1, 2, 3))
    entry = Entry("vip", "ViP", runs)
    axes = figure5({"visual": (entry, entry)}).axes[0]
    assert [bar.get_height() for bar in axes.patches] == pytest.approx([above / 10] * 2)


def test_figure4_shows_the_most_confident_failures_first_with_the_bars_of_their_symptoms(config):
    material = Material(config())
    entry = plan.entry("zero-shot-symptoms", material)
    probabilities, labels = entry.runs[0].test
    predicted = probabilities.argmax(1)
    wrong = sorted(np.flatnonzero(predicted != labels), key=lambda image: -probabilities[image].max())
    assert wrong, "the random tower makes mistakes"
    classes, rows = material.symptoms.classes, material.data.split("test")
    axes = figure4(entry, material).axes
    pictures, bars = axes[::2], axes[1::2]
    assert [picture.get_title() for picture in pictures] == [
        f"{rows[image].path.name}\nlabel: {classes[labels[image]]}\n"
        f"zero-shot: {classes[predicted[image]]}, {probabilities[image].max():.2f}"
        for image in wrong[:4]
    ]
    for image, axes in zip(wrong, bars, strict=False):
        cosines = ZeroShot(material.backbone).diagnose(material.test.features[image], material.symptoms).symptoms
        assert [bar.get_width() for bar in axes.patches] == [each.similarity for each in cosines]
        assert [text.get_text() for text in axes.get_yticklabels()] == list(material.symptoms.texts)
        assert [text.get_text() for text in axes.get_legend().get_texts()] == [f"symptoms of {c}" for c in classes]

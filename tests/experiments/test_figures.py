"""Figures of experiments, from runs that are given."""

import numpy as np
import pytest

from vip_core.experiments.config import RunSpec
from vip_core.experiments.figures import figure5
from vip_core.experiments.plan import Entry
from vip_core.experiments.runs import RunResult, mean_auroc


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

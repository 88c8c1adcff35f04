"""Weights between the start and the end of the tower's tuning."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from vip_core.models.backbone import Backbone
from vip_core.pretraining.interpolation import InterpolationConfig, Validation, between, interpolate
from vip_core.pretraining.kinds import XRAY
from vip_core.pretraining.labels import Sentence
from vip_core.pretraining.pixels import image_features_of, read_pixels
from vip_core.pretraining.sets import LabelledImage
from vip_core.pretraining.shifts import SHIFTS


def test_between_is_the_start_at_zero_and_the_end_at_one():
    start, end = ({"a": torch.randn(3), "count": torch.tensor(n)} for n in (0, 7))
    for share, expected in ((0.0, start), (1.0, end)):
        torch.testing.assert_close(between(start, end, share)["a"], expected["a"])
    torch.testing.assert_close(between(start, end, 0.25)["a"], 0.75 * start["a"] + 0.25 * end["a"])
    assert between(start, end, 0.5)["count"] == 7  # what is no weight is the end's


def test_chosen_images_are_spread_over_each_set():
    images = [LabelledImage(None, XRAY, {}, "a", f"a{i}") for i in range(9)]
    images += [LabelledImage(None, XRAY, {}, "b", f"b{i}") for i in range(2)]
    chosen = InterpolationConfig(images=3).chosen(images)
    assert [image.group for image in chosen] == ["a0", "a4", "a8", "b0", "b1"]


@pytest.fixture
def bright_and_dark(tmp_path) -> list[LabelledImage]:
    """Films of which those with pneumonia are bright."""
    rng, images = np.random.default_rng(0), []
    for number in range(8):
        level = 190 if number % 2 else 60
        path = tmp_path / f"{number}.png"
        Image.fromarray(rng.integers(level - 40, level + 40, (64, 64), dtype=np.uint8)).save(path)
        findings = {"pneumonia": number % 2, "opacity": number % 2, "adult": 0}
        images.append(LabelledImage(path, XRAY, findings, "pneumonia"))
    return images


def test_interpolate_leaves_a_tower_that_was_tuned_the_wrong_way_at_its_start(bright_and_dark, tmp_path, capsys):
    """The start ranks the films rightly along a direction of text; the end has that direction reversed."""
    backbone = Backbone.load("vip-mini")
    visual = backbone.clip.visual
    pixels = read_pixels(bright_and_dark)
    features = image_features_of(backbone, bright_and_dark)
    direction = features[1::2].mean(0) - features[::2].mean(0)
    sentences = [Sentence("white", XRAY, name, state) for name in ("pneumonia", "opacity") for state in (1, 0)]
    validation = Validation(bright_and_dark, pixels, sentences, torch.stack([direction, -direction] * 2))
    start = {key: value.clone() for key, value in visual.state_dict().items()}
    with torch.no_grad():
        visual.head.proj.weight.neg_()
        visual.head.proj.bias.neg_()
    end = {key: value.clone() for key, value in visual.state_dict().items()}

    config = InterpolationConfig((0.2, 0.9))
    assert interpolate(backbone, start, validation, tmp_path / "found.json", config) == 0.2
    table = dict(json.loads((tmp_path / "found.json").read_text())["means"])
    assert table[0.2] > 0.8 and table[0.2] == pytest.approx(1 - table[0.9])
    expected = between(start, end, 0.2)
    assert all(torch.equal(value, expected[key]) for key, value in visual.state_dict().items())
    shown = capsys.readouterr().err
    assert all(name in shown for name in SHIFTS)

    visual.load_state_dict(end)  # a later call reads what was decided
    assert interpolate(backbone, start, validation, tmp_path / "found.json", InterpolationConfig(())) == 0.2
    assert all(torch.equal(value, expected[key]) for key, value in visual.state_dict().items())

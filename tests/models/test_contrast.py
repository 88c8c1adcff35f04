"""Local contrast and its equalisation: exact where the method is simple, and the step as part of a backbone."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from vip_core.models.contrast import LocalContrast, equalised, local_contrast


def grey(levels) -> Image.Image:
    return Image.fromarray(np.asarray(levels).round().clip(0, 255).astype(np.uint8)).convert("RGB")


@pytest.fixture
def film():
    """Grey levels with a slope from left to right, and fine texture of little contrast."""
    texture = np.kron(np.random.default_rng(0).normal(0, 4, (40, 40)), np.ones((4, 4)))
    return grey(np.linspace(60, 190, 160)[None, :] + texture)


def test_local_contrast_is_the_spread_within_tiles_not_between_them():
    steps = np.kron(np.arange(8) * 30, np.ones(24))[None, :].repeat(192, 0)
    assert local_contrast(grey(steps)) == 0
    halves = np.kron(np.array([0, 200] * 8), np.ones(12))[None, :].repeat(192, 0)
    assert local_contrast(grey(halves)) == pytest.approx(100)


def test_local_contrast_does_not_depend_on_the_size(film):
    assert local_contrast(film.resize((640, 640), Image.Resampling.NEAREST)) == pytest.approx(
        local_contrast(film), rel=0.05
    )


def test_equalised_raises_local_contrast_and_keeps_grey_grey(film):
    found = equalised(film)
    assert local_contrast(found) > 1.5 * local_contrast(film)
    levels = np.asarray(found)
    assert (levels[..., 0] == levels[..., 1]).all() and (levels[..., 0] == levels[..., 2]).all()
    assert found.size == film.size and found.mode == "RGB"


def test_equalised_with_one_tile_and_no_limit_is_histogram_equalisation(film):
    levels = np.asarray(film.convert("YCbCr"))[..., 0]
    share = np.bincount(levels.ravel(), minlength=256).cumsum() / levels.size
    found = np.asarray(equalised(film, tiles=1, clip=256.0))[..., 0].astype(int)
    assert np.abs(found - (255 * share[levels]).round()).max() <= 1  # the colour space rounds


def test_equalised_with_the_strictest_limit_changes_a_level_by_one_at_most(film):
    difference = np.asarray(equalised(film, clip=1e-6)).astype(int) - np.asarray(film)
    assert np.abs(difference).max() <= 1


def test_equalised_commutes_with_mirroring(film):
    one, other = equalised(ImageOps.mirror(film)), ImageOps.mirror(equalised(film))
    assert np.abs(np.asarray(one).astype(int) - np.asarray(other)).max() <= 1


def test_equalised_keeps_the_chroma_of_colours():
    image = Image.fromarray(np.random.default_rng(1).integers(90, 120, (64, 64, 3), dtype=np.uint8))
    own, found = (np.asarray(each.convert("YCbCr")).astype(int) for each in (image, equalised(image, clip=1.5)))
    inside = (np.asarray(equalised(image, clip=1.5)) % 255 != 0).all(-1)  # a colour that leaves the range is cut off
    assert np.abs(found - own)[inside][:, 1:].max() <= 2


@pytest.mark.parametrize("size", [(5, 7), (9, 200), (1, 1)])
def test_equalised_takes_images_smaller_than_its_tiles(size):
    assert equalised(Image.new("RGB", size, (40, 40, 40))).size == size


def test_local_contrast_step_leaves_images_with_enough_contrast_alone(film):
    enough = local_contrast(film)
    assert LocalContrast(enough)(film) is film
    assert np.asarray(LocalContrast(enough + 0.01)(film)).tolist() == np.asarray(equalised(film)).tolist()


def test_backbone_with_contrast_equalises_before_its_transforms_and_shares_its_weights(backbone, film):
    step = LocalContrast(local_contrast(film) + 1)
    changed = backbone.with_contrast(step)
    assert changed.clip is backbone.clip and changed.fingerprint == backbone.fingerprint and backbone.contrast is None
    assert torch.equal(changed.preprocess(film), backbone.preprocess(equalised(film)))
    assert not torch.equal(changed.preprocess(film), backbone.preprocess(film))
    assert torch.equal(changed.preprocess(equalised(film)), backbone.preprocess(equalised(film)))
    torch.manual_seed(0)
    view = changed.train_transform(0.5)(film)
    torch.manual_seed(0)
    assert torch.equal(view, backbone.train_transform(0.5)(equalised(film)))
    assert changed.with_contrast(step) is changed
    assert torch.equal(changed.with_contrast(None).preprocess(film), backbone.preprocess(film))

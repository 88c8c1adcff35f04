"""Altered images: what each alteration does to the pixels."""

import numpy as np
import pytest
from PIL import Image

from vip_core.data.alterations import LOOKS_LIKE, WINDOW, altered
from vip_core.data.options import ALTERATIONS


@pytest.fixture
def image():
    return Image.fromarray(np.random.default_rng(0).integers(1, 256, (48, 64, 3), dtype=np.uint8))


def pixels(image, name, seed=0):
    return np.asarray(altered(image, name, np.random.default_rng(seed)))


def test_each_alteration_has_words_and_changes_the_image(image):
    assert set(LOOKS_LIKE) == set(ALTERATIONS)
    for name in ALTERATIONS:
        found = altered(image, name, np.random.default_rng(0))
        assert found.mode == "RGB"
        assert found.size != image.size or (np.asarray(found) != np.asarray(image)).any()


def test_alterations_follow_from_the_random_state(image):
    for name in ALTERATIONS:
        assert (pixels(image, name, 3) == pixels(image, name, 3)).all()


def test_upside_down_puts_the_last_row_first(image):
    own = np.asarray(image)
    for seed in range(5):
        found = pixels(image, "upside-down", seed)[0]
        assert (found == own[-1]).all() or (found == own[-1][::-1]).all()


def test_sideways_exchanges_rows_and_columns(image):
    found = {pixels(image, "sideways", seed).tobytes() for seed in range(20)}
    assert found == {np.rot90(image, turns).tobytes() for turns in (1, 3)}


def test_inverted_is_the_complement(image):
    assert (pixels(image, "inverted") == 255 - np.asarray(image)).all()


def test_half_black_covers_between_two_and_three_fifths_from_a_side(image):
    sides = set()
    for seed in range(40):
        black = (pixels(image, "half-black", seed) == 0).all(-1)
        rows, columns = black.all(1), black.all(0)
        covered = rows if rows.any() else columns
        assert black.sum() == covered.sum() * (64 if rows.any() else 48), "nothing else is black"
        assert 0.38 <= covered.mean() <= 0.62
        sides.add((bool(rows.any()), bool(covered[0])))
    assert len(sides) == 4


def test_screenshot_shows_the_whole_image_in_a_window(image):
    found = pixels(image, "screenshot")
    assert found.shape == (WINDOW[1], WINDOW[0], 3)
    own = (np.abs(found.astype(int) - found[0, 0]).sum(-1) > 60).mean()
    assert own > 0.2, "the image covers a good part of it"


def test_from_afar_shows_the_image_small_on_the_colour_of_its_edge():
    image = Image.new("RGB", (200, 200), (200, 150, 130))
    image.paste((90, 40, 30), (60, 60, 140, 140))
    found = pixels(image, "from-afar").astype(int)
    lesion = (np.abs(found - (90, 40, 30)).sum(-1) < 30).mean()
    skin = (np.abs(found - (200, 150, 130)).sum(-1) < 60).mean()
    assert 0.16 * 0.2**2 * 0.8 < lesion < 0.16 * 0.45**2 * 1.2 and skin > 0.9

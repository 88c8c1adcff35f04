"""Near duplicates: a copy that was scaled and compressed is found, other pictures are not."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from tests.conftest import PROJECT
from vip_core.data.dataset import Row
from vip_core.data.near_duplicates import NEAR, near_duplicates, perceptual_hash


def rows(*paths: Path) -> list[Row]:
    return [Row(path, 0, path.name) for path in paths]


def test_near_duplicates_finds_a_scaled_and_compressed_copy(tmp_path):
    examples = sorted((PROJECT / "assets" / "examples").glob("*/*.jp*g"))
    copy = tmp_path / "copy.jpg"
    original = next(path for path in examples if path.parent.name == "pneumonia")
    with Image.open(original) as image:
        image.convert("RGB").resize((180, 170)).filter(ImageFilter.GaussianBlur(0.5)).save(copy, quality=50)
    (pair,) = near_duplicates({"train": rows(*examples), "test": rows(copy)})
    assert (pair.first, pair.second) == (original, copy) and pair.distance <= NEAR
    assert near_duplicates({"train": [*rows(*examples), *rows(copy)]}) == []  # within a split they do no harm


def test_near_duplicates_leaves_out_blank_and_unreadable_images(tmp_path):
    for name in ("a.png", "b.png"):
        Image.new("RGB", (64, 64), "grey").save(tmp_path / name)
    (tmp_path / "c.png").write_text("no image")
    assert (
        near_duplicates({"train": rows(tmp_path / "a.png", tmp_path / "c.png"), "test": rows(tmp_path / "b.png")}) == []
    )


def test_perceptual_hash_of_unrelated_noise_differs_in_half_the_bits():
    rng = np.random.default_rng(0)
    one, other = (Image.fromarray(rng.integers(0, 256, (200, 200), dtype=np.uint8)) for _ in range(2))
    assert 90 < (perceptual_hash(one) != perceptual_hash(other)).sum() < 166
    assert (perceptual_hash(one) == perceptual_hash(one.resize((400, 300)))).mean() > 0.9

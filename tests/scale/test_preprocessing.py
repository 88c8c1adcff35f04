"""The archive's preprocessing is the backbone's, but for rounding: to a hundredth of a probability."""

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import PROJECT
from vip_core.data.images import read_image
from vip_core.models.vip import ViP
from vip_core.scale.preprocessing import ArchivePreprocess, _values


def archive_preprocess(backbone):
    """Pixels (3, H, W) of an image by the archive's preprocessing, as one of a batch of two."""
    preprocess = ArchivePreprocess(backbone)

    def pixels(image):
        batch = preprocess.empty(2)
        batch[0] = batch[1] = preprocess(image)
        return preprocess.pixels(batch)[1]

    return pixels


FILMS = sorted((PROJECT / "assets" / "examples" / "pneumonia").glob("*.jpeg"))


@pytest.mark.parametrize("size", [(1024, 1024), (2100, 2100), (97, 640), (224, 224), (40, 31)])
def test_pixels_differ_by_one_grey_level_and_those_of_noise_by_two(vip_mini, size):
    noise = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    enlarged = read_image(FILMS[0]).resize(size[::-1], Image.Resampling.BICUBIC)
    for image, levels in ((enlarged, 1), (Image.fromarray(noise), 2)):
        found, plain = archive_preprocess(vip_mini)(image), vip_mini.preprocess(image)
        assert ((found - plain).abs().max() * 0.5 * 255).round() <= levels


def test_probabilities_differ_by_less_than_a_hundredth():
    vip = ViP.from_pretrained("pneumonia")
    images = [read_image(path).resize((1024, 1024), Image.Resampling.BICUBIC) for path in FILMS]
    transforms = (archive_preprocess(vip.backbone), vip.backbone.preprocess)
    with torch.inference_mode():
        pixels = (torch.stack([transform(image) for image in images]) for transform in transforms)
        found, plain = ((vip(vip.backbone.encode_images(each)) / vip.temperature).softmax(-1) for each in pixels)
    assert len(images) >= 2 and 0 < (found - plain).abs().max() < 0.01


@pytest.mark.parametrize("size", [(97, 61), (2100, 2100)])
def test_values_are_those_of_the_image_which_stay_when_it_is_gone(size):
    noise = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    values = _values(Image.fromarray(noise))  # nothing else holds the image
    assert torch.equal(values[:3], torch.from_numpy(noise).permute(2, 0, 1))


def test_values_share_the_memory_of_an_image_of_one_block():
    image = Image.new("RGB", (640, 480))
    values = _values(image)
    image.paste((1, 2, 3), (0, 0, 640, 480))
    assert values[:, 0, 0].tolist()[:3] == [1, 2, 3]


def test_other_preprocessing_is_the_backbones_own(backbone):
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (50, 60, 3), np.uint8))
    assert torch.equal(archive_preprocess(backbone)(image), backbone.preprocess(image))

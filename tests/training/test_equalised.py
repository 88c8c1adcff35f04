"""A model of equalised images: training measures their contrast, and scoring equalises plain images."""

import csv

import numpy as np
import pytest
import torch
from PIL import Image

from vip_core.data.features import image_features
from vip_core.models.contrast import equalised, local_contrast
from vip_core.models.vip import ViP
from vip_core.scale.preprocessing import ArchivePreprocess
from vip_core.scoring.predictor import Predictor
from vip_core.training.config import TrainConfig
from vip_core.training.run import train


@pytest.fixture(scope="module")
def run(tiny_native, halves, symptom_file, tmp_path_factory):
    """A model of images that are noise, which has much local contrast; and a plain image, which has little."""
    folder = tmp_path_factory.mktemp("equalised")
    config = TrainConfig("csv", str(halves), str(symptom_file), backbone=tiny_native, epochs=1, views=1, equalised=True)
    train(config, folder / "run", test=False)
    levels = np.linspace(80, 160, 64)[None, :, None] + np.random.default_rng(0).normal(0, 3, (64, 64, 1))
    Image.fromarray(levels.repeat(3, 2).astype(np.uint8)).save(folder / "plain.png")
    return folder


def test_train_records_the_contrast_of_nearly_all_training_images(run, halves):
    contrast = ViP.from_pretrained(run / "run").card.contrast
    with halves.open() as file:
        images = [row["image"] for row in csv.DictReader(file) if row["split"] == "train"]
    values = sorted(local_contrast(Image.open(path)) for path in images)
    assert values[0] <= contrast.below < values[1]


def test_predictor_equalises_a_plain_image_and_no_other(run, halves):
    predictor = Predictor.from_pretrained(str(run / "run"))
    plain, backbone = Image.open(run / "plain.png"), predictor.vip.backbone.with_contrast(None)
    pixels = backbone.preprocess(equalised(plain))[None]
    assert torch.allclose(predictor.encode(plain), backbone.encode_images(pixels)[0], atol=1e-6)
    assert not torch.allclose(predictor.encode(plain), backbone.encode_images(backbone.preprocess(plain)[None])[0])


def test_files_and_archives_are_equalised_alike_and_cached_apart(run):
    vip = ViP.from_pretrained(run / "run")
    path, plain = run / "plain.png", Image.open(run / "plain.png")
    expected = Predictor(vip).encode(plain)
    without = vip.backbone.with_contrast(None)
    assert not torch.allclose(image_features(without, [path], float32=True)[0, 0], expected)
    assert torch.allclose(image_features(vip.backbone, [path], float32=True)[0, 0], expected, atol=1e-6)
    archive = ArchivePreprocess(vip.backbone)
    assert torch.equal(archive.pixels(archive(plain)[None])[0], vip.backbone.preprocess(plain))


def test_models_that_share_a_backbone_equalise_each_by_its_own_card(run, trained, tiny_native):
    one = ViP.from_pretrained(run / "run")
    other = ViP.from_pretrained(trained, one.backbone)
    assert one.backbone.contrast is not None and other.backbone.contrast is None
    assert other.backbone.clip is one.backbone.clip

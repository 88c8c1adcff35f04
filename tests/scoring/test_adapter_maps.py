"""The map of a symptom with a trained image adapter, against occlusion of the image's cells; on real films."""

import csv

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch.nn import functional as F

from tests.conftest import PROJECT
from vip_core.data.features import FeatureSplit, encode_stream
from vip_core.models.vip import ViP
from vip_core.scoring.evidence import evidence
from vip_core.scoring.predictor import Predictor
from vip_core.symptoms import SymptomSet
from vip_core.training.config import TrainConfig
from vip_core.training.loop import train_prompts

SYMPTOMS = PROJECT / "benchmarks" / "tasks" / "chest_adult.json"
IMAGES = 20


def films(data, split: str, count: int):
    """(path, label) of the first films per class of a split."""
    classes, chosen = SymptomSet.load(SYMPTOMS).classes, []
    with (data / "chest_adult" / "labels.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split]
    for label, name in enumerate(classes):
        own = [row for row in rows if row["label"] == name][:count]
        chosen += [(data / "chest_adult" / row["image"], label) for row in own]
    return chosen


@pytest.fixture(scope="module")
def predictor(data, vip_mini, tmp_path_factory):
    """A model with an adapter, trained on sixteen films per class."""
    chosen = films(data, "train", 16)
    features = torch.stack([item[0] for item in encode_stream(vip_mini, [path for path, _ in chosen])])
    labels = torch.tensor([label for _, label in chosen])
    config = TrainConfig("csv", "", str(SYMPTOMS), epochs=20, method="vip-adapter")
    torch.manual_seed(1)
    vip = ViP(vip_mini, SymptomSet.load(SYMPTOMS), adapter_rank=config.rank)
    vip.image_adapter.centre(features)
    state = tmp_path_factory.mktemp("run") / "last.pt"
    train_prompts(vip, lambda epoch: features[:, None], labels, FeatureSplit(features, labels), config, state)
    return Predictor(vip.requires_grad_(False))


@pytest.mark.slow
def test_maps_of_an_adapted_model_agree_with_occlusion(predictor, data):
    vip, text = predictor.vip, F.normalize(predictor.encode_symptoms(predictor.symptoms), dim=-1)
    agreement = []
    for path, _ in films(data, "val", IMAGES // 2):
        cells = predictor.encode_with_patches(path)[1].float()
        found = evidence(predictor.map_cells(cells), text)  # (n, h, w)
        image = cells.mean((0, 1))
        torch.testing.assert_close(
            found.sum((1, 2)), (vip.adapt(image[None]) @ text.T)[0], atol=1e-4, rtol=0
        )  # the map adds up to the bar
        height, width, _ = cells.shape
        without = image + (image - cells).reshape(height * width, -1) / (height * width)  # one cell as the average one
        fall = (vip.adapt(image[None]) - vip.adapt(without)) @ text.T  # (h w, n)
        agreement += [spearmanr(found[j].flatten(), fall[:, j]).statistic for j in range(len(text))]
    print(f"mean rank correlation {np.mean(agreement):.3f}, smallest {min(agreement):.3f}")
    assert np.mean(agreement) >= 0.8

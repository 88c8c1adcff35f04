"""The domain check against images that no model of ours knows."""

import pytest
import torch

from vip_core.evaluation.domain import domain_check_counts, ood_folders, ood_images
from vip_core.models.card import read_card
from vip_core.models.checkpoint import find_checkpoint
from vip_core.models.vip import ViP


def test_ood_images_are_what_they_are_called():
    images = ood_images()
    assert set(images) == {"colour photographs", "pages of text", "noise", "blank images"}
    assert all(len(image.getcolors(1)) == 1 for image in images["blank images"])
    assert len(images["colour photographs"]) == 3
    assert all(
        image.size[0] == 320 and len(set(image.resize((8, 8)).get_flattened_data())) > 30
        for image in images["colour photographs"]
    )


def test_domain_check_counts_are_those_of_the_domain_check(trained, image_folder):
    vip = ViP.from_pretrained(trained)
    counted = domain_check_counts(vip, ood_folders([image_folder]))
    kind = f"{image_folder.parent.name}/data"
    object.__setattr__(vip.reference, "threshold", -1.0)  # then nothing is like the references
    everything = domain_check_counts(vip, ood_folders([image_folder]))
    assert counted[kind]["n"] == 40 and counted[kind]["flagged"] <= 8  # its own training and validation images
    assert all(kind["flagged"] == kind["n"] for kind in everything.values())


@pytest.mark.parametrize("name", ["pneumonia", "melanoma"])
def test_domain_check_counts_of_the_shipped_models_are_those_of_their_cards(name):
    card = read_card(find_checkpoint(name))
    found = domain_check_counts(ViP.from_pretrained(name))
    assert {kind: card.guard[kind] for kind in found} == found
    assert all(kind["flagged"] == kind["n"] for kind in found.values())
    other = card.guard["a dermoscopy image" if name == "pneumonia" else "a child's chest X-ray"]
    assert other["flagged"] / other["n"] > 0.99
    val = card.figures["val"]
    assert val["flagged_out_of_domain"] / val["n"] <= 0.05
    assert torch.isfinite(torch.tensor(card.domain_threshold))

"""When the page refers an image to a person: as `vip score --uncertainty` says of the same file."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from demo.state.bench import doubt, read
from demo.state.task_view import referral_of
from demo.state.visit import Visit
from vip_core.scoring.uncertainty import encode_views, measure_uncertainty


def request(task):
    own = task.predictor.symptoms
    lists = {
        name: [{"text": line, "on": True} for line in lines]
        for name, lines in zip(own.classes, own.symptoms, strict=True)
    }
    return {"task": task.key, "mode": "vip", "choice": 1, "id": 1, "lists": lists}


@pytest.mark.parametrize("key", ["pneumonia", "melanoma"])
def test_doubt_is_the_uncertainty_of_the_command(tasks, key):
    task, visit = tasks[key], Visit()
    path = task.examples[0][0]
    read(task, visit, request(task), path)
    found = doubt(task, visit, 1)
    expected = measure_uncertainty(task.predictor, encode_views(task.predictor, path))
    assert (found["refer"], found["views"], found["wordings"]) == (expected.refer, expected.views, expected.wordings)
    assert (found["low"], found["high"]) == pytest.approx((expected.low, expected.high), abs=0.02)
    assert visit.undecided is None and doubt(task, visit, 1) is None  # nothing of the image is kept


def test_doubt_of_an_example_is_measured_once_and_that_of_an_upload_is_kept_nowhere(task, tmp_path):
    task, encoded = replace(task), []
    counted = task.predictor.backbone.clip.visual.register_forward_pre_hook(lambda *_: encoded.append(1))
    example = task.examples[0][0]
    upload = Path(shutil.copy(example, tmp_path))
    found = []
    for path in (example, example, upload, upload):
        visit = Visit()
        read(task, visit, request(task), path)
        found.append(doubt(task, visit, 1))
    counted.remove()
    assert len(encoded) == 3  # views: of the example once, of the upload at each visit
    assert list(task.uncertainties) == [example]
    assert found[0] == found[1] == found[2] == found[3]


def test_doubt_of_an_image_that_was_overtaken_is_dropped(task):
    visit = Visit()
    read(task, visit, request(task), task.examples[0][0])
    visit.choice = 2
    assert doubt(task, visit, 1) is None


def test_referral_of_a_card_is_that_of_its_validation_images(tasks):
    for task in tasks.values():
        card = task.predictor.vip.card
        found, kept = referral_of(card), card.figures["val"]["referral"]
        assert found["coverage"] == kept["coverage"]["value"] and kept["coverage"]["n"] > 90
        assert found["kept"] == kept["accuracy_kept"]["value"] > kept["accuracy_referred"]["value"] == found["referred"]
        assert referral_of(card.model_copy(update={"figures": {"val": {}}})) is None

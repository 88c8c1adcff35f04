"""Pictures, maps and what a DICOM header warns of, as the Diagnose page is answered."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from demo.state.bench import answer, clear, labels, read, rescore
from demo.state.dicom_check import mismatch
from demo.state.library_tasks import library_tasks
from demo.state.visit import Visit
from tests.demo.state.test_rows import asked_for
from vip_core.data.viewing import DicomFacts
from vip_core.scoring import evidence

CHEST = {"modality": ["CR", "DX"], "body_part": ["CHEST"], "view": ["AP", "PA"], "years": [0, 18]}


@pytest.fixture
def visited(task, xray):
    visit = Visit()
    found = read(task, visit, asked_for(task), xray)
    return visit, found


def test_read_gives_a_picture_and_scores_in_one_answer(visited):
    visit, found = visited
    assert found["picture"]["url"].startswith("data:image/jpeg;base64,") and found["scores"]["rows"]
    assert visit.features is not None and visit.picture[:2] == b"\xff\xd8"
    json.dumps(found)


def test_read_overtaken_by_a_later_choice_is_dropped(task, xray):
    visit = Visit(choice=5)
    assert read(task, visit, asked_for(task, choice=4), xray) is None and visit.features is None


def test_read_of_an_expired_upload_is_a_sentence(task):
    found = read(task, Visit(), asked_for(task), None)
    assert "expired" in found["picture"]["error"]


def test_read_shows_what_the_image_reader_remarks(task, tmp_path):
    values = np.arange(4096, dtype=np.uint16).reshape(64, 64) % 500
    values[8, 8] = 65535
    Image.fromarray(values).save(tmp_path / "hot.png")
    visit = Visit()
    for second in (False, True):
        found = read(task, visit, asked_for(task, second=second), tmp_path / "hot.png")
        assert "hot.png has a few extreme values" in found["picture"]["facts"]


def test_rescore_answers_only_the_image_that_is_there(tasks, task, visited):
    visit, _ = visited
    assert rescore(tasks, visit, asked_for(task))["rows"]
    assert rescore(tasks, visit, asked_for(task, choice=0)) is None
    assert rescore(tasks, Visit(), asked_for(task)) is None
    assert rescore(tasks, visit, None) is None


def test_answer_map_of_the_focused_row_has_its_evidence(task, visited):
    visit, _ = visited
    focus = {"class": "pneumonia", "index": 2}
    found = answer(task, visit, asked_for(task, focus=focus))["map"]
    row = len(task.predictor.symptoms.symptoms[0]) + 2
    terms = evidence.evidence(visit.cells, task.predictor.encode_symptoms(task.predictor.symptoms)[row : row + 1])[0]
    shown = torch.tensor(found["cells"], dtype=torch.float32)
    assert torch.equal(shown.sign()[terms.abs() > 0.01], terms.sign()[terms.abs() > 0.01])
    assert found["focus"] == focus and task.predictor.symptoms.symptoms[1][2] in found["caption"]


def test_answer_map_follows_the_strongest_reason_until_a_row_is_chosen(task, visited):
    visit, _ = visited
    found = answer(task, visit, asked_for(task))
    best = max(found["rows"], key=lambda row: abs(row["adds"]))
    assert found["map"]["focus"] == {"class": best["class"], "index": best["index"]}


def test_clear_forgets_the_image_but_not_a_later_one(visited):
    visit, _ = visited
    clear(visit, {"choice": 0})
    assert visit.features is not None
    clear(visit, {"choice": 2})
    assert visit.features is None and visit.picture == b""


def test_labels_name_the_older_image():
    assert labels("2020-01-01", "2019-05-05") == ["first image, 2020-01-01", "second image, 2019-05-05, older"]
    assert labels("undated", "2019-05-05") == ["first image, undated", "second image, 2019-05-05"]


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (DicomFacts("DX", "CHEST", "AP", "", 4), ""),
        (DicomFacts(), ""),
        (None, ""),
        (DicomFacts("CT"), "is a CT image"),
        (DicomFacts("DX", "HAND"), "“hand”"),
        (DicomFacts("DX", "CHEST", "LL"), "left lateral"),
        (DicomFacts("DX", "CHEST", "PA", "", 54), "54 years"),
    ],
)
def test_mismatch_says_what_does_not_fit(facts, words):
    found = mismatch(facts, CHEST)
    assert words in found and bool(words) == bool(found)


def test_library_tasks_are_usable_at_once_and_untrained(tasks, features):
    found = library_tasks(tasks)
    assert "knee_kellgren_lawrence" in found and not set(found) & set(tasks)
    task = found["tuberculosis"]
    scores = answer(task, Visit(choice=1, features=features), asked_for(task, "symptoms"))
    assert len(scores["probabilities"]) == len(task.classes) and scores["map"] is None

"""What happens on the Diagnose page, without a browser."""

import base64
import shutil
from functools import partial
from io import BytesIO
from pathlib import Path

import gradio as gr
import pytest
import torch
from PIL import Image

from demo.pages import diagnose as page
from demo.render.cards import message
from demo.sections.diagnose_api import answer
from demo.sections.uploads import uploaded_file
from demo.state.choices import CHOICES
from demo.state.diagnosis import diagnose_boxes
from demo.state.image_view import PREVIEW
from demo.state.lists import parse_boxes
from vip_core.errors import ImageError, SymptomError
from vip_core.scoring.zero_shot import class_prompts
from vip_core.symptoms import SymptomSet


def show(tasks, features, texts, kind="similarity", mode="vip", steps=None):
    """What the page shows: result, bars, table, message; None for what keeps its value."""
    updates = page.show_boxes(tasks, features, steps, kind, "pneumonia", mode, *texts)
    return tuple(updates.get(name) for name in ("result", "bars", "table", "list note"))


@pytest.fixture
def upload(tmp_path, monkeypatch):
    """A function that puts a file where Gradio puts uploads, and gives what the page then sends."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))

    def send(path):
        return {"path": shutil.copy(path, folder), "meta": {"_type": "gradio.FileData"}}

    return send


# ---- lists


def test_boxes_hold_the_lists_that_the_model_was_trained_with(task, boxes):
    assert parse_boxes(task.predictor.symptoms, tuple(boxes)) == task.predictor.symptoms


def test_blank_lines_and_space_around_lines_do_not_count(task, boxes):
    loose = ("\n\n  " + boxes[0].replace("\n", "  \n \t\n") + "\r\n", boxes[1])
    assert parse_boxes(task.predictor.symptoms, loose) == task.predictor.symptoms


def test_one_list_edited_leaves_the_other(task, boxes):
    edited = parse_boxes(task.predictor.symptoms, (boxes[0], "one\ntwo"))
    assert edited.symptoms == (task.predictor.symptoms.symptoms[0], ("one", "two"))


def test_an_untouched_list_gives_the_numbers_of_the_predictor(tasks, task, features, boxes):
    _, _, rows, note = show(tasks, features, boxes)
    scores = task.predictor.diagnose(features).symptoms
    assert note == message()
    assert rows == [
        [
            s.class_name,
            s.symptom,
            round(s.similarity, 3),
            round(s.percentile, 1),
            round(s.contribution, 3),
            round(auroc, 3),
        ]
        for s, auroc in zip(scores, task.predictor.separations(task.predictor.symptoms), strict=True)
    ]


def test_an_edit_changes_the_numbers_and_its_undoing_brings_all_of_it_back(tasks, features, boxes):
    before = show(tasks, features, boxes)
    edited = show(tasks, features, [boxes[0], "a sentence about something else"])
    assert edited[:3] != before[:3]
    assert show(tasks, features, boxes) == before


def test_an_edit_encodes_the_changed_line_alone_and_never_the_image(tasks, task, features, boxes):
    show(tasks, features, boxes)
    clip = task.predictor.vip.backbone.clip
    images, rows = [], []
    hooks = [
        clip.visual.register_forward_hook(lambda *call: images.append(1)),
        clip.transformer.register_forward_pre_hook(lambda module, inputs: rows.append(len(inputs[0]))),
    ]
    lines = boxes[1].splitlines()
    try:
        show(tasks, features, [boxes[0], "\n".join(["a line that nobody wrote before", *lines[1:]])])
    finally:
        for hook in hooks:
            hook.remove()
    assert (images, rows) == ([], [1])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no symptom"),
        (" \n\t\n", "has no symptom"),
        ("\n".join(f"sign {i}" for i in range(65)), "has 65 symptoms; the limit is 64"),
        ("opacity " * 500, "tokens"),
        ("a" * 20_001, "20,001 characters"),
        ("half a \ud83e character", "half a character"),
        ("dense <end_of_text>", "marker"),
    ],
)
def test_lists_that_cannot_be_used_give_one_sentence_and_leave_the_last_result(tasks, features, boxes, text, words):
    result, bars, table, note = show(tasks, features, [boxes[0], text])
    assert (result, bars, table) == (None, None, None)
    assert words in note and note.count("<p") == 1


def test_the_same_sentence_comes_without_an_image_where_it_can(tasks, boxes):
    assert "has no symptom" in show(tasks, None, [boxes[0], ""])[3]


def test_a_new_image_under_unusable_lists_does_not_keep_the_result_of_the_last(tasks, features, boxes):
    shown = page.show_boxes(tasks, features, None, "similarity", "pneumonia", "vip", boxes[0], "", new_image=True)
    assert "Fix the symptom lists" in shown["result"] and "<img" not in shown["bars"] and shown["table"] is None
    assert "has no symptom" in shown["list note"]


@pytest.mark.parametrize("text", ["<b>bold</b>", "$x^2$", "🫁 lungs", "{{x}} ${y}", "肺の陰影", "- a **b** `c`"])
def test_a_symptom_comes_back_in_the_table_as_typed(tasks, features, boxes, text):
    _, _, rows, note = show(tasks, features, [boxes[0], text])
    assert note == message() and rows[-1][1] == text


# ---- bars, modes and steps


@pytest.mark.parametrize("kind", ["percentile", "contribution"])
def test_what_the_bars_show_changes_the_bars_alone(tasks, features, boxes, kind):
    plain, other = show(tasks, features, boxes), show(tasks, features, boxes, kind)
    assert other[1] != plain[1] and (other[0], *other[2:]) == (plain[0], *plain[2:])


def test_each_mode_has_the_numbers_of_its_own_scorer(tasks, task, features, boxes):
    own = task.predictor.symptoms
    for mode, symptoms in (("symptoms", own), ("names", class_prompts(own))):
        _, _, rows, _ = show(tasks, features, boxes, mode=mode)
        scores = task.zero_shot.diagnose(features, symptoms).symptoms
        assert [row[1:3] for row in rows] == [[s.symptom, round(s.similarity, 3)] for s in scores]


def test_class_names_alone_need_no_lists(tasks, features, boxes):
    assert show(tasks, features, ["", "x" * 30_000], mode="names") == show(tasks, features, boxes, mode="names")


def test_a_line_switched_off_counts_as_if_it_were_not_there(tasks, features, boxes):
    lines = boxes[1].splitlines()
    off = show(tasks, features, [boxes[0], "\n".join([lines[0], f"# {lines[1]}", *lines[2:]])])
    gone = show(tasks, features, [boxes[0], "\n".join([lines[0], *lines[2:]])])
    assert off == gone and len(off[2]) == len(boxes[0].splitlines()) + len(lines) - 1


def test_the_shift_is_that_from_the_original_lists_not_from_the_last_edit(task, features, boxes):
    edited = diagnose_boxes(task, "vip", features, (boxes[0], "something else\n" + boxes[1].split("\n", 1)[1]))
    assert edited.original == task.predictor.diagnose(features)
    assert list(edited.before) == list(edited.original.symptoms)
    assert diagnose_boxes(task, "vip", features, tuple(boxes)).before is None


def test_undo_can_be_pressed_once_there_is_an_edit(tasks, features, boxes):
    ask = partial(page.show_boxes, tasks, features)
    shown = ask(None, "similarity", "pneumonia", "vip", *boxes)
    assert shown["undo"]["interactive"] is False
    shown = ask(shown["steps"], "similarity", "pneumonia", "vip", boxes[0], "")  # unusable, and yet an edit
    assert shown["undo"]["interactive"] is True and shown["steps"][-1].texts == (boxes[0], "")


# ---- images


def test_an_upload_gives_a_picture_within_the_page_and_a_feature(tasks, xray, features, upload):
    view = page.read(tasks, "pneumonia", upload(xray))
    assert view.picture["path"] is None
    assert view.cells.ndim == 3 and view.cells.shape[-1] == len(view.feature)
    torch.testing.assert_close(view.feature, features)
    head, data = view.picture["url"].split(",", 1)
    assert head == "data:image/jpeg;base64"
    assert Image.open(BytesIO(base64.b64decode(data))).size == Image.open(xray).size


def test_a_large_image_is_shown_smaller_in_its_own_proportions(tasks, tmp_path, upload):
    Image.new("L", (3000, 1500), 90).save(tmp_path / "large.png")
    picture = page.read(tasks, "pneumonia", upload(tmp_path / "large.png")).picture
    shown = Image.open(BytesIO(base64.b64decode(picture["url"].split(",", 1)[1])))
    assert shown.size == (PREVIEW, PREVIEW // 2)


def unreadable(folder, kind, xray):
    path = folder / f"{kind}<b>.png"
    content = {"empty": b"", "text": b"hello", "truncated": xray.read_bytes()[:900]}
    path.write_bytes(content[kind])
    return path


@pytest.mark.parametrize("kind", ["empty", "text", "truncated"])
def test_an_unreadable_file_gives_one_sentence_as_text(tasks, tmp_path, xray, kind, upload):
    bad = upload(unreadable(tmp_path, kind, xray))
    updates = page.read_if_latest(1, f"reads {kind}", lambda: page.read(tasks, "pneumonia", bad))
    note = updates.pop("image note")
    assert updates == {"image": None, "features": None, "cells": None, "choice": 1}
    assert f"{kind}&lt;b&gt;.png" in note and note.count("<") == 2


@pytest.mark.parametrize(
    "payload", [None, {}, {"path": None}, {"path": "/nowhere/x.png"}, {"path": "a\0b"}, "x.png", []]
)
def test_an_upload_that_is_gone_or_was_none_gives_a_sentence(tasks, payload):
    with pytest.raises(ImageError, match="choose the image again"):
        page.read(tasks, "pneumonia", payload)


def test_a_file_that_was_not_uploaded_is_not_read(xray, upload, tmp_path):
    sent = upload(xray)
    inside = Path(sent["path"])
    assert uploaded_file(sent) == inside.resolve()
    (tmp_path / "secret.png").write_bytes(xray.read_bytes())
    (inside.parent / "link.png").symlink_to(tmp_path / "secret.png")
    for path in (xray, tmp_path / "secret.png", inside.parent / ".." / "secret.png", inside.parent / "link.png"):
        assert uploaded_file({**sent, "path": str(path)}) is None


# ---- tasks


def test_switching_the_task_changes_labels_and_examples_and_clears_the_rest(tasks):
    updates = page.switch_task(tasks, 7, "melanoma")
    assert [updates[name] for name in ("image", "features", "cells", "table", "steps")] == [None] * 5
    assert updates["choice"] == 7
    boxes = [updates[f"box {index}"] for index in range(page.most_classes(tasks))]
    assert [box["label"] for box in boxes] == list(tasks["melanoma"].classes)
    assert not any("value" in box for box in boxes)  # who changed the task fills them
    assert [updates[f"gallery {key}"]["visible"] for key in tasks] == [key == "melanoma" for key in tasks]
    assert "<img" not in updates["bars"] and updates["undo"]["interactive"] is False
    assert updates["image note"] == updates["list note"] == updates["file note"] == message()


def test_read_if_latest_skips_a_read_that_a_later_choice_overtook(tasks, xray):
    def slow():
        CHOICES.announce("someone", 2)  # an example is clicked while the upload is read
        return page.view_file(tasks["pneumonia"], xray)

    assert page.read_if_latest(1, "someone", slow) == {}
    assert page.read_if_latest(1, "someone", lambda: pytest.fail("an old choice is not read at all")) == {}
    assert page.read_if_latest(2, "someone", lambda: page.view_file(tasks["pneumonia"], xray))["choice"] == 2


def test_the_boxes_of_another_task_are_its_own_lists(tasks):
    symptoms = tasks["melanoma"].predictor.symptoms
    assert page.original_lists(tasks, "melanoma") == ["\n".join(lines) for lines in symptoms.symptoms]


def test_a_task_with_fewer_classes_hides_the_boxes_it_does_not_need(task):
    boxes = page.boxes_of(task, 4)
    assert [box["visible"] for box in boxes] == [True, True, False, False]


# ---- the API


def test_the_answer_is_the_diagnosis_as_json(tasks, task, xray, upload):
    predictor = task.predictor
    assert answer(tasks, upload(xray), "pneumonia") == predictor.diagnose(predictor.encode(xray)).to_dict()


def test_the_answer_takes_lists_by_class_name_in_any_order(tasks, task, xray, upload):
    lists = {"pneumonia": ["dense"], "normal lung": ["clear"]}
    symptoms = SymptomSet.from_dict(lists).ordered(task.classes)
    expected = task.predictor.diagnose(task.predictor.encode(xray), symptoms).to_dict()
    assert answer(tasks, upload(xray), "pneumonia", lists) == expected


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"task": "fracture"}, "Unknown task “fracture”. Available: pneumonia, melanoma"),
        ({"image": None}, "There is no image"),
        ({"symptoms": {"a": ["x"], "b": ["y"]}}, "classes do not match"),
        ({"symptoms": {"normal lung": [], "pneumonia": ["x"]}}, "has no symptom"),
        ({"symptoms": {"normal lung": ["x"], "pneumonia": ["opacity " * 500]}}, "tokens"),
        ({"symptoms": {"normal lung": ["x"], "pneumonia": ["a" * 30_000]}}, "characters"),
        ({"symptoms": "text"}, "JSON object"),
    ],
)
def test_the_api_says_in_one_sentence_what_is_wrong_without_a_traceback(tasks, xray, upload, changes, words):
    call = {"image": upload(xray), "task": "pneumonia", "symptoms": None} | changes
    with pytest.raises(gr.Error, match=words) as caught:
        answer(tasks, **call)
    assert caught.value.print_exception is False


def test_parse_boxes_raises_the_error_of_the_core(task):
    with pytest.raises(SymptomError):
        parse_boxes(task.predictor.symptoms, ("", ""))

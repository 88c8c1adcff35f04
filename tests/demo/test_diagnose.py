"""What happens on the Diagnose page, without a browser."""

import base64
import shutil
from io import BytesIO
from pathlib import Path

import gradio as gr
import pytest
import torch
from PIL import Image

from demo import diagnose as page
from demo.cards import message
from vip_core.errors import SymptomError
from vip_core.symptoms import SymptomSet

SKIP = gr.skip()
pytestmark = pytest.mark.filterwarnings("ignore:Glyph")  # pytest undoes the filter that demo.charts sets


def show(tasks, features, texts, key="pneumonia"):
    return page.show_edit(tasks, key, features, *texts)


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
    assert page.parse_boxes(task.predictor.symptoms, tuple(boxes)) == task.predictor.symptoms


def test_blank_lines_and_space_around_lines_do_not_count(task, boxes):
    loose = ("\n\n  " + boxes[0].replace("\n", "  \n \t\n") + "\r\n", boxes[1])
    assert page.parse_boxes(task.predictor.symptoms, loose) == task.predictor.symptoms


def test_one_list_edited_leaves_the_other(task, boxes):
    edited = page.parse_boxes(task.predictor.symptoms, (boxes[0], "one\ntwo"))
    assert edited.symptoms == (task.predictor.symptoms.symptoms[0], ("one", "two"))


def test_an_untouched_list_gives_the_numbers_of_the_predictor(tasks, task, features, boxes):
    _, _, rows, note = show(tasks, features, boxes)
    scores = task.predictor.diagnose(features).symptoms
    assert note == message()
    assert rows == [
        [s.class_name, s.symptom, round(s.similarity, 3), round(s.percentile, 1), round(s.contribution, 3)]
        for s in scores
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
        ("\n".join(f"sign {i}" for i in range(65)), "has 65 symptoms; at most 64"),
        ("opacity " * 500, "tokens"),
        ("a" * 20_001, "20,001 characters"),
        ("half a \ud83e character", "half a character"),
        ("dense <end_of_text>", "marker"),
    ],
)
def test_lists_that_cannot_be_used_give_one_sentence_and_leave_the_last_result(tasks, features, boxes, text, words):
    result, bars, table, note = show(tasks, features, [boxes[0], text])
    assert (result, bars, table) == (SKIP, SKIP, SKIP)
    assert words in note and note.count("<p") == 1


def test_the_same_sentence_comes_without_an_image_where_it_can(tasks, boxes):
    assert "has no symptom" in show(tasks, None, [boxes[0], ""])[3]


def test_a_new_image_under_unusable_lists_does_not_keep_the_result_of_the_last(tasks, features, boxes):
    result, bars, table, note = page.show_new_image(tasks, "pneumonia", features, boxes[0], "")
    assert "Mend the symptom lists" in result and "<img" not in bars and table is None and "has no symptom" in note


@pytest.mark.parametrize("text", ["<b>bold</b>", "$x^2$", "🫁 lungs", "{{x}} ${y}", "肺の陰影", "- a **b** `c`"])
def test_a_symptom_comes_back_in_the_table_as_typed(tasks, features, boxes, text):
    _, _, rows, note = show(tasks, features, [boxes[0], text])
    assert note == message() and rows[-1][1] == text


# ---- images


def test_an_upload_gives_a_picture_within_the_page_and_a_feature(tasks, xray, features, upload):
    picture, feature, note = page.read_upload(tasks, "pneumonia", upload(xray))
    assert note == message() and picture["path"] is None
    torch.testing.assert_close(feature, features)
    head, data = picture["url"].split(",", 1)
    assert head == "data:image/jpeg;base64"
    assert Image.open(BytesIO(base64.b64decode(data))).size == Image.open(xray).size


def test_a_large_image_is_shown_smaller_in_its_own_proportions(tasks, tmp_path, upload):
    Image.new("L", (3000, 1500), 90).save(tmp_path / "large.png")
    picture, _, _ = page.read_upload(tasks, "pneumonia", upload(tmp_path / "large.png"))
    shown = Image.open(BytesIO(base64.b64decode(picture["url"].split(",", 1)[1])))
    assert shown.size == (page.PREVIEW, page.PREVIEW // 2)


def unreadable(folder, kind, xray):
    path = folder / f"{kind}<b>.png"
    content = {"empty": b"", "text": b"hello", "truncated": xray.read_bytes()[:900]}
    path.write_bytes(content[kind])
    return path


@pytest.mark.parametrize("kind", ["empty", "text", "truncated"])
def test_an_unreadable_file_gives_one_sentence_as_text(tasks, tmp_path, xray, kind, upload):
    picture, feature, note = page.read_upload(tasks, "pneumonia", upload(unreadable(tmp_path, kind, xray)))
    assert picture is None and feature is None
    assert f"{kind}&lt;b&gt;.png" in note and note.count("<") == 2


@pytest.mark.parametrize(
    "payload", [None, {}, {"path": None}, {"path": "/nowhere/x.png"}, {"path": "a\0b"}, "x.png", []]
)
def test_an_upload_that_is_gone_or_was_none_gives_a_sentence(tasks, payload):
    picture, feature, note = page.read_upload(tasks, "pneumonia", payload)
    assert picture is None and feature is None and "choose the image again" in note


def test_a_file_that_was_not_uploaded_is_not_read(xray, upload, tmp_path):
    sent = upload(xray)
    inside = Path(sent["path"])
    assert page.uploaded_file(sent) == inside.resolve()
    (tmp_path / "secret.png").write_bytes(xray.read_bytes())
    (inside.parent / "link.png").symlink_to(tmp_path / "secret.png")
    for path in (xray, tmp_path / "secret.png", inside.parent / ".." / "secret.png", inside.parent / "link.png"):
        assert page.uploaded_file({**sent, "path": str(path)}) is None


# ---- tasks


def test_switching_the_task_changes_lists_and_examples_and_clears_the_rest(tasks):
    count, galleries = page.most_classes(tasks), len(tasks)
    image, feature, note, *rest = page.switch_task(tasks, "melanoma")
    boxes, rest = rest[:count], rest[count:]
    symptoms = tasks["melanoma"].predictor.symptoms
    assert (image, feature, note) == (None, None, message())
    assert [box["label"] for box in boxes] == list(symptoms.classes)
    assert [box["value"] for box in boxes] == ["\n".join(lines) for lines in symptoms.symptoms]
    assert [gallery["visible"] for gallery in rest[:galleries]] == [key == "melanoma" for key in tasks]
    assert "<img" not in rest[galleries + 1] and rest[galleries + 2 :] == [None, message()]


def test_a_task_with_fewer_classes_hides_the_boxes_it_does_not_need(task):
    boxes = page.boxes_of(task, 4)
    assert [box["visible"] for box in boxes] == [True, True, False, False]


# ---- the API


def test_the_answer_is_the_diagnosis_as_json(tasks, task, xray, upload):
    predictor = task.predictor
    assert page.answer(tasks, upload(xray), "pneumonia") == predictor.diagnose(predictor.encode(xray)).to_dict()


def test_the_answer_takes_lists_by_class_name_in_any_order(tasks, task, xray, upload):
    lists = {"pneumonia": ["dense"], "normal lung": ["clear"]}
    symptoms = SymptomSet.from_dict(lists).ordered(task.classes)
    expected = task.predictor.diagnose(task.predictor.encode(xray), symptoms).to_dict()
    assert page.answer(tasks, upload(xray), "pneumonia", lists) == expected


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"task": "fracture"}, "no task “fracture”; give one of pneumonia, melanoma"),
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
        page.answer(tasks, **call)
    assert caught.value.print_exception is False


def test_parse_boxes_raises_the_error_of_the_core(task):
    with pytest.raises(SymptomError):
        page.parse_boxes(task.predictor.symptoms, ("", ""))

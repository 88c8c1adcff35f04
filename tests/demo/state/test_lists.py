"""Editing the lists: lines switched off, what a line was before, undo, symptom files and links."""

import json
import shutil
from urllib.parse import parse_qs, urlencode

import pytest

from demo.render.cards import message
from demo.sections import editor as editing
from demo.state.lists import (
    MAX_FILE,
    MAX_LINK,
    MAX_STEPS,
    ONE_STEP,
    box_texts,
    file_of,
    link_query,
    origins,
    parse_boxes,
    read_link,
    read_lists,
    remember,
    undone,
)
from vip_core.errors import SymptomError
from vip_core.symptoms import SymptomSet

CLASSES = ("normal lung", "pneumonia")
OWN = SymptomSet(CLASSES, (("clear", "sharp"), ("dense", "patchy", "streaky", "hazy")), "chest X-ray", {"author": "us"})
TEXTS = ("clear\nsharp", "dense\npatchy\nstreaky\nhazy")
TASKS = {"pneumonia": CLASSES, "melanoma": ("melanoma", "nevus")}


# ---- lines


def test_a_line_that_begins_with_a_hash_is_left_out():
    assert parse_boxes(OWN, ("clear\n# sharp", "#dense\n  ## patchy\nstreaky # not hazy")).symptoms == (
        ("clear",),
        ("streaky # not hazy",),
    )


def test_a_list_of_which_all_lines_are_off_says_so():
    with pytest.raises(SymptomError, match="All symptoms of “pneumonia” are switched off"):
        parse_boxes(OWN, ("clear", "# dense\n#"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dense\npatchy\nstreaky\nhazy", [2, 3, 4, 5]),
        ("dense\npatchy\na bus\nhazy", [2, 3, 4, 5]),  # reworded in place
        ("a bus\na car\nstreaky\nhazy", [2, 3, 4, 5]),
        ("dense\nstreaky\nhazy", [2, 4, 5]),  # one deleted
        ("dense\n# patchy\na bus\nhazy", [2, 4, 5]),  # one off, the next reworded
        ("dense\nnew\npatchy\nstreaky\nhazy", [2, None, 3, 4, 5]),  # one put between
        ("new\ndense\npatchy\nstreaky\nhazy", [None, 2, 3, 4, 5]),
        ("dense\npatchy\nstreaky\nhazy\nnew", [2, 3, 4, 5, None]),
        ("hazy\nstreaky\npatchy\ndense", [5, 4, 3, 2]),  # moved
        ("dense\ndense\npatchy\nstreaky\nhazy", [2, None, 3, 4, 5]),  # a copy is new
        ("a\nb\nc\nd", [2, 3, 4, 5]),
        ("a\nb\nc\nd\ne", [2, 3, 4, 5, None]),
    ],
)
def test_a_line_is_matched_with_what_it_was(text, expected):
    assert origins(OWN, (TEXTS[0], text)) == [0, 1, *expected]


# ---- undo


def walk(*edits):
    """The steps after edits, given as (seconds, texts)."""
    steps = None
    for at, texts in edits:
        steps = remember(steps, TEXTS, texts, at)
    return steps


def test_undo_goes_back_edit_by_edit_to_the_original_and_no_further():
    first, second = ("clear\nx", TEXTS[1]), ("clear\nx", "y")
    steps = walk((10, first), (20, second))
    assert steps[-1].texts == second
    steps = undone(steps)
    assert steps[-1].texts == first
    steps = undone(steps)
    assert steps[-1].texts == TEXTS
    assert undone(steps) == steps and undone(None) is None


def test_rapid_typing_in_one_box_is_one_step():
    typed = [(10 + ONE_STEP * 0.9 * i, (TEXTS[0], "dense" + "e" * i)) for i in range(1, 9)]
    assert undone(walk(*typed))[-1].texts == TEXTS


def test_a_pause_or_another_box_begins_a_step():
    paused = walk((10, (TEXTS[0], "a")), (10 + ONE_STEP, (TEXTS[0], "ab")))
    assert undone(paused)[-1].texts == (TEXTS[0], "a")
    other = walk((10, (TEXTS[0], "a")), (10.1, ("b", "a")))
    assert undone(other)[-1].texts == (TEXTS[0], "a")


def test_what_is_filled_in_is_a_step_of_its_own_and_what_is_typed_next_too():
    steps = walk((10, (TEXTS[0], "a")))
    steps = remember(steps, TEXTS, TEXTS, 10.1, typing=False)
    steps = remember(steps, TEXTS, (TEXTS[0], "b"), 10.2)
    assert undone(steps)[-1].texts == TEXTS and undone(undone(steps))[-1].texts == (TEXTS[0], "a")


def test_the_page_repeating_what_is_known_makes_no_step():
    steps = walk((10, (TEXTS[0], "a")))
    assert remember(steps, TEXTS, (TEXTS[0], "a"), 20) == steps
    assert len(remember(None, TEXTS, TEXTS, 20)) == 1


def test_old_steps_are_forgotten():
    assert len(walk(*((10 * i, (TEXTS[0], f"{i}")) for i in range(200)))) == MAX_STEPS


# ---- files


def write(folder, content, name="mine.json"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_both_forms_of_a_symptom_file_fill_the_boxes_whatever_their_order(tmp_path):
    lists = {"pneumonia": ["<b>dense</b>", "肺"], "normal lung": ["clear"]}
    for data in (lists, {"modality": "chest X-ray", "classes": lists}):
        assert read_lists(write(tmp_path, json.dumps(data)), CLASSES) == ["clear", "<b>dense</b>\n肺"]


def test_what_is_saved_is_loaded_again_with_the_lines_switched_off(tmp_path):
    edited = ("clear\n# sharp", "<b>dense</b>\n# a  bus\nhazy")
    path = write(tmp_path, file_of(OWN, edited))
    assert read_lists(path, CLASSES) == ["clear\n# sharp", "<b>dense</b>\nhazy\n# a  bus".replace("  ", " ")]
    saved = SymptomSet.load(path)  # what the command lines read
    assert saved.symptoms == (("clear",), ("<b>dense</b>", "hazy")) and saved.modality == "chest X-ray"
    assert saved.source["edited_from"] == {"author": "us"}


def test_untouched_lists_are_saved_as_they_are(tmp_path):
    assert SymptomSet.load(write(tmp_path, file_of(OWN, TEXTS))) == OWN


BAD_FILES = {
    "large": (b"[" + b" " * MAX_FILE + b"]", "KB, and at most 256 are read"),
    "deep": (b'{"a":' * 60_000 + b"1" + b"}" * 1000, "KB, and at most|is nested too deeply|is not JSON"),
    "deeper": (b"[" * 100_000, "is nested too deeply|is not JSON"),
    "number": (b'{"normal lung": [' + b"1" * 9000 + b'], "pneumonia": ["x"]}', "is no symptom file"),
    "letter": (b"Dear colleague", "is not JSON"),
    "binary": (bytes(range(256)), "is not UTF-8"),
    "empty": (b"", "is not JSON"),
    "control": (b'{"normal lung": ["a\x00b"], "pneumonia": ["x"]}', "is not JSON"),
    "lines": (rb'{"normal lung": ["a\u0085b"], "pneumonia": ["x"]}', "several lines"),
    "surrogate": (rb'{"normal lung": ["a\ud800b"], "pneumonia": ["x"]}', "half a character"),
    "classes": (b'{"<script>": ["a"], "pneumonia": ["x"]}', "classes do not match: <script>"),
    "twice": (b'{"pneumonia": ["a"], "pneumonia": ["x"]}', "listed twice"),
    "kind": (b'{"normal lung": "a", "pneumonia": ["x"]}', "are not a list"),
    "list": (b'["a"]', "JSON object"),
    "many": (json.dumps({"normal lung": ["a"] * 65, "pneumonia": ["x"]}).encode(), "65 symptoms; the limit is 64"),
    "long": (json.dumps({"normal lung": ["a" * 30_000], "pneumonia": ["x"]}).encode(), "30,000 characters"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_is_none_gives_one_sentence_without_its_folder(tmp_path, name):
    content, words = BAD_FILES[name]
    with pytest.raises(SymptomError, match=words) as caught:
        read_lists(write(tmp_path, content), CLASSES)
    sentence = str(caught.value)
    assert str(tmp_path) not in sentence and "Traceback" not in sentence and "\n" not in sentence


def test_a_file_of_ten_megabytes_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.truncate(10 * 2**20)
    with pytest.raises(SymptomError, match="10,240 KB"):
        read_lists(path, CLASSES)


@pytest.mark.parametrize("off", ["x", 7, {"pneumonia": "x"}, {"pneumonia": [1, None, ["x"]]}, {"other": ["x"]}])
def test_odd_lines_switched_off_in_a_file_are_left_out(off):
    odd = SymptomSet(CLASSES, OWN.symptoms, "", {"switched_off": off})
    assert box_texts(odd) == list(TEXTS)


def test_a_control_character_in_a_line_stays_text(tmp_path):
    path = write(tmp_path, rb'{"normal lung": ["a\u0007b"], "pneumonia": ["\u202ex"]}')
    assert read_lists(path, CLASSES) == ["a\x07b", "\u202ex"]


# ---- links


def test_a_link_carries_task_and_lists_with_the_lines_switched_off():
    edited = ("clear & <b>bold</b>\n# sharp?", "肺 + 100 %\n\n  hazy ")
    query = link_query("pneumonia", CLASSES, edited)
    assert query.isascii() and set(parse_qs(query)) == {"task", "symptoms"}
    texts = ["clear & <b>bold</b>\n# sharp?", "肺 + 100 %\nhazy"]
    assert read_link(query, TASKS) == ("pneumonia", texts)
    assert read_link(f"?__theme=dark&{query}", TASKS) == ("pneumonia", texts)


def test_lines_switched_off_count_neither_for_the_limit_of_a_link_nor_against_saving_them():
    many = "\n".join([f"sign {i}" for i in range(60)] + [f"# other {i}" for i in range(10)])
    assert read_link(link_query("pneumonia", CLASSES, ("clear", many)), TASKS) == ("pneumonia", ["clear", many])
    own = tuple("\n".join(lines) for lines in OWN.symptoms)
    saved = json.loads(file_of(OWN, (own[0] + "\n# later", own[1])))
    assert saved["source"]["switched_off"][CLASSES[0]] == ["later"]


def test_a_broken_line_switched_off_in_a_link_stays_one_line():
    query = urlencode({"task": "pneumonia", "symptoms": json.dumps({CLASSES[0]: ["a", "# b\nc"], CLASSES[1]: ["d"]})})
    assert read_link(query, TASKS) == ("pneumonia", ["a\n# b c", "d"])


@pytest.mark.parametrize("query", ["", "__theme=dark", "?", "x=1&y=2", "=&=&", "%ff%fe", "a" * 50_000])
def test_another_query_is_none_of_ours(query):
    assert read_link(query, TASKS) is None


def test_a_link_may_name_the_task_alone():
    assert read_link("task=melanoma", TASKS) == ("melanoma", None)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("task=fracture", "names a task that is not here; choose one of pneumonia, melanoma"),
        ("task=pneumonia&symptoms={", "are damaged"),
        ("symptoms=" + "[" * 8000, "are damaged"),
        ("symptoms=" + "1" * 6000, "are damaged|JSON object"),
        ("task=melanoma&" + urlencode({"symptoms": '{"normal lung":["a"],"pneumonia":["b"]}'}), "classes do not match"),
        (urlencode({"symptoms": '{"normal lung":[],"pneumonia":["b"]}'}), "has no symptom"),
        (urlencode({"symptoms": '{"normal lung":[3],"pneumonia":["b"]}'}), "not a text"),
        ("symptoms=" + "a" * 20_000, "too long"),
        ("symptoms=%ff", "are damaged"),
    ],
)
def test_a_wrong_link_gives_one_sentence(query, words):
    with pytest.raises(SymptomError, match=words) as caught:
        read_link(query, TASKS)
    assert "\n" not in str(caught.value)


def test_lists_too_long_for_a_link_are_to_be_saved_instead():
    with pytest.raises(SymptomError, match="save them as a file"):
        link_query("pneumonia", CLASSES, ("clear", "opacity " * (MAX_LINK // 8)))


# ---- what the buttons do


@pytest.fixture
def upload(tmp_path, monkeypatch):
    folder = tmp_path / "uploads"
    folder.mkdir()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    return lambda path: {"path": shutil.copy(path, folder)}


def texts_of(updates):
    """The texts that updates put into the boxes, in order."""
    return [value for name, value in updates.items() if name.startswith("box ")]


def test_loading_fills_the_boxes_and_can_be_undone(tasks, boxes, upload, tmp_path):
    path = write(tmp_path, json.dumps({"pneumonia": ["dense"], "normal lung": ["clear"]}))
    loaded = editing.load_file(tasks, None, "pneumonia", upload(path))
    steps = loaded.pop("steps")
    assert loaded == {"file note": message(), "box 0": "clear", "box 1": "dense"}
    assert texts_of(editing.undo_edit(steps)) == boxes


def test_a_file_that_cannot_be_loaded_leaves_the_boxes_and_is_shown_as_text(tasks, upload, tmp_path):
    path = write(tmp_path, '{"<img src=x>": ["a"], "pneumonia": ["x"]}')
    updates = editing.load_file(tasks, None, "pneumonia", upload(path))
    assert set(updates) == {"file note"}
    assert "&lt;img src=x&gt;" in updates["file note"] and "<img" not in updates["file note"]
    updates = editing.load_file(tasks, None, "pneumonia", {"path": "/etc/hostname"})
    assert "choose the file again" in updates["file note"]


def test_reset_brings_the_original_lists_and_can_be_undone(tasks, boxes):
    edited = (boxes[0], "dense")
    steps = remember(None, tuple(boxes), edited)
    updates = editing.reset_lists(tasks, steps, "pneumonia")
    assert texts_of(updates) == boxes and updates["file note"] == message()
    assert tuple(texts_of(editing.undo_edit(updates["steps"]))) == edited


def test_undo_without_an_edit_leaves_all_as_it_is():
    assert editing.undo_edit(None) == {"steps": None}


def test_saving_and_sharing_say_what_is_wrong_with_the_lists(tasks):
    updates = editing.save_file(tasks, "pneumonia", "clear", "# dense")
    assert updates["saved"] == "" and "switched off" in updates["file note"]
    updates = editing.make_link(tasks, "http://x/", "pneumonia", "clear", "")
    assert not updates["link"]["visible"] and "has no symptom" in updates["file note"]
    updates = editing.make_link(tasks, "http://x/", "pneumonia", "clear", "a\ud800")
    assert "half a character" in updates["file note"]


def test_a_link_opens_as_it_was_made(tasks):
    made = editing.make_link(tasks, "http://x/page", "melanoma", "a\n# b", "c")
    base, query = made["link"]["value"].split("?")
    assert base == "http://x/page" and made["file note"] == message()
    expected = {"task": "melanoma", "file note": message(), "box 0": "a\n# b", "box 1": "c"}
    assert editing.opened(tasks, query) == expected
    assert editing.opened(tasks, "") == {}
    assert texts_of(editing.opened(tasks, "task=melanoma")) == editing.original_lists(tasks, "melanoma")
    assert "not here" in editing.opened(tasks, "task=<b>")["file note"]

"""Symptom sets: what is kept, what is refused, and the sentence for it."""

import json
import pickle

import pytest

from tests.conftest import PROJECT
from vip_core.errors import SymptomError
from vip_core.symptoms import SymptomSet

SHIPPED = sorted((PROJECT / "assets" / "symptoms").glob("*.json"))


def test_both_forms_read_the_same_classes():
    classes = {"a": ["x", "y"], "b": ["z"]}
    plain, ours = SymptomSet.from_dict(classes), SymptomSet.from_dict({"modality": "film", "classes": classes})
    assert plain.classes == ours.classes == ("a", "b")
    assert plain.symptoms == ours.symptoms == (("x", "y"), ("z",))
    assert ours.modality == "film"
    assert plain.lines == ["x", "y", "z"] and plain.counts == [2, 1]


def test_text_comes_back_as_typed(tmp_path):
    lines = ["  spaces kept ", "emoji 🫁", '<b>html</b> & "quotes"', "ends with a stop.", "日本語"]
    before = SymptomSet.from_dict({"classes": {"a b": lines, "ü": ["x"]}, "source": {"author": "Ø"}})
    before.save(tmp_path / "set.json")
    assert SymptomSet.load(tmp_path / "set.json") == before


def test_an_edit_makes_a_new_set():
    before = SymptomSet.from_dict({"a": ["x"], "b": ["y"]})
    after = before.edited("b", ["z", "w"])
    assert before.symptoms == (("x",), ("y",)) and after.symptoms == (("x",), ("z", "w"))
    with pytest.raises(AttributeError):
        before.classes = ("c", "d")


def test_order_is_by_name_and_a_mismatch_shows_both_lists():
    both = SymptomSet.from_dict({"a": ["x"], "b": ["y"]})
    assert both.ordered(["b", "a"]).symptoms == (("y",), ("x",))
    with pytest.raises(SymptomError, match=r"a, b in the symptom set, a, c expected"):
        both.ordered(["a", "c"])


def test_a_set_can_be_copied_between_sessions():
    both = SymptomSet.from_dict({"classes": {"a": ["x"], "b": ["y"]}, "source": {"references": ["r"]}})
    assert pickle.loads(pickle.dumps(both)) == both


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"a": ["x"]}, "at least two classes"),
        ({"a": ["x"], "A": ["y"]}, "“A” stands twice"),
        ({"a": ["x"], "b": []}, "“b” has no symptom"),
        ({"a": ["x"], "b": ["y", "  "]}, "“b” is empty"),
        ({"a": ["x"], "b": [1]}, "“b” is 1, not a text"),
        ({"a": ["x"], "b": "y"}, "“b” are not a list"),
        ({"a": ["x"], "b": ["y"] * 200}, "“b” has 200 symptoms; at most 64"),
        ({"a": ["x"], "b": ["y\nz"]}, "several lines"),
        ({"a": ["x"], "b": ["\ud800"]}, "half a character"),
        ({"a": ["x"], " ": ["y"]}, "A class name is empty"),
        ([["x"]], "is a JSON object"),
        ({"classes": {"a": ["x"], "b": ["y"]}, "source": "me"}, "an object"),
    ],
)
def test_what_is_no_symptom_set_is_one_sentence(data, sentence):
    with pytest.raises(SymptomError, match=sentence) as caught:
        SymptomSet.from_dict(data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b'{"a": ["x"], "b": ["y"], "a": ["z"]}', "“a” stands twice"),
        (b'{"a": ["x"],', "not JSON: .* in line 1"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b"", "not JSON"),
    ],
)
def test_a_file_that_is_none_is_one_sentence_with_its_name(tmp_path, content, sentence):
    path = tmp_path / "set.json"
    path.write_bytes(content)
    with pytest.raises(SymptomError, match=sentence) as caught:
        SymptomSet.load(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(SymptomError, match="cannot be read"):
        SymptomSet.load(tmp_path / "none.json")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_sets_are_short_sourced_and_never_name_a_class(path, vip_mini):
    shipped = SymptomSet.load(path)
    assert shipped.modality and shipped.source["references"]
    for line in shipped.lines:
        assert vip_mini.token_count(line) + 4 <= 77
        assert len(line.split()) <= 12
        assert not any(name.lower() in line.lower() for name in shipped.classes)
    assert len(set(shipped.lines)) == len(shipped.lines)
    assert json.loads(path.read_text())["source"]["date"]

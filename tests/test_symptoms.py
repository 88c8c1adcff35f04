"""Symptom sets: what is kept, what is refused, and the sentence for it."""

import copy
import json
import pickle

import pytest

from tests.conftest import PROJECT
from vip_core.errors import SymptomError
from vip_core.symptoms import SymptomSet

SHIPPED = sorted((PROJECT / "assets" / "symptoms").glob("*.json"))


def test_from_dict_reads_both_forms():
    classes = {"a": ["x", "y"], "b": ["z"]}
    plain, ours = SymptomSet.from_dict(classes), SymptomSet.from_dict({"modality": "film", "classes": classes})
    assert plain.classes == ours.classes == ("a", "b")
    assert plain.symptoms == ours.symptoms == (("x", "y"), ("z",))
    assert ours.modality == "film"
    assert plain.texts == ["x", "y", "z"] and plain.counts == [2, 1]


def test_save_and_load_keep_the_text_as_typed(tmp_path):
    lines = ["  spaces kept ", "emoji 🫁", '<b>html</b> & "quotes"', "ends with a stop.", "日本語"]
    before = SymptomSet.from_dict({"classes": {"a b": lines, "ü": ["x"]}, "source": {"author": "Ø"}})
    before.save(tmp_path / "set.json")
    assert SymptomSet.load(tmp_path / "set.json") == before


def test_edited_makes_a_new_set():
    before = SymptomSet.from_dict({"a": ["x"], "b": ["y"]})
    after = before.edited("b", ["z", "w"])
    assert before.symptoms == (("x",), ("y",)) and after.symptoms == (("x",), ("z", "w"))
    with pytest.raises(AttributeError):
        before.classes = ("c", "d")


def test_ordered_goes_by_name_and_shows_both_lists_on_a_mismatch():
    both = SymptomSet.from_dict({"a": ["x"], "b": ["y"]})
    assert both.ordered(["b", "a"]).symptoms == (("y",), ("x",))
    with pytest.raises(SymptomError, match=r"a, b in the symptom set, a, c expected"):
        both.ordered(["a", "c"])


def test_symptom_set_is_hashable_and_picklable():
    both = SymptomSet.from_dict({"classes": {"a": ["x"], "b": ["y"]}, "source": {"references": ["r"]}})
    again = pickle.loads(pickle.dumps(both))
    assert again == both and hash(again) == hash(both) and copy.deepcopy(both) == both
    assert len({both, again, both.edited("b", ["z"])}) == 2


def test_symptom_set_stores_lists_as_tuples():
    lists, tuples = SymptomSet(["a", "b"], [["x", "y"], ["z"]]), SymptomSet(("a", "b"), (("x", "y"), ("z",)))
    assert lists == tuples and hash(lists) == hash(tuples)
    assert lists.labels == [0, 0, 1]


@pytest.mark.parametrize(
    ("classes", "lists", "sentence"),
    [
        (("a", "b"), ("xy", "z"), "The symptoms of “a” are not a list"),
        (("a", "b"), "xy", "not a list of lists"),
        ("ab", (["x"], ["y"]), "The classes are not a list"),
        (("a", "b"), (["x"],), "There are 2 classes and 1 lists"),
        (("a", "b"), (["x"], 3), "The symptoms of “b” are not a list"),
    ],
)
def test_symptom_set_refuses_what_is_not_lists(classes, lists, sentence):
    with pytest.raises(SymptomError, match=sentence):
        SymptomSet(classes, lists)


def test_edited_refuses_a_string_and_an_unknown_class():
    both = SymptomSet.from_dict({"a": ["x"], "b": ["y"]})
    with pytest.raises(SymptomError, match="The symptoms of “b” are not a list"):
        both.edited("b", "white")
    with pytest.raises(SymptomError, match="Unknown class “c”; the classes are a, b"):
        both.edited("c", ["white"])


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"a": ["x"]}, "at least two classes"),
        ({"a": ["x"], "A": ["y"]}, "“A” is listed twice"),
        ({"a": ["x"], "b": []}, "“b” has no symptoms"),
        ({"a": ["x"], "b": ["y", "  "]}, "“b” is empty"),
        ({"a": ["x"], "b": [1]}, "“b” is 1, not a string"),
        ({"a": ["x"], "b": "y"}, "“b” are not a list"),
        ({"a": ["x"], "b": ["y"] * 200}, "“b” has 200 symptoms; the limit is 64"),
        ({"a": ["x"], "b": ["y\nz"]}, "several lines"),
        ({"a": ["x"], "b": ["\ud800"]}, "an incomplete character"),
        ({"a": ["x"], " ": ["y"]}, "A class name is empty"),
        ([["x"]], "is a JSON object"),
        ({"classes": {"a": ["x"], "b": ["y"]}, "source": "me"}, "an object"),
    ],
)
def test_from_dict_refuses_with_one_sentence(data, sentence):
    with pytest.raises(SymptomError, match=sentence) as caught:
        SymptomSet.from_dict(data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b'{"a": ["x"], "b": ["y"], "a": ["z"]}', "“a” is listed twice"),
        (b'{"a": ["x"],', "not JSON: .* in line 1"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b"", "not JSON"),
    ],
)
def test_load_refuses_with_one_sentence_that_names_the_file(tmp_path, content, sentence):
    path = tmp_path / "set.json"
    path.write_bytes(content)
    with pytest.raises(SymptomError, match=sentence) as caught:
        SymptomSet.load(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_load_names_a_missing_file(tmp_path):
    with pytest.raises(SymptomError, match="cannot be read"):
        SymptomSet.load(tmp_path / "none.json")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_sets_are_short_sourced_and_never_name_a_class(path, vip_mini):
    shipped = SymptomSet.load(path)
    assert shipped.modality and shipped.source["references"]
    for line in shipped.texts:
        assert vip_mini.token_count(line) + 4 <= 77
        assert len(line.split()) <= 12
        assert not any(name.lower() in line.lower() for name in shipped.classes)
    assert len(set(shipped.texts)) == len(shipped.texts)
    assert json.loads(path.read_text())["source"]["date"]

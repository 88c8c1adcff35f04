"""The card is checked when it is read, and a card of a later version still loads."""

import json
import math

import pytest

from tests.conftest import PROJECT
from vip_core.errors import CheckpointError
from vip_core.models.card import read_card

PNEUMONIA = PROJECT / "checkpoints" / "pneumonia"


@pytest.fixture
def content() -> dict:
    return json.loads((PNEUMONIA / "card.json").read_text(encoding="utf-8"))


def write(folder, content):
    (folder / "card.json").write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "path", sorted((PROJECT / "checkpoints").glob("*/card.json")), ids=lambda path: path.parent.name
)
def test_read_card_keeps_every_value_of_a_shipped_card(path):
    content = json.loads(path.read_text(encoding="utf-8"))
    dumped = json.loads(json.dumps(read_card(path.parent).model_dump()))
    assert {key: dumped[key] for key in content} == content
    assert [key for key in dumped if key in content] == list(content)


def test_read_card_ignores_fields_of_a_later_version(tmp_path, content):
    content["new_field"] = {"a": 1}
    content["backbone"]["revision"] = "abc"
    assert read_card(write(tmp_path, content)) == read_card(PNEUMONIA)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is not JSON; copy the checkpoint again"),
        ("[1]", "it is not a JSON object"),
        ('{"a": 1}', "backbone, classes, symptoms, context, temperature, .* are missing"),
    ],
)
def test_read_card_refuses_what_is_not_a_card(tmp_path, text, sentence):
    with pytest.raises(CheckpointError, match=sentence):
        read_card(write(tmp_path, text))


@pytest.mark.parametrize("key", ["temperature", "backbone", "context", "classes", "digests"])
def test_read_card_names_a_missing_key(tmp_path, content, key):
    del content[key]
    sentence = "lacks the digest of model" if key == "digests" else f"{key} is missing"
    with pytest.raises(CheckpointError, match=sentence):
        read_card(write(tmp_path, content))


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("temperature", 0, "temperature is 0, and should be greater than 0"),
        ("temperature", -1.5, "temperature is -1.5, and should be greater than 0"),
        ("temperature", math.nan, "temperature is nan"),
        ("temperature", math.inf, "temperature is inf, and should be a finite number"),
        ("domain_threshold", math.nan, "domain_threshold is nan, and should be a finite number"),
        ("threshold", math.inf, "threshold is inf, and should be a finite number"),
        ("context", {"length": 0, "per_class": False}, r"context\.length is 0"),
        ("backbone", {"pretrained": None, "fingerprint": ""}, r"backbone\.name is missing"),
        ("schema_version", 2, "a later version wrote it; upgrade vip_core"),
        ("symptoms", {"classes": {"a": ["x"]}}, "invalid symptom set: .* at least two classes"),
        ("classes", ["pneumonia", "normal lung"], "names and order must be the same"),
    ],
)
def test_read_card_names_a_wrong_value(tmp_path, content, key, value, sentence):
    with pytest.raises(CheckpointError, match=sentence) as caught:
        read_card(write(tmp_path, content | {key: value}))
    assert "\n" not in str(caught.value)

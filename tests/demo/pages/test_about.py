"""The About page: every figure of a card is shown, with its n and interval, and what comes from outside is escaped."""

import json

import pytest

from demo.pages.about import backbone_page, metric_rows, model_card, section
from demo.render.key_figures import key_figures
from vip_core.models.card import read_card
from vip_core.utils.paths import PROJECT

EVIL = "<img src=x>"


@pytest.fixture(params=["pneumonia", "melanoma"])
def card(request):
    return read_card(PROJECT / "checkpoints" / request.param)


def test_a_card_is_shown_with_n_and_intervals(card):
    shown = model_card("Label", card)
    test = card.figures["test"]
    low, high = test["intervals"]["auroc"]
    assert f"n = {test['n']}" in shown
    assert f"<td>{test['auroc']:.3f} ({low:.3f} to {high:.3f})</td>" in shown
    for name, value in test["recall"].items():
        low, high = test["intervals"][f"recall of {name}"]
        assert f"<td>{value:.3f} ({low:.3f} to {high:.3f})</td>" in shown
    assert shown.index("Test<br>") < shown.index("Validation<br>")


def test_no_number_of_a_card_is_left_out(card):
    shown = model_card("", card)

    def numbers(value):
        if isinstance(value, dict):
            for key, inner in value.items():
                yield from () if key in ("resamples", "seed") else numbers(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from numbers(inner)
        elif isinstance(value, float):
            yield f"{value:.3f}".replace("-", "−")
        elif isinstance(value, int):
            yield str(value)

    assert not [number for number in numbers(card.figures) if number not in shown]


def test_unknown_figures_are_shown_with_readable_names():
    values = {
        "n": 40,
        "sensitivity": {"value": 0.9, "interval": [0.8, 0.95]},
        "some_new_thing": 0.25,
        "subtypes": {"viral": {"n": 7, "accuracy": 0.5}},
        "swap_test": {"flipped": 1.0, "n": 40, "intervals": {"flipped": [0.9, 1.0]}},
        "flagged_out_of_domain": 2,
        "rounds": [1, 2, 3],
        "good": True,
        "missing": None,
    }
    assert dict(metric_rows(values, [])) == {
        "Sensitivity": "0.900 (0.800 to 0.950)",
        "Some new thing": "0.250",
        "Subtypes: Viral: Accuracy": "0.500 (n = 7)",
        "Swap test: Flipped": "1.000 (0.900 to 1.000) (n = 40)",
        "Flagged as out of distribution": "2 of 40",
        "Rounds": "[1, 2, 3]",
        "Good": "yes",
        "Missing": "–",
    }


def test_a_card_with_odd_figures_is_shown_all_the_same(card):
    odd = {
        "val": {},
        "loose": 0.5,
        "test": {"n": 3, "recall": {"a": None}, "intervals": None, EVIL: EVIL},
        "x": {"y": 1},
    }
    changes = {"figures": odd, "classes": [EVIL, "b"], "data": {"name": EVIL, "images": None}}
    shown = model_card(EVIL, card.model_copy(update=changes))
    assert "<img" not in shown and "Loose" in shown and "0.500" in shown
    assert "Nothing was measured" in model_card("", card.model_copy(update={"figures": {}}))
    json.dumps(shown)


def test_the_backbones_card_comes_without_its_front_matter():
    page = backbone_page("vip-mini")
    assert page.startswith("## The backbone: vip-mini") and "library_name" not in page and "Limits" in page
    assert backbone_page("ViT-B-16") == ""


@pytest.mark.parametrize(
    "title", ["What it is for", "Limits", "How to read the page", "Data and licences", "Privacy", "The paper"]
)
def test_about_text_has_every_section_without_relative_links(title):
    text = section((PROJECT / "assets" / "about.md").read_text(encoding="utf-8"), title)
    assert len(text) > 200 and "](" not in text.replace("](http", "") and text.count("\n## ") == 0


def test_a_section_that_is_missing_is_left_out():
    assert section("# a\n\n## b\n\nc\n", "d") == ""


def test_key_figures_have_their_intervals_and_how_to_read_them(card):
    shown = key_figures("Pneumonia", card)
    test, (first, second) = card.figures["test"], card.classes
    positive = card.training["positive"]
    for name, at in ((positive, "recall"), (first if positive == second else second, "recall")):
        low, high = test["intervals"][f"{at} of {name}"]
        assert f"{test[at][name]:.3f} <small>({low:.3f} to {high:.3f})</small>" in shown
    moved = test["at_threshold"]
    low, high = moved["intervals"][f"recall of {positive}"]
    assert f"{moved['recall'][positive]:.3f} <small>({low:.3f} to {high:.3f})</small>" in shown
    assert "{" not in shown and "[" not in shown and shown.count("How to read it") == 1
    assert key_figures("Pneumonia", card.model_copy(update={"figures": {"test": {"n": 3, "intervals": None}}})) == ""


def test_model_card_has_no_raw_json(card):
    assert "[&quot;" not in model_card("", card) and "{&quot;" not in model_card("", card)

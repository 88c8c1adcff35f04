"""The headline is about the finding: above or below the screening point, at the clinic's prevalence, or no result."""

import json
import re

import pytest
from playwright.sync_api import expect

from demo.settings import SHIPPED
from demo.state.numbers import per_cent
from vip_core.models.card import read_card
from vip_core.models.checkpoint import find_checkpoint
from vip_core.utils.paths import PROJECT

pytestmark = pytest.mark.slow
PHOTOGRAPH = next((PROJECT / "assets" / "examples" / "melanoma").glob("*.jpg"))
PNEUMONIA, MELANOMA = (read_card(find_checkpoint(name)) for name in ("pneumonia", "melanoma"))
BETWEEN = (0.5 + PNEUMONIA.threshold) / 2  # the screening point and one half are on its two sides
BENCH = "document.querySelector('.vip-bench').bench"


def paint(person, probabilities):
    """Paint the scores of the image with other probabilities."""
    person.page.evaluate(
        f"p => {{ const b = {BENCH}; b.latest = {{ ...b.latest, probabilities: p, original: p }}; "
        "b.answer.doubt = null; b.answer.paint(b.latest) }",
        probabilities,
    )


def shift(p, r, q):
    odds = p / (1 - p) * (q * (1 - r)) / (r * (1 - q))
    return odds / (1 + odds)


@pytest.fixture
def melanoma(bench):
    person = bench()
    person.page.select_option(".vip-task", "melanoma")
    person.choose_example(0)
    return person


@pytest.mark.parametrize(
    ("probability", "side", "called"),
    [(0.3, "above", "nevus"), (0.03, "below", "nevus")],
)
def test_headline_says_the_finding_and_its_side_of_the_screening_point(melanoma, probability, side, called):
    paint(melanoma, [probability, 1 - probability])
    assert melanoma.page.inner_text(".vip-class") == "melanoma"
    assert melanoma.page.inner_text(".vip-probability") == f"{100 * probability:.0f}\u00a0%"
    at = per_cent(MELANOMA.threshold_of(0))
    assert melanoma.page.inner_text(".vip-side") == f"{side} the screening point of {at}"
    assert melanoma.page.inner_text(".vip-called") == f"at ½: {called}"
    size = "node => parseFloat(getComputedStyle(node).fontSize)"
    small, large = (melanoma.page.locator(part).evaluate(size) for part in (".vip-called", ".vip-class"))
    assert small < 0.7 * large


def test_headline_between_one_half_and_the_screening_point_says_both(bench):
    person = bench()
    person.choose_example(3)
    paint(person, [1 - BETWEEN, BETWEEN])
    side, called = ("below", "pneumonia") if BETWEEN > 0.5 else ("above", "normal lung")
    sides = f"pneumonia {per_cent(BETWEEN)} {side} the screening point of {per_cent(PNEUMONIA.threshold)}"
    assert sides in person.headline
    assert person.page.inner_text(".vip-called") == f"at ½: {called}"


def test_screening_point_says_what_it_is_for_and_what_it_found(melanoma):
    recall = MELANOMA.figures["test"]["at_threshold"]["recall"]
    words = melanoma.page.inner_text(".vip-meaning")
    aim = per_cent(MELANOMA.training["sensitivity"])
    assert f"set to detect {aim} of the validation images with melanoma" in words
    assert f"its sensitivity is {per_cent(recall['melanoma'])}" in words
    assert f"false-positive rate {per_cent(1 - recall['nevus'])}" in words


def test_prevalence_moves_the_marks_with_the_bar(melanoma):
    counts, at, q = MELANOMA.data["images"]["val"], MELANOMA.threshold_of(0), 0.03
    r = counts["melanoma"] / sum(counts.values())
    paint(melanoma, [0.3, 0.7])
    melanoma.page.fill(".vip-prevalence", "3")
    places = melanoma.page.locator(".vip-tick-mark").evaluate_all("all => all.map(each => parseFloat(each.style.left))")
    assert places == pytest.approx([100 * shift(0.5, r, q), 100 * shift(at, r, q)], abs=0.01)
    bar = float(melanoma.page.locator(".vip-scale > .vip-fill").evaluate("node => parseFloat(node.style.width)"))
    assert bar == pytest.approx(100 * shift(0.3, r, q), abs=0.1)
    assert bar > places[1] and f"above the screening point of {100 * shift(at, r, q):.1f}\u00a0%" in melanoma.headline
    assert "do not depend on the prevalence" in melanoma.page.inner_text(".vip-meaning")
    labels = melanoma.page.locator(".vip-tick-mark small, .vip-ends span").evaluate_all(
        "all => all.filter(each => each.textContent).map(each => { const b = each.getBoundingClientRect(); "
        "return [b.left, b.top, b.right, b.bottom] })"
    )
    for index, (left, top, right, bottom) in enumerate(labels):
        for other in labels[index + 1 :]:
            assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top


@pytest.mark.parametrize("typed", ["5,5", "5.5", "5.5 %"])
def test_prevalence_is_read_with_a_comma_or_a_point(melanoma, typed):
    melanoma.page.fill(".vip-prevalence", typed)
    assert melanoma.page.evaluate(f"{BENCH}.answer.prevalence") == pytest.approx(0.055)


@pytest.mark.parametrize("typed", ["0", "100", "150", "many"])
def test_prevalence_that_cannot_be_is_said(melanoma, typed):
    melanoma.page.fill(".vip-prevalence", typed)
    assert "between 0 and 100" in melanoma.page.inner_text(".vip-clinic")
    assert melanoma.page.evaluate(f"{BENCH}.answer.prevalence") is None


def test_reset_clears_the_prevalence_and_makes_no_step_without_an_edit(melanoma):
    melanoma.page.fill(".vip-prevalence", "5")
    melanoma.page.click(".vip-reset")
    assert melanoma.page.input_value(".vip-prevalence") == ""
    assert melanoma.page.inner_text(".vip-clinic-result") == ""
    expect(melanoma.page.locator(".vip-undo")).to_be_disabled()


@pytest.mark.parametrize("prevalence", ["", "3"])
def test_refused_image_has_no_probability_anywhere(bench, prevalence):
    person = bench()
    person.upload(PHOTOGRAPH)
    for panel in (".vip-changes", ".vip-versions", ".vip-numbers"):
        person.page.click(f"{panel} summary")
    person.settle()
    person.page.fill(".vip-prevalence", prevalence)
    assert person.page.inner_text(".vip-class") == "No result"
    shown = person.page.inner_text(".vip-answer") + person.page.inner_text(".vip-more")
    assert re.findall(r"\d+ %", shown) == []
    assert "looks like a dermoscopy image" in person.page.inner_text(".vip-meaning")


def test_untrained_lists_are_marked_untested_in_the_menu_and_beside_the_answer(bench, xrays):
    person = bench()
    labels = person.page.locator(".vip-task option").all_inner_texts()
    texts = json.loads((PROJECT / "assets" / "tasks.json").read_text(encoding="utf-8"))
    trained = {texts[name]["label"] for name in SHIPPED}
    assert {label for label in labels if "Untested" not in label} == trained
    person.page.select_option(".vip-task", label=next(label for label in labels if "Untested" in label))
    person.upload(xrays[0])
    assert person.page.inner_text(".vip-side") == "untested"
    chip = person.page.locator(".vip-chip")
    assert chip.inner_text() == "Not checked"
    red, green, _ = map(int, re.findall(r"\d+", chip.evaluate("node => getComputedStyle(node).color"))[:3])
    assert green <= red + 20


def test_zero_shot_method_has_no_side_of_the_screening_point(bench):
    person = bench()
    person.choose_example(3)
    person.page.select_option(".vip-mode", "symptoms")
    person.wait(lambda: person.scores["mode"] == "symptoms")
    assert person.page.inner_text(".vip-side") == "untested"


def test_domain_check_of_a_task_says_what_it_does_not_recognise(melanoma):
    words = melanoma.page.inner_text(".vip-scope")
    assert "Resembles the reference dermoscopy images" in words
    assert "seborrhoeic keratosis" in words and "not recognised" in words
    assert melanoma.page.inner_text(".vip-chip") in ("", "Refer to a person")


def test_an_edit_that_changes_little_still_says_what_the_answer_was(bench):
    person = bench()
    person.choose_example(3)
    before = person.page.inner_text(".vip-probability")
    person.write(person.texts(1)[0] + " today", 0, 1)
    assert person.page.inner_text(".vip-was") == f"was {before}"
    assert f"comparison with the {before} of the original lists" in person.page.inner_text(".vip-meaning")


def test_near_one_half_stable_is_not_called_right(bench):
    person = bench()
    person.choose_example(3)
    person.wait(lambda: person.page.evaluate(f"{BENCH}.answer.doubt"))
    assert "were correct" in person.page.inner_text(".vip-meaning")
    person.page.evaluate(
        f"(b => {{ b.answer.doubt = {{refer: false, views: 8, wordings: 3}}; "
        f"b.answer.paint({{...b.latest, probabilities: [{1 - BETWEEN}, {BETWEEN}]}}) }})({BENCH})"
    )
    words = person.page.inner_text(".vip-meaning")
    assert "stable under 8 crops" in words and "were correct" not in words and "says little" in words


def test_nearest_reference_images_that_disagree_are_said_beside_the_answer(bench):
    person = bench()
    person.choose_example(3)
    assert sum(person.scores["nearest"]) == 5
    assert "most similar reference images" not in person.page.inner_text(".vip-meaning")
    person.page.evaluate(f"(b => b.answer.paint({{...b.latest, nearest: [4, 1]}}))({BENCH})")
    words = person.page.inner_text(".vip-meaning")
    assert "Of the 5 most similar reference images, 4 were labelled normal lung" in words


@pytest.mark.parametrize("image", ["example", "photograph"])
def test_on_a_phone_the_sentences_are_between_the_answer_and_the_rows(bench, image):
    person = bench(width=390, height=844)
    person.choose_example(3) if image == "example" else person.upload(PHOTOGRAPH)
    person.page.evaluate("scrollTo(0, 0)")
    box = person.page.locator(".vip-meaning").bounding_box()
    answer = person.page.locator(".vip-headline").bounding_box()
    rows = person.page.locator(".vip-rows").bounding_box()
    assert answer["y"] + answer["height"] <= box["y"] + 1 and box["y"] + box["height"] <= rows["y"]
    assert box["y"] + box["height"] <= 844  # on the first screen


def test_method_menu_is_not_cut_off_on_a_phone(bench):
    person = bench(width=390, height=844)
    for menu in (".vip-task", ".vip-mode"):
        needed = person.page.locator(menu).evaluate(
            """node => { const pen = document.createElement('canvas').getContext('2d')
                         pen.font = getComputedStyle(node).font
                         return pen.measureText(node.selectedOptions[0].text).width + 36 }"""
        )
        assert person.page.locator(menu).bounding_box()["width"] >= needed

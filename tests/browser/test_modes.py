"""What the bars show, and by which method an image is read, in a real browser."""

import re

import pytest
from playwright.sync_api import expect

from vip_core.utils.paths import PROJECT

pytestmark = pytest.mark.slow


def choose(person, name):
    """Choose an option by its label, and wait for another chart."""
    chart = person.chart
    person.page.get_by_label(name, exact=True).check()
    person.wait(lambda: person.chart not in ("", chart))


def numbers(texts, form):
    return [float(found.group(1).replace("−", "-")) for text in texts if (found := re.search(form, text))]


def test_percentiles(visit):
    person = visit()
    person.choose_example(3)
    chart, rows = person.bars, person.rows
    choose(person, "Percentile")
    shown = numbers(person.bars, r"^higher than (\d+) % of reference images$")
    assert shown == pytest.approx([float(row[3]) for row in rows], abs=0.51)
    assert person.rows == rows and "100 %" in person.bars
    choose(person, "Similarity")
    assert person.bars == chart


@pytest.mark.parametrize("mode", ["ViP, trained prompts", "Zero-shot, symptoms"])
def test_contributions_sum_to_the_log_odds(visit, mode):
    person = visit()
    person.choose_example(3)
    if mode != "ViP, trained prompts":
        choose(person, mode)
    name = person.page.inner_text("#vip-result .vip-class")
    choose(person, "Contribution")
    shown = numbers(person.bars, rf"^([+−]?\d+\.\d\d), (?:for|against) {name}$")
    terms = person.bars.count("The class term, which no symptom explains")
    assert len(shown) == len(person.rows) + terms and terms == (2 if mode.startswith("ViP") else 0)
    said = person.page.inner_text("#vip-bars p")
    (total,) = numbers([said], r"sum to ([−\d.]+\d)")
    assert sum(shown) == pytest.approx(total, abs=0.006 * len(shown)) and "log-odds" in said
    signs = [1 if row[0] == name else -1 for row in person.rows]
    table = [sign * float(row[4]) for sign, row in zip(signs, person.rows, strict=True)]
    assert sum(table) == pytest.approx(total, abs=0.2)  # the class terms are not in the table


def test_an_edit_shifts_the_bars_of_every_kind(visit):
    person = visit()
    person.choose_example(3)
    person.write(1, "clear lungs\n" + person.box(1).input_value().split("\n", 1)[1])
    for kind, words in (
        ("Percentile", r", was \d+ %$"),
        ("Contribution", r", was [+−]\d"),
        ("Similarity", r", was [−\d]"),
    ):
        if kind != "Similarity":
            choose(person, kind)
        else:
            choose(person, kind)
        assert [text for text in person.bars if re.search(words, text)], kind


def test_zero_shot_by_symptoms_and_by_class_names(visit):
    person = visit()
    person.choose_example(3)
    rows, result = person.rows, person.result
    assert "calibrated probability" in result and "validation images" in result
    choose(person, "Zero-shot, symptoms")
    person.wait(lambda: person.agrees() and "Not calibrated" in person.result)
    assert [row[:2] for row in person.rows] == [row[:2] for row in rows] and person.rows != rows
    assert "calibrated probability" not in person.result
    person.box(1).fill("dense white opacity\n# patchy")  # edits work here too
    person.wait(lambda: "→" in person.result)

    unused = person.page.locator(".vip-unused")
    assert not unused.is_visible()
    choose(person, "Zero-shot, class names")
    prompts = ["a chest X-ray of normal lung", "a chest X-ray of pneumonia"]
    person.wait(lambda: [row[1] for row in person.rows] == prompts and person.agrees())
    assert unused.is_visible() and "Not calibrated" in person.result and "→" not in person.result
    person.box(0).fill("")  # the lists are not used, so nothing is wrong with them
    person.page.wait_for_timeout(500)
    assert [row[1] for row in person.rows] == prompts
    person.wait_for_peace("list")
    person.page.get_by_label("ViP, trained prompts", exact=True).check()
    person.complain("list", "no symptom")
    person.page.click("#vip-reset")
    person.wait(lambda: person.rows == rows and person.result == result)


def test_the_domain_warning_stands_in_place_of_confidence_in_every_mode(visit):
    person = visit()
    person.upload(next((PROJECT / "assets" / "examples" / "melanoma").glob("*.jpg")))
    for mode in ("ViP, trained prompts", "Zero-shot, symptoms", "Zero-shot, class names"):
        if not mode.startswith("ViP"):
            choose(person, mode)
        person.wait(lambda: "unlike anything the model knows" in person.result)
        assert "%" not in person.result and "probability" not in person.result
    choose(person, "Contribution")
    assert "%" not in person.page.inner_text("#vip-bars p")


def test_the_numbers_can_be_sorted(visit):
    person = visit()
    person.choose_example(3)
    rows = person.rows
    person.page.locator("#vip-table [data-testid=header-2] button").first.click()
    person.page.get_by_text("Sort descending").click()
    person.wait(lambda: person.rows != rows)
    values = [float(row[2]) for row in person.rows]
    assert values == sorted(values, reverse=True) and sorted(person.rows) == sorted(rows)


def test_a_row_chooses_the_symptom_of_the_map(visit):
    person = visit()
    person.choose_example(3)
    symptom = person.rows[2][1]
    person.page.locator("#vip-table [role=gridcell]").get_by_text(symptom).last.click()
    expect(person.page.locator("#vip-where")).to_contain_text(symptom)


def test_every_control_has_a_name_and_is_reached_by_the_keyboard(visit):
    person = visit()
    person.choose_example(0)
    reached = set()
    person.page.locator("body").press("Tab")
    for _ in range(80):
        reached.add(person.page.evaluate("document.activeElement.closest('[id^=vip-]')?.id"))
        person.page.keyboard.press("Tab")
    wanted = {"vip-kind", "vip-mode", "vip-box-0", "vip-box-1", "vip-reset", "vip-load", "vip-save", "vip-share"}
    assert wanted <= reached
    unnamed = person.page.evaluate(
        "[...document.querySelectorAll('.vip-page :is(input:not([type=file]), textarea, button)')]"
        ".filter(control => control.checkVisibility() && !control.labels?.length && !control.textContent.trim()"
        " && !control.getAttribute('aria-label') && !control.title).map(control => control.outerHTML.slice(0, 150))"
    )
    assert unnamed == []


@pytest.mark.parametrize("query", ["?__theme=dark", "?__theme=light"])
@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_moves_while_one_types(visit, query, width):
    person = visit(width, 900, query)
    empty = person.page.locator("#vip-result .vip-card").bounding_box()["height"]
    person.choose_example(3)
    places = (
        "['#vip-result .vip-card', '#vip-bars', '#vip-box-0', '#vip-box-1', '#vip-undo'].map("
        "id => { const box = document.querySelector(id).getBoundingClientRect();"
        " return [id, Math.round(box.x), Math.round(box.y + scrollY), Math.round(box.width)] })"
    )
    before = person.page.evaluate(places)
    assert person.page.locator("#vip-result .vip-card").bounding_box()["height"] == pytest.approx(empty, abs=1)
    lines = person.box(1).input_value().splitlines()
    person.write(1, "\n".join(["white opacity in a lobe", *lines[1:]]))
    assert person.page.evaluate(places) == before
    person.box(0).fill("")
    person.complain("list", "no symptom")
    if width > 640:  # on a phone the sentence may need two lines
        assert person.page.evaluate(places)[:4] == before[:4]
    assert person.page.evaluate("document.documentElement.scrollWidth") <= width

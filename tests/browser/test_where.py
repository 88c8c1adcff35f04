"""The map over the image and the second image, in a real browser."""

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.conftest import PATIENCE

expect.set_options(timeout=PATIENCE)
pytestmark = pytest.mark.slow
FIRST, SECOND = "#vip-where-first", "#vip-where-second"
BOXES = """figure => ["picture", "map"].map(kind => {
    const box = document.querySelector(`${figure} .vip-where-${kind}`).getBoundingClientRect()
    return [box.x, box.y, box.width, box.height]
})"""
OPACITY = "() => +getComputedStyle(document.querySelector('.vip-where-map')).opacity"


def choose(person, path, figure=FIRST):
    """Choose the image, and wait for picture and map; the first reason of the model is chosen by itself."""
    person.page.set_input_files("#vip-image input[type=file]", path)
    expect(person.page.locator(f"{figure} .vip-where-map")).to_be_visible()
    expect(person.page.locator(f"{figure} .vip-where-picture")).to_be_visible()


def compare(person, path):
    with person.page.expect_file_chooser() as chooser:
        person.page.click("#vip-where-add")
    chooser.value.set_files(path)
    expect(person.page.locator(f"{SECOND} .vip-where-map")).to_be_visible()


def map_of(person, figure=FIRST):
    return person.page.get_attribute(f"{figure} .vip-where-map", "src")


def words(person, figure=FIRST):
    """What stands below the picture."""
    return person.page.locator(f"{figure} .vip-where-caption p")


def lies_upon(person, figure=FIRST):
    """How far the map's box is off the picture's, in pixels, and the picture's aspect."""
    picture, heat = person.page.evaluate(BOXES, figure)
    return max(abs(a - b) for a, b in zip(picture, heat, strict=True)), picture[2] / picture[3]


@pytest.mark.parametrize("width", [1440, 390])
def test_the_map_lies_exactly_upon_the_picture_at_its_true_aspect(visit, xrays, tmp_path, width):
    wide = tmp_path / "wide.png"
    Image.open(xrays[0]).resize((900, 500)).save(wide)
    person = visit(width=width)
    choose(person, wide)
    off, aspect = lies_upon(person)
    assert off <= 1 and aspect == pytest.approx(900 / 500, rel=0.01)
    assert person.page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_row_of_the_numbers_and_the_list_of_choices_change_the_map(visit, xrays):
    person = visit()
    choose(person, xrays[0])
    before = map_of(person)
    line = person.box(0).input_value().splitlines()[1]
    person.page.locator("#vip-table [role=gridcell]").get_by_text(line).first.click()
    expect(words(person)).to_contain_text(line)
    assert map_of(person) != before
    assert line in person.page.locator("#vip-where-choice input").input_value()
    assert line in person.page.get_attribute(f"{FIRST} .vip-where-map", "alt")

    field = person.page.locator("#vip-where-choice input")  # by keyboard alone
    field.focus()
    field.press("ArrowDown")
    field.press("ArrowDown")
    field.press("Enter")
    expect(words(person)).not_to_contain_text(line)


def test_a_row_still_means_its_symptom_when_the_table_is_sorted(visit, xrays):
    person = visit()
    choose(person, xrays[0])
    header = person.page.locator("#vip-table").get_by_role("columnheader", name="Symptom").first
    header.get_by_role("button", name="Open cell menu").click()
    person.page.get_by_role("menuitem", name="Sort ascending").click()
    cells = person.page.locator("#vip-table .virtual-row [role=gridcell]:nth-child(2)")
    person.wait(lambda: (texts := cells.all_inner_texts()) == sorted(texts) and len(texts) > 4)
    for index in (4, 0):
        line = cells.nth(index).inner_text().strip()
        cells.nth(index).click()
        expect(words(person)).to_contain_text(line)


def test_of_quick_clicks_on_rows_the_last_counts(visit, xrays):
    person = visit()
    choose(person, xrays[0])
    person.page.wait_for_timeout(1000)  # what still belongs to the image
    lines = person.box(0).input_value().splitlines()
    held = []
    person.page.route("**/queue/join*", lambda request: held.append(request))
    cells = person.page.locator("#vip-table .virtual-row [role=gridcell]:nth-child(2)")
    cells.evaluate_all(  # sooner than any map can come
        """cells => [1, 2, 3].forEach(row => ["mousedown", "mouseup", "click"].forEach(kind =>
            cells[row].dispatchEvent(new MouseEvent(kind, {bubbles: true, cancelable: true}))))"""
    )
    person.wait(lambda: len(held) == 3)
    held.pop().continue_()
    expect(words(person)).to_contain_text(lines[3])
    for request in held:  # the server hears of the earlier ones later
        with person.page.expect_response("**/queue/join*"):
            request.continue_()
    person.page.wait_for_timeout(1000)
    expect(words(person)).to_contain_text(lines[3])
    person.page.unroute_all()
    cells.nth(0).click()
    expect(words(person)).to_contain_text(lines[0])


def test_the_map_follows_an_edit_of_its_symptom(visit, xrays):
    person = visit()
    choose(person, xrays[2])
    line, before = words(person).locator("b").inner_text(), map_of(person)
    index = next(i for i in (0, 1) if line in person.box(i).input_value())
    text = person.box(index).input_value()
    person.box(index).fill(text.replace(line, "metal clips and wires"))
    expect(words(person)).to_contain_text("metal clips and wires")
    assert map_of(person) != before
    person.box(index).fill("")  # of lists that cannot be used there is no map
    expect(words(person)).to_contain_text("Mend the symptom lists")
    expect(person.page.locator(f"{FIRST} .vip-where-map")).to_have_count(0)


def test_the_opacity_changes_in_the_browser_alone(visit, xrays):
    person = visit()
    choose(person, xrays[0])
    person.page.wait_for_timeout(1000)  # what still belongs to the image
    sent = []
    person.page.on("request", lambda request: sent.append(request.url))
    assert person.page.evaluate(OPACITY) == pytest.approx(0.7)
    slider = person.page.locator("#vip-where-opacity input[type=range]")
    slider.focus()
    for _ in range(4):
        slider.press("ArrowLeft")
    person.wait(lambda: person.page.evaluate(OPACITY) == pytest.approx(0.5))
    slider.fill("0")
    person.wait(lambda: person.page.evaluate(OPACITY) == 0)
    person.page.wait_for_timeout(500)
    assert [url for url in sent if not url.startswith(("data:", "blob:"))] == []


def test_a_second_image_stands_beside_the_first_and_goes_again(visit, xrays):
    person = visit()
    choose(person, xrays[0])
    first = map_of(person)
    compare(person, xrays[2])
    assert lies_upon(person, SECOND)[0] <= 1
    assert map_of(person) == first != map_of(person, SECOND)
    left, right = (person.page.locator(figure).bounding_box() for figure in (FIRST, SECOND))
    assert left["y"] == right["y"] and left["x"] < right["x"]
    table = person.page.inner_text("#vip-where-comparison")
    lines = [line for index in (0, 1) for line in person.box(index).input_value().splitlines()]
    assert all(line in table for line in lines) and "First image: " in table and "Second image: " in table

    person.box(1).fill("metal clips and wires")  # both follow an edit
    expect(person.page.locator("#vip-where-comparison")).to_contain_text("metal clips and wires")
    person.page.click("#vip-where-remove")
    expect(person.page.locator(f"{SECOND} .vip-where-picture")).to_have_count(0)
    expect(person.page.locator("#vip-where-comparison table")).to_have_count(0)
    assert person.page.locator(f"{FIRST} .vip-where-map").is_visible()


def test_an_unreadable_second_image_gives_a_sentence_and_leaves_the_first(visit, xrays, tmp_path):
    (tmp_path / "x<b>.png").write_bytes(b"no picture")
    person = visit()
    choose(person, xrays[0])
    with person.page.expect_file_chooser() as chooser:
        person.page.click("#vip-where-add")
    chooser.value.set_files(tmp_path / "x<b>.png")
    expect(person.page.locator("#vip-where-note")).to_contain_text("is not a PNG")
    assert person.page.locator(f"{FIRST} .vip-where-map").is_visible()


def test_another_image_gets_its_own_map_and_another_task_none(visit, xrays):
    person = visit()
    choose(person, xrays[0])
    before = map_of(person)
    person.page.get_by_label("Remove Image").first.click()
    expect(person.page.locator(f"{FIRST} .vip-where-picture")).to_have_count(0)
    choose(person, xrays[2])
    assert map_of(person) != before
    compare(person, xrays[1])
    person.page.get_by_label("Melanoma").first.check()
    for kind in ("picture", "map"):
        expect(person.page.locator(f"#vip-where .vip-where-{kind}")).to_have_count(0)


def test_symptoms_reach_the_maps_words_as_text(visit, xrays):
    evil = '<img src=x onerror="window.harmed=1">'
    person = visit()
    choose(person, xrays[0])
    compare(person, xrays[2])
    person.box(1).fill(evil)
    expect(person.page.locator("#vip-where-comparison")).to_contain_text(evil)
    person.page.locator("#vip-table [role=gridcell]").get_by_text("window.harmed").first.click()
    expect(words(person)).to_contain_text(evil)
    assert person.page.evaluate("window.harmed") is None

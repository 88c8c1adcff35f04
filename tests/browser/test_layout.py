"""The page on one screen: what is in sight at 1440 and at 390 pixels, what moves, and whom it shuts out."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.slow
PNEUMONIA = 1


def boxes(person, selector):
    return person.page.locator(selector).evaluate_all(
        """all => all.filter(node => node.getClientRects().length).map(node => {
             const b = node.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom] })"""
    )


def words(person, selector):
    """The box of the text of the first such element, which may be smaller than the element."""
    return person.page.locator(selector).first.evaluate(
        """node => { const range = document.createRange(); range.selectNodeContents(node)
             const b = range.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom] }"""
    )


def test_layout_everything_fits_one_screen_at_1440(bench):
    person = bench(width=1440, height=900)
    person.choose_example(3)
    person.page.evaluate("scrollTo(0, 0)")
    seen = [
        box
        for selector in (".vip-stage", ".vip-headline", ".vip-row textarea", ".vip-strip", ".vip-actions")
        for box in boxes(person, selector)
    ]
    assert len(boxes(person, ".vip-row")) == 11
    assert all(top >= 0 and bottom <= 900 and left >= 0 and right <= 1440 for left, top, right, bottom in seen)
    assert person.page.evaluate("document.documentElement.scrollHeight") <= 1800


def test_layout_rows_of_melanoma_fit_one_screen_at_1440_with_all_sentences(bench):
    person = bench(width=1440, height=900)
    person.page.select_option(".vip-task", "melanoma")
    person.choose_example(0)
    expect(person.page.locator(".vip-meaning")).to_contain_text(re.compile("stable|Refer"))
    person.page.evaluate("scrollTo(0, 0)")
    person.page.fill(".vip-prevalence", "5")
    expect(person.page.locator(".vip-answer")).to_contain_text("PPV")
    assert len(boxes(person, ".vip-row")) == 11
    assert all(bottom <= 900 for _, _, _, bottom in boxes(person, ".vip-row, .vip-actions"))


@pytest.mark.parametrize("width", [800, 1024, 1240, 1260])
def test_layout_text_and_bars_have_room_on_a_tablet(bench, width):
    person = bench(width=width, height=900)
    person.choose_example(3)
    texts, strips = boxes(person, ".vip-row textarea"), boxes(person, ".vip-strip")
    assert len(texts) == len(strips) == 11
    assert min(right - left for left, _, right, _ in texts) >= 230
    assert min(right - left for left, _, right, _ in strips) >= 100
    within = boxes(person, ".vip-row *, .vip-group > header *, .vip-example")
    assert all(right <= width for _, _, right, _ in within)
    axis, adds = (words(person, f".vip-group > header {head}") for head in (".vip-axis", ".vip-adds-head"))
    assert axis[2] <= adds[0] or axis[3] <= adds[1]  # neither over the other


def test_layout_image_and_class_stay_in_sight_while_editing_on_a_phone(bench):
    person = bench(width=390, height=844)
    person.choose_example(3)
    for index in range(len(person.texts(PNEUMONIA))):
        person.text(index, PNEUMONIA).focus()
        person.page.keyboard.type(" x")
        person.settle()
        row = boxes(person, ".vip-row:has(textarea:focus)")[0]
        for selector in (".vip-stage", ".vip-class", ".vip-probability"):
            left, top, right, bottom = boxes(person, selector)[0]
            assert top >= 0 and bottom <= 844 and left >= 0 and right <= 390
            assert bottom <= row[1] + 2 or top >= row[3]  # beside the row, not over it
    assert person.page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_layout_nothing_shifts_while_typing(bench, width, height):
    person = bench(width=width, height=height)
    person.choose_example(3)
    person.wait(lambda: "stable" in person.page.inner_text(".vip-meaning"))
    person.page.evaluate(
        """async () => { await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))
                         window.shift = 0
                         const add = list => { for (const entry of list.getEntries()) window.shift += entry.value }
                         new PerformanceObserver(add).observe({type: "layout-shift", buffered: false}) }"""
    )
    person.text(1, PNEUMONIA).focus()
    person.page.keyboard.type(" dense" if width > 1000 else " x", delay=50)  # no further line of the row's text
    person.settle()
    if width > 1000:
        person.write("opacity", 0, PNEUMONIA)  # and back to less of everything
    assert person.page.evaluate("window.shift") == 0


def test_layout_loading_takes_few_requests_and_shifts_little(browser, server):
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page, requests = context.new_page(), []
    page.on("request", lambda request: requests.append(request.url) if request.url.startswith("http") else None)
    page.add_init_script(
        """window.shift = 0
           new PerformanceObserver(list => { for (const entry of list.getEntries()) window.shift += entry.value })
             .observe({type: "layout-shift", buffered: true})"""
    )
    page.goto(server.url)
    page.wait_for_selector("html[data-ready=yes]", state="attached")
    page.wait_for_timeout(1000)
    assert len(requests) < 60
    assert page.evaluate("window.shift") < 0.02
    context.close()


def test_layout_actions_stand_in_one_line_on_a_phone(bench):
    person = bench(width=390, height=844)
    buttons = boxes(person, ".vip-actions button")
    assert len(buttons) == 8
    assert len({round((top + bottom) / 2) for _, top, _, bottom in buttons}) == 1
    assert all(right <= 390 for _, _, right, _ in buttons)


def test_layout_rows_grow_with_their_text_when_the_window_narrows(bench):
    person = bench(width=1440, height=900)
    person.page.set_viewport_size({"width": 390, "height": 844})
    cut = "all => all.filter(box => Math.abs(box.scrollHeight - box.clientHeight) > 2).map(box => box.value)"
    person.wait(lambda: person.page.locator(".vip-row textarea").evaluate_all(cut) == [])
    tall = person.text(0).evaluate("box => box.clientHeight")
    person.page.set_viewport_size({"width": 1440, "height": 900})
    person.wait(lambda: person.text(0).evaluate("box => box.clientHeight") < tall)


def test_layout_an_edit_costs_few_bytes(bench):
    person = bench()
    person.choose_example(3)
    assert person.page.evaluate("JSON.stringify(document.querySelector('.vip-bench').bench.latest.rows.length)") == "11"
    sizes = []
    person.listen("response", lambda response: sizes.append(response.url) if "queue" in response.url else None)
    person.write("lobar consolidation", 0, PNEUMONIA)
    person.write("lobar consolidation, dense", 0, PNEUMONIA)
    answer = person.page.evaluate(
        """() => { const s = structuredClone(document.querySelector('.vip-bench').bench.latest)
                   for (const row of s.rows) if (row.symptom !== "lobar consolidation, dense") row.counts = null
                   return JSON.stringify(s).length }"""
    )
    assert answer < 6000


def test_layout_a_diagnosis_needs_no_mouse(bench):
    person = bench()
    person.page.locator(".vip-example").nth(3).focus()
    with person.new_result():
        person.page.keyboard.press("Enter")
    person.page.keyboard.press("e")
    expect(person.text(0)).to_be_focused()
    person.page.keyboard.press("Control+End")
    person.page.keyboard.press("Enter")
    person.page.keyboard.type("quiet lungs")
    person.wait(lambda: person.scored("quiet lungs"))


def test_layout_question_mark_opens_the_shortcuts(bench):
    person = bench()
    person.page.locator(".vip-stage").focus()
    person.page.keyboard.press("?")
    expect(person.page.locator(".vip-help")).to_be_visible()
    person.page.keyboard.press("Escape")
    expect(person.page.locator(".vip-help")).to_be_hidden()


def test_layout_200_per_cent_zoom_loses_nothing(bench):
    person = bench(width=720, height=450)  # 1440 x 900 at 200 %
    person.choose_example(3)
    assert person.page.evaluate("document.documentElement.scrollWidth") <= 720
    assert all(right <= 720 for _, _, right, _ in boxes(person, ".vip-row textarea"))


def test_layout_reduced_motion_has_no_transitions(bench):
    person = bench(reduced_motion="reduce")
    person.choose_example(3)
    assert person.page.locator(".vip-fill").first.evaluate("node => getComputedStyle(node).transitionDuration") == "0s"


def test_layout_examples_are_named_by_their_diagnosis(bench):
    person = bench()
    names = person.page.locator(".vip-example").evaluate_all("all => all.map(each => each.getAttribute('aria-label'))")
    assert len(names) == 6 and {"Example: normal", "Example: bacterial pneumonia"} <= set(names)
    assert all(name.removeprefix("Example: ") == text for name, text in zip(names, labels(person), strict=True))


def labels(person) -> list[str]:
    return [text.strip() for text in person.page.locator(".vip-example span").all_inner_texts()]


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_layout_fifteen_classes_are_read_and_edited(bench, xrays, width, height):
    person = bench(width=width, height=height)
    person.page.select_option(".vip-task", "chestxray14")
    person.upload(xrays[0])
    assert len(person.scores["probabilities"]) == 15 == person.page.locator(".vip-group").count()
    shown = person.page.locator(".vip-classes li").all_inner_texts()
    assert 1 < len(shown) < 15  # the most probable ones
    person.write("a round mass", 0, 14)
    assert person.page.evaluate("document.documentElement.scrollWidth") <= width
    assert all(right <= width for _, _, right, _ in boxes(person, ".vip-row textarea"))

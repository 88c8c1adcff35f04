"""The list that is the chart: rows are added, removed, pasted, moved and switched, and the caret never moves."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.slow
PNEUMONIA = 1  # index of the class
PASTE = """text => {
  const clipboardData = new DataTransfer()
  clipboardData.setData("text/plain", text)
  const event = new ClipboardEvent("paste", {clipboardData, bubbles: true, cancelable: true})
  document.activeElement.dispatchEvent(event)
}"""


def test_rows_show_every_symptom_with_its_number(bench):
    person = bench()
    person.choose_example(2)
    shown = person.page.locator(".vip-row").count()
    assert shown == len(person.texts(0)) + len(person.texts(PNEUMONIA)) == len(person.scores["rows"])
    for row, value in zip(person.scores["rows"], person.values, strict=True):
        assert abs(float(value.replace("−", "-")) - row["similarity"]) < 0.006


def test_rows_enter_adds_and_backspace_removes(bench):
    person = bench()
    person.choose_example(2)
    before = person.texts(PNEUMONIA)
    person.text(1, PNEUMONIA).press("End")
    person.text(1, PNEUMONIA).press("Enter")
    expect(person.text(2, PNEUMONIA)).to_be_focused()
    person.page.keyboard.type("lobar consolidation")
    person.wait(lambda: person.scored("lobar consolidation"))
    assert person.texts(PNEUMONIA) == [*before[:2], "lobar consolidation", *before[2:]]
    person.text(2, PNEUMONIA).fill("")
    person.text(2, PNEUMONIA).press("Backspace")
    person.wait(lambda: person.texts(PNEUMONIA) == before)
    expect(person.text(1, PNEUMONIA)).to_be_focused()


def test_rows_the_last_row_of_a_class_stays(bench):
    person = bench()
    for _ in person.texts(PNEUMONIA)[1:]:
        person.row(0, PNEUMONIA).locator(".vip-remove").click()
    person.row(0, PNEUMONIA).locator(".vip-remove").click()
    assert len(person.texts(PNEUMONIA)) == 1
    expect(person.page.locator(".vip-notice")).to_contain_text("needs at least one symptom")


def test_rows_paste_of_several_lines_makes_several_rows(bench):
    person = bench()
    before = person.texts(PNEUMONIA)
    person.text(0, PNEUMONIA).focus()
    person.page.evaluate(PASTE, "- first sign\n2. second sign\r\n\nthird sign")
    assert person.texts(PNEUMONIA) == [before[0], "first sign", "second sign", "third sign", *before[1:]]


def test_rows_paste_takes_64_symptoms_and_says_what_was_left_out(bench):
    person = bench()
    person.text(0, PNEUMONIA).focus()
    person.page.evaluate(PASTE, "\n".join(f"sign {i}" for i in range(80)))
    assert len(person.texts(PNEUMONIA)) == 64
    expect(person.page.locator(".vip-notice")).to_contain_text("left out")


def test_rows_keep_the_caret_while_numbers_change(bench):
    person = bench()
    person.choose_example(2)
    box = person.text(0, PNEUMONIA)
    box.focus()
    box.evaluate("box => box.setSelectionRange(5, 5)")
    before = person.latest
    person.page.keyboard.type(" very", delay=60)
    person.wait(lambda: person.latest >= before + 5)
    person.settle()
    assert box.evaluate("box => [document.activeElement === box, box.selectionStart]") == [True, 10]


def test_rows_alt_arrows_reorder_and_keep_the_focus(bench):
    person = bench()
    before = person.texts(PNEUMONIA)
    person.text(0, PNEUMONIA).press("Alt+ArrowDown")
    assert person.texts(PNEUMONIA) == [before[1], before[0], *before[2:]]
    expect(person.text(1, PNEUMONIA)).to_be_focused()


def test_rows_drag_reorders(bench):
    person = bench()
    before = person.texts(PNEUMONIA)
    person.row(0, PNEUMONIA).locator(".vip-handle").drag_to(person.row(2, PNEUMONIA))
    assert person.texts(PNEUMONIA) == [before[1], before[2], before[0], *before[3:]]


def test_rows_a_switched_off_row_keeps_its_place_and_is_not_scored(bench):
    person = bench()
    person.choose_example(2)
    text = person.texts(PNEUMONIA)[1]
    person.row(1, PNEUMONIA).locator("input[type=checkbox]").uncheck()
    person.wait(lambda: not person.scored(text))
    assert person.texts(PNEUMONIA)[1] == text
    assert person.row(1, PNEUMONIA).locator(".vip-adds-value").inner_text() == "off"
    person.row(1, PNEUMONIA).locator("input[type=checkbox]").check()
    person.wait(lambda: person.scored(text))


def test_rows_arrows_move_between_rows(bench):
    person = bench()
    last = len(person.texts(0)) - 1
    person.text(last).focus()
    person.text(last).press("Control+End")
    person.text(last).press("ArrowDown")
    expect(person.text(0, PNEUMONIA)).to_be_focused()
    person.text(0, PNEUMONIA).press("Control+Home")
    person.text(0, PNEUMONIA).press("ArrowUp")
    expect(person.text(last)).to_be_focused()


def test_rows_undo_and_redo_go_over_everything(bench):
    person = bench()
    person.choose_example(2)
    original = person.texts(PNEUMONIA)
    person.write("lobar consolidation", 0, PNEUMONIA)
    person.row(1, PNEUMONIA).locator("input[type=checkbox]").uncheck()
    person.text(2, PNEUMONIA).press("Alt+ArrowUp")
    edited = person.texts(PNEUMONIA)
    for _ in range(3):
        person.page.click(".vip-undo")
    assert person.texts(PNEUMONIA) == original
    expect(person.row(1, PNEUMONIA).locator("input[type=checkbox]")).to_be_checked()
    for _ in range(3):
        person.page.click(".vip-redo")
    assert person.texts(PNEUMONIA) == edited


def test_rows_suggest_wordings_of_the_libraries(bench):
    person = bench()
    person.choose_example(2)
    person.page.locator(".vip-add").nth(PNEUMONIA).click()
    person.page.keyboard.type("opac")
    options = person.page.locator(".vip-suggestions [role=option]")
    expect(options.first).to_be_visible()
    assert all("opac" in text.lower() for text in options.all_inner_texts())
    person.page.keyboard.press("ArrowDown")
    person.page.keyboard.press("Enter")
    assert "opac" in person.texts(PNEUMONIA)[-1].lower() and len(person.texts(PNEUMONIA)[-1]) > 5


def test_rows_say_which_words_cannot_matter(bench):
    person = bench()
    person.choose_example(2)
    person.write("opacity in the left lower zone", 0, PNEUMONIA)
    expect(person.row(0, PNEUMONIA).locator(".vip-row-note")).to_contain_text("Left and right are not distinguished")


def test_rows_text_is_never_html(bench):
    person = bench()
    person.choose_example(2)
    evil = '<img src=x onerror="window.harmed=1"> <script>window.harmed=2</script> ${x}'
    person.write(evil, 0, PNEUMONIA)
    assert person.page.evaluate("window.harmed") is None
    assert person.errors == []


def test_rows_one_sign_everywhere(bench):
    """The column, its heading and the table give the same number, positive towards the finding."""
    person = bench()
    person.choose_example(3)
    heads = person.page.locator(".vip-adds-head").all_inner_texts()
    assert heads == ["towards pneumonia", "towards pneumonia"]
    person.page.click(".vip-numbers summary")
    table = person.page.locator(".vip-numbers table")
    names = table.locator("thead th").all_inner_texts()
    told = [
        line.locator("td").nth(names.index("Towards pneumonia")).inner_text()
        for line in table.locator("tbody tr").all()
    ]
    shown = person.page.locator(".vip-adds-value").all_inner_texts()
    assert len(told) == len(shown) == len(person.scores["rows"])
    for text, painted, row in zip(told, shown, person.scores["rows"], strict=True):
        sign = 1 if row["class"] == "pneumonia" else -1
        for number in (text, painted):
            assert float(number.replace("−", "-")) == pytest.approx(sign * row["contribution"], abs=0.006)


def test_rows_of_more_classes_say_towards_and_against_which(bench, xrays):
    person = bench()
    person.page.locator(".vip-task").select_option("knee_kellgren_lawrence")
    person.upload(xrays[0])
    towards, against = person.scores["direction"]
    assert set(person.page.locator(".vip-adds-head").all_inner_texts()) == {f"towards {towards}"}
    expect(person.page.locator(".vip-reading-note")).to_contain_text(f"towards {towards}, against {against}")
    for row, value in zip(person.scores["rows"], person.page.locator(".vip-adds-value").all_inner_texts(), strict=True):
        assert (value == "–") == (row["class"] not in (towards, against))


def test_rows_not_seen_argues_against_the_disease(bench):
    person = bench()
    person.choose_example(3)
    assert person.probability > 0.9
    for index in range(len(person.texts(PNEUMONIA))):
        person.row(index, PNEUMONIA).locator("select").select_option("absent")
    person.settle()
    assert person.probability < 0.9
    values = person.page.locator(".vip-group").nth(PNEUMONIA).locator(".vip-adds-value").all_inner_texts()
    assert all(value.startswith("−") for value in values)


def test_rows_the_auroc_of_a_line_without_labels_is_of_the_class(bench):
    person = bench()
    person.choose_example(3)
    expect(person.page.locator(".vip-auroc", has_text="of class")).to_have_count(0)
    person.write("pleural effusion on one side", 0, PNEUMONIA)
    cell = person.row(0, PNEUMONIA).locator(".vip-auroc")
    expect(cell).to_contain_text("of class")
    assert "not of this finding" in cell.get_attribute("title")


def test_rows_say_that_a_bar_detects_nothing(bench):
    person = bench()
    expect(person.page.locator(".vip-rows")).to_contain_text("it does not detect a finding")


def test_rows_a_tap_on_a_bar_selects_the_row_and_its_map_without_the_keyboard(bench):
    person = bench(width=390, height=844, has_touch=True, is_mobile=True)
    person.choose_example(3)
    person.settle()
    for index in (2, 4):
        row = person.row(index, PNEUMONIA)
        row.locator(".vip-strip").tap()
        expect(person.page.locator(".vip-map-caption")).to_contain_text(person.texts(PNEUMONIA)[index])
        expect(person.page.locator(".vip-focused")).to_have_count(1)
        assert row.evaluate("node => node.classList.contains('vip-focused')")
        assert person.page.evaluate("document.activeElement.tagName") != "TEXTAREA"
        expect(row.locator(".vip-auroc")).to_be_visible()


def test_rows_the_highlighted_one_is_that_of_the_map_while_a_new_one_is_written(bench):
    person = bench()
    person.choose_example(3)
    person.page.locator(".vip-add").nth(PNEUMONIA).click()
    person.settle()
    for text in ("", "o", "opacity"):
        if text:
            person.write(text, len(person.texts(PNEUMONIA)) - 1, PNEUMONIA)
        person.settle()
        marked = person.page.locator(".vip-focused textarea").input_value()
        assert f"“{marked}”" in person.page.inner_text(".vip-map-caption")
    assert marked == "opacity"


def test_rows_have_headings_on_a_phone(bench):
    person = bench(width=390, height=844)
    person.choose_example(3)
    for head in (".vip-axis", ".vip-adds-head", ".vip-finding-head"):
        expect(person.page.locator(head).first).to_be_visible()
    assert person.row(0).locator("select").evaluate("box => box.selectedOptions[0].text") == "by model"

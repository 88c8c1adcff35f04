"""Each page for those who see little or use no mouse: axe-core in light and dark, and the keyboard alone."""

import pytest
from playwright.sync_api import expect

from tests.browser.axe import barriers
from tests.browser.bench import PATIENCE

expect.set_options(timeout=PATIENCE)
pytestmark = pytest.mark.slow


def diagnose(person, xrays) -> None:
    """A result beside a second image, all panels open, and then a message at the answer."""
    page = person.page
    person.choose_example(3)
    page.locator(".vip-tools input[type=file]").nth(2).set_input_files(xrays[0])
    expect(page.locator(".vip-picture").nth(1)).to_be_visible()
    for panel in (".vip-changes", ".vip-versions", ".vip-numbers", ".vip-note"):
        page.click(f"{panel} summary")
    person.settle()
    assert barriers(page) == {}
    for index in range(len(person.texts(0))):
        person.row(index).locator("input[type=checkbox]").uncheck()
    expect(page.locator(".vip-answer .vip-message")).to_contain_text("No symptom")


def cohort(person, xrays) -> None:
    """The figures of the reference images."""
    person.page.get_by_role("tab", name="Cohort").click()
    person.page.click("#vip-cohort-reference")
    expect(person.page.locator("#vip-cohort-summary")).to_contain_text("These are the original lists")
    expect(person.page.locator("#vip-cohort-table .virtual-row").first).to_be_visible()
    expect(person.page.locator("#vip-cohort-details table").first).to_be_visible()


def symptoms(person, xrays) -> None:
    """A list with its findings, and the generator's form."""
    person.page.get_by_role("tab", name="Symptoms").click()
    person.page.get_by_text("Write a list with a language model").click()
    expect(person.page.locator("#vip-generate")).to_be_visible()
    expect(person.page.locator("#vip-findings tbody tr").first).to_be_visible()


def about(person, xrays) -> None:
    """All of it."""
    person.page.get_by_role("tab", name="About").click()
    expect(person.page.get_by_role("heading", name="Privacy", exact=True)).to_be_visible()


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("fill", [diagnose, cohort, symptoms, about])
def test_axe_finds_nothing_of_ours(visit, xrays, fill, theme, width, height):
    person = visit(width, height, f"?__theme={theme}")
    fill(person, xrays)
    assert barriers(person.page) == {}


def test_the_keyboard_alone_changes_page_and_task(visit):
    person = visit()
    page = person.page
    page.get_by_role("tab", name="Diagnose").focus()
    for name in ("Cohort", "Symptoms", "About"):
        tab = page.get_by_role("tab", name=name)
        for _ in range(12):
            if tab.evaluate("tab => tab === document.activeElement"):
                break
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(tab).to_have_attribute("aria-selected", "true")
        page.get_by_role("tab", name="Diagnose").focus()

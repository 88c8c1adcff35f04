"""Each page for those who see little or use no mouse: axe-core in light and dark, and the keyboard alone."""

import pytest
from playwright.sync_api import expect

from tests.browser.axe import barriers
from tests.browser.conftest import PATIENCE

expect.set_options(timeout=PATIENCE)
pytestmark = pytest.mark.slow


def diagnose(person, xrays) -> None:
    """A result with an edit, the maps of two images, the report's links, and a message at the lists."""
    page = person.page
    person.choose_example(3)
    with page.expect_file_chooser() as chooser:
        page.click("#vip-where-add")
    chooser.value.set_files(xrays[0])
    expect(page.locator("#vip-where-second .vip-where-map")).to_be_visible()
    with page.expect_download():
        page.click("#vip-report-make")
    expect(page.locator("#vip-report-links a")).to_have_count(2)
    assert barriers(page) == {}
    person.box(0).fill("")
    person.complain("list", "no symptom")


def cohort(person, xrays) -> None:
    """The figures of the reference images."""
    person.page.get_by_role("tab", name="Cohort").click()
    person.page.click("#vip-cohort-reference")
    expect(person.page.locator("#vip-cohort-summary")).to_contain_text("These are the original lists")
    expect(person.page.locator("#vip-cohort-table .virtual-row").first).to_be_visible()


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


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("fill", [diagnose, cohort, symptoms, about])
def test_axe_finds_nothing_serious_of_ours(visit, xrays, fill, theme):
    person = visit(query=f"?__theme={theme}")
    fill(person, xrays)
    assert barriers(person.page) == {}


def test_the_keyboard_alone_reaches_all_of_diagnose(visit):
    person = visit()
    person.choose_example(0)
    page = person.page
    page.locator("body").press("Tab")
    reached = set()
    for _ in range(120):
        reached.add(page.evaluate(FOCUS))
        page.keyboard.press("Tab")
    wanted = {
        "tab Diagnose",
        "radio Pneumonia",
        "vip-image",
        "vip-file",
        "vip-examples-pneumonia",
        "vip-mode",
        "vip-kind",
        "vip-box-0",
        "vip-box-1",
        "vip-reset",
        "vip-load",
        "vip-save",
        "vip-share",
        "vip-where-choice",
        "vip-where-opacity",
        "vip-where-add",
        "vip-report-note",
        "vip-report-make",
    }
    assert wanted - reached == set()


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


FOCUS = """() => {
    const here = document.activeElement
    const task = here.type === "radio" && here.closest("label")?.innerText.trim().split(" ")[0]
    if (here.getAttribute("role") === "tab") return "tab " + here.innerText.trim()
    return here.closest("[id^=vip-]:not(#vip-tabs):not(#vip-where)")?.id || (task ? "radio " + task : "")
}"""

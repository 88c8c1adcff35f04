"""The report, downloaded in a real browser and read back."""

import json
import re

import pytest
from playwright.sync_api import expect
from pypdf import PdfReader

from tests.browser.conftest import EXAMPLES, PATIENCE

expect.set_options(timeout=PATIENCE)
pytestmark = pytest.mark.slow


def make(person):
    """One click: the PDF that it downloads, and the JSON behind the other link."""
    with person.page.expect_download() as pdf:
        person.page.click("#vip-report-make")
    with person.page.expect_download() as data:
        person.page.locator("#vip-report-links a", has_text="JSON").click()
    return pdf.value, data.value


def read(person):
    """The text of the PDF, one line, and the JSON."""
    pdf, data = make(person)
    assert re.fullmatch(r"vip-report-[\d-]+\.pdf", pdf.suggested_filename)
    assert re.fullmatch(r"vip-report-[\d-]+\.json", data.suggested_filename)
    (page,) = PdfReader(pdf.path()).pages
    return " ".join(page.extract_text().split()), json.loads(data.path().read_text()), page.images


def test_one_click_gives_a_pdf_and_a_json_of_what_the_page_shows(visit, xrays, server):
    person = visit()
    person.page.set_input_files("#vip-image input[type=file]", xrays[2])
    expect(person.page.locator("#vip-where-first .vip-where-map")).to_be_visible()
    first, *rest = person.box(1).input_value().splitlines()
    person.box(1).fill("\n".join(["metal clips and wires", *rest]))
    expect(person.page.locator("#vip-table")).to_contain_text("metal clips and wires")
    person.page.locator("#vip-report-note textarea").fill("Prior film: May. 肺 <b>\nSecond line")
    files = set(server.uploads.rglob("*"))  # of other tests, for a minute
    text, data, images = read(person)
    lines = [line for index in (0, 1) for line in person.box(index).input_value().splitlines()]
    assert [row["symptom"] for row in data["symptoms"]] == lines and all(line in text for line in lines)
    assert f"+ metal clips and wires was: {first}" in text
    assert data["note"] == "Prior film: May. 肺 <b>\nSecond line" and "Second line" in text
    assert data["prediction"] in text and data["prediction"] in person.page.inner_text("#vip-result")
    assert len(images) == 1 and xrays[2].stem not in text + json.dumps(data)
    made = set(server.uploads.rglob("*")) - files
    assert not [path for path in made if path.suffix in (".pdf", ".json")]


def test_an_edit_takes_the_links_away(visit, xrays):
    person = visit()
    person.page.set_input_files("#vip-image input[type=file]", xrays[0])
    expect(person.page.locator("#vip-where-first .vip-where-map")).to_be_visible()
    make(person)
    expect(person.page.locator("#vip-report-links a")).to_have_count(2)
    person.box(0).fill("clear lungs")
    expect(person.page.locator("#vip-report-links a")).to_have_count(0)


def test_without_an_image_there_is_a_sentence(visit):
    person = visit()
    person.page.click("#vip-report-make")
    expect(person.page.locator("#vip-report-links")).to_contain_text("There is no image; choose one")


def test_an_image_of_another_kind_gets_the_warning_in_the_report(visit):
    person = visit()
    person.page.set_input_files("#vip-image input[type=file]", next((EXAMPLES / "melanoma").glob("*.jpg")))
    expect(person.page.locator("#vip-result")).to_contain_text("unlike anything")
    expect(person.page.locator("#vip-where-first .vip-where-map")).to_be_visible()
    text, data, _ = read(person)
    assert "unlike anything the model knows" in text and "%" not in text and not data["domain"]["in_domain"]

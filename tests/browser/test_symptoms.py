"""What people do on the Symptoms page, in a real browser."""

import json

import pytest
from playwright.sync_api import expect

from tests.browser.axe import barriers
from tests.llm_server import Answer, llm_server
from vip_core.symptoms import SymptomSet

pytestmark = pytest.mark.slow
KEY = "sk-NobodyMaySeeThisKey-1961"
EVIL = '<img src=x onerror="window.harmed=1"> <script>window.harmed=2</script>'


@pytest.fixture
def symptoms(visit):
    """A function that opens the page and goes to the Symptoms tab."""

    def arrive(width: int = 1440, height: int = 1000, query: str = ""):
        person = visit(width, height, query)
        person.page.get_by_role("tab", name="Symptoms").click()
        person.page.wait_for_selector("#vip-library-text textarea")
        return person

    return arrive


def text(person):
    return person.page.locator("#vip-library-text textarea")


def library(person, words: str) -> None:
    person.page.locator("#vip-libraries label", has_text=words).click()
    expect(person.page.locator("#vip-symptoms-note")).to_contain_text("classes")


def scored(person, task: str, *lines: str) -> None:
    assert person.page.input_value(".vip-task") == task
    person.choose_example(0)
    for line in lines:
        person.wait(lambda line=line: person.scored(line))


def test_a_library_is_shown_with_its_sources_and_what_the_reference_images_say(symptoms):
    person = symptoms()
    assert text(person).input_value().startswith("[normal lung]\n")
    assert person.page.locator("#vip-findings tbody tr").count() == 11
    expect(person.page.locator("#vip-sources")).to_contain_text("Kermany")
    library(person, "tuberculosis")
    expect(person.page.locator("#vip-modality textarea, #vip-modality input").first).to_have_value("chest X-ray")
    expect(person.page.locator("#vip-symptoms-note")).to_contain_text("2 classes")
    expect(person.page.locator("#vip-findings tbody tr")).to_have_count(0)  # no task has these classes
    library(person, "melanoma, nevus")
    expect(person.page.locator("#vip-findings tbody tr").first).to_contain_text("melanoma")


def test_an_edit_is_checked_while_one_types(symptoms):
    person = symptoms()
    note = person.page.locator("#vip-symptoms-note")
    text(person).fill(f"[normal lung]\nclear lungs\n# not this one\n\n[pneumonia]\n{EVIL}")
    expect(note).to_contain_text("2 classes, 2 symptoms")
    expect(person.page.locator("#vip-findings tbody tr")).to_have_count(2)
    expect(person.page.locator("#vip-findings")).to_contain_text(EVIL)
    text(person).fill("clear lungs")
    expect(note).to_contain_text("does not begin with a class")
    text(person).fill("[pneumonia]\n[normal lung]\nx")
    expect(note).to_contain_text("“pneumonia” has no symptom")
    assert person.page.evaluate("window.harmed") is None


def test_the_download_is_a_symptom_file_with_its_source(symptoms, tmp_path):
    person = symptoms()
    library(person, "melanoma, nevus")
    expect(person.page.locator("#vip-findings tbody tr").first).to_contain_text("melanoma")

    def download() -> dict:
        with person.page.expect_download() as waiting:
            person.page.click("#vip-download")
        assert waiting.value.suggested_filename == "dermoscopy image-symptoms.json"
        waiting.value.save_as(tmp_path / "symptoms.json")
        assert SymptomSet.load(tmp_path / "symptoms.json")
        return json.loads((tmp_path / "symptoms.json").read_text(encoding="utf-8"))

    before = download()
    assert list(before["classes"]) == ["melanoma", "nevus"] and "edited" not in before["source"]
    text(person).fill("[melanoma]\nblue-white veil ü\n[nevus]\neven brown network")
    expect(person.page.locator("#vip-symptoms-note")).to_contain_text("2 symptoms")
    after = download()
    assert after["classes"] == {"melanoma": ["blue-white veil ü"], "nevus": ["even brown network"]}
    assert after["modality"] == before["modality"] and after["source"].keys() == {*before["source"], "edited"}


def test_a_list_goes_to_diagnose_and_changes_the_task(symptoms):
    person = symptoms()
    text(person).fill("[pneumonia]\ndense white opacity\n[normal lung]\nclear lungs")
    person.page.click("#vip-use")
    person.wait(lambda: person.texts(0) == ["clear lungs"])  # in the order of the task's own classes
    assert person.texts(1) == ["dense white opacity"]
    scored(person, "pneumonia", "clear lungs", "dense white opacity")

    person.page.get_by_role("tab", name="Symptoms").click()
    library(person, "melanoma, nevus")
    expect(person.page.locator("#vip-findings tbody tr").first).to_contain_text("melanoma")
    text(person).fill("[nevus]\neven brown network\n[melanoma]\nblue-white veil")
    person.page.click("#vip-use")
    person.wait(lambda: person.texts(0) == ["blue-white veil"])
    assert person.texts(1) == ["even brown network"]
    person.page.wait_for_timeout(1000)  # nothing comes later that would take them away
    assert person.texts(0) == ["blue-white veil"]
    scored(person, "melanoma", "blue-white veil", "even brown network")


def test_use_a_library_without_a_model_opens_it_zero_shot(symptoms):
    person = symptoms()
    library(person, "normal, glaucoma")
    expect(person.page.locator("#vip-symptoms-note")).to_contain_text("12 symptoms")
    person.page.click("#vip-use")
    person.wait(lambda: person.page.input_value(".vip-task") == "glaucoma")
    assert person.page.input_value(".vip-mode") == "symptoms"
    assert "No model was trained" in person.page.inner_text(".vip-scope")
    expect(person.page.locator("#vip-use-note")).to_contain_text("python -m vip_core.train")


def test_use_a_list_of_unknown_classes_says_what_to_do(symptoms):
    person = symptoms()
    text(person).fill("[cat]\nwhiskers\n[dog]\nwagging tail")
    expect(person.page.locator("#vip-symptoms-note")).to_contain_text("2 classes")
    person.page.click("#vip-use")
    expect(person.page.locator("#vip-use-note")).to_contain_text("python -m vip_core.train")
    assert person.page.locator("#vip-library-text").is_visible()


@pytest.fixture
def llm():
    with llm_server() as server:
        yield server


def fill_form(person, llm) -> None:
    page = person.page
    page.get_by_text("Write a list with a language model").click()
    page.locator("#vip-gen-number input").fill("2")
    page.locator("#vip-gen-model").get_by_role("textbox").fill("model-x")
    page.locator("#vip-gen-url").get_by_role("textbox").fill(llm.url)
    page.locator("#vip-gen-key input").fill(KEY)


def test_without_a_server_the_page_says_how_to_set_one_up(symptoms):
    person = symptoms()
    person.page.get_by_text("Write a list with a language model").click()
    status = person.page.locator("#vip-generator-status")
    expect(status).to_contain_text("export OPENAI_BASE_URL=")
    expect(status).to_contain_text("python app.py --visitors-may-generate")
    person.page.click("#vip-generate")
    expect(person.page.locator("#vip-generator-note")).to_contain_text("VIP_LLM_MODEL")


def test_a_list_is_written_grounded_edited_and_used(symptoms, llm, server):
    lines = {"normal lung": ["clear dark lungs"], "pneumonia": ["dense white opacity", EVIL, "caused by bacteria"]}
    llm.says(lines)
    person = symptoms()
    fill_form(person, llm)
    person.page.click("#vip-generate")
    expect(person.page.locator("#vip-generator-note")).to_contain_text("Written")
    assert person.page.locator("#vip-gen-key input").input_value() == ""
    assert "[pneumonia]\ndense white opacity" in text(person).input_value()
    expect(person.page.locator("#vip-findings")).to_contain_text("dense white opacity")  # what the reference images say
    expect(person.page.locator("#vip-dropped tbody tr").first).to_be_visible()
    expect(person.page.locator("#vip-sources")).to_contain_text("model-x")
    assert person.page.evaluate("window.harmed") is None
    assert KEY not in person.page.content() + server.log.read_text()
    text(person).fill("[normal lung]\nclear dark lungs\n[pneumonia]\nwhite opacity, edited")
    person.page.click("#vip-use")
    person.wait(lambda: person.texts(1) == ["white opacity, edited"])


def test_a_call_can_be_cancelled(symptoms, llm):
    llm.says(Answer("{}", hang=60))
    person = symptoms()
    before = text(person).input_value()
    fill_form(person, llm)
    person.page.click("#vip-generate")
    person.wait(lambda: llm.requests)
    person.page.click("#vip-cancel")
    expect(person.page.locator("#vip-generator-note")).to_contain_text("Cancelled", timeout=5000)
    assert text(person).input_value() == before


@pytest.mark.parametrize("query", ["?__theme=light", "?__theme=dark"])
def test_it_fits_a_phone(symptoms, query):
    person = symptoms(390, 844, query)
    person.page.get_by_text("Write a list with a language model").click()
    person.page.wait_for_selector("#vip-generate")
    wide = person.page.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth]")
    assert max(wide) <= 390


@pytest.mark.parametrize("query", ["?__theme=light", "?__theme=dark"])
def test_no_barrier_is_ours(symptoms, query):
    """axe-core finds no serious or critical violation."""
    person = symptoms(query=query)
    person.page.get_by_text("Write a list with a language model").click()
    person.page.wait_for_selector("#vip-generate")
    assert barriers(person.page) == {}

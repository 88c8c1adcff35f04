"""Work is kept: in the browser, in versions, files and links; and it is forgotten when a person asks for that."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.slow
PNEUMONIA = 1


def test_memory_lists_survive_a_reload_and_forget_clears_them(bench):
    person = bench()
    original = person.texts(PNEUMONIA)
    person.text(0, PNEUMONIA).fill("lobar consolidation")
    person.open()
    assert person.texts(PNEUMONIA)[0] == "lobar consolidation"
    person.page.click(".vip-forget")
    assert person.texts(PNEUMONIA) == original
    assert person.page.evaluate("Object.keys(localStorage).filter(key => key.startsWith('vip:'))") == []
    person.open()
    assert person.texts(PNEUMONIA) == original


def test_memory_holds_no_image(bench):
    person = bench()
    person.choose_example(0)
    person.write("lobar consolidation", 0, PNEUMONIA)
    kept = person.page.evaluate("JSON.stringify({...localStorage})")
    assert "data:image" not in kept and "base64" not in kept


def test_memory_each_task_keeps_its_lists(bench):
    person = bench()
    person.text(0, PNEUMONIA).fill("lobar consolidation")
    person.page.select_option(".vip-task", "melanoma")
    assert "lobar consolidation" not in person.texts(0) + person.texts(1)
    person.page.select_option(".vip-task", "pneumonia")
    assert person.texts(PNEUMONIA)[0] == "lobar consolidation"


def test_memory_versions_stand_side_by_side(bench):
    person = bench()
    person.choose_example(3)
    person.page.click(".vip-versions summary")
    person.page.fill(".vip-versions input", "mine")
    person.write("clear lungs without any shadow", 0, PNEUMONIA)
    person.page.get_by_role("button", name="Keep this version").click()
    person.page.click(".vip-reset")
    person.settle()
    line = person.page.locator(".vip-versions tr", has_text="mine")
    expect(line).to_contain_text("pneumonia")
    person.page.get_by_role("button", name="Use mine").click()
    assert person.texts(PNEUMONIA)[0] == "clear lungs without any shadow"


def test_memory_files_are_saved_and_loaded_with_what_is_switched_off(bench, tmp_path):
    person = bench()
    person.text(0, PNEUMONIA).fill("lobar consolidation")
    person.row(1, PNEUMONIA).locator("input[type=checkbox]").uncheck()
    off = person.texts(PNEUMONIA)[1]
    with person.page.expect_download() as download:
        person.page.click(".vip-save")
    assert download.value.suggested_filename == "pneumonia-symptoms.json"
    saved = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    assert saved["classes"]["pneumonia"][0] == "lobar consolidation" and off not in saved["classes"]["pneumonia"]
    assert saved["source"]["switched_off"] == {"pneumonia": [off]}
    path = tmp_path / "lists.json"
    path.write_text(json.dumps(saved), encoding="utf-8")
    person.page.click(".vip-reset")
    person.page.locator(".vip-actions input[type=file]").set_input_files(path)
    person.wait(lambda: person.texts(PNEUMONIA)[0] == "lobar consolidation")
    assert person.texts(PNEUMONIA)[-1] == off


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("no JSON", "is not JSON"),
        ('{"cat": ["whiskers"], "dog": ["tail"]}', "this task has normal lung, pneumonia"),
        ('{"normal lung": "clear", "pneumonia": ["white"]}', "list of texts for each class"),
    ],
)
def test_memory_a_wrong_file_is_one_sentence(bench, tmp_path, content, words):
    person = bench()
    before = person.texts(PNEUMONIA)
    path = tmp_path / "lists.json"
    path.write_text(content, encoding="utf-8")
    person.page.locator(".vip-actions input[type=file]").set_input_files(path)
    person.wait(lambda: words in person.status)
    assert person.texts(PNEUMONIA) == before


def test_memory_a_link_opens_the_same_lists_for_a_colleague(bench):
    person = bench()
    person.text(0, PNEUMONIA).fill("lobar consolidation & “haze”")
    person.row(1, PNEUMONIA).locator("input[type=checkbox]").uncheck()
    person.page.click(".vip-share")
    address = person.page.locator(".vip-link").get_attribute("href")
    colleague = bench(query="?" + address.split("?", 1)[1])
    assert colleague.texts(PNEUMONIA) == person.texts(PNEUMONIA)
    expect(colleague.row(1, PNEUMONIA).locator("input[type=checkbox]")).not_to_be_checked()


def test_memory_a_link_of_another_task_is_one_sentence(bench):
    person = bench(query="?task=nothing")
    person.wait(lambda: "not available here" in person.status)


def test_memory_a_report_is_made_of_what_the_page_shows(bench):
    person = bench()
    person.choose_example(3)
    person.write("lobar consolidation", 0, PNEUMONIA)
    person.page.click(".vip-note summary")
    person.page.fill(".vip-note textarea", "Second opinion asked for.")
    with person.page.expect_download() as download:
        person.page.click(".vip-report")
    assert download.value.suggested_filename.startswith("vip-report-")


def test_memory_two_visitors_do_not_disturb_each_other(bench):
    first, second = bench(), bench()
    first.choose_example(0)
    second.choose_example(3)
    before = first.probability
    second.write("clear lungs without any shadow", 0, PNEUMONIA)
    first.write("lobar consolidation", 0, PNEUMONIA)
    assert not first.scored("clear lungs without any shadow") and not second.scored("lobar consolidation")
    first.page.click(".vip-reset")
    first.settle()
    assert first.probability == pytest.approx(before, abs=1e-4)


def test_memory_an_added_class_survives_a_reload_until_it_is_forgotten(bench):
    person = bench()
    page = person.page
    page.click(".vip-add-class")
    page.get_by_label("Name of the new class").fill("tuberculosis")
    page.get_by_role("button", name="Add", exact=True).click()
    person.text(0, 2).fill("a cavity in an upper lobe")
    label = page.locator(".vip-task option:checked").inner_text()
    person.open()
    page.locator(".vip-task").select_option(label=label)
    assert person.texts(2) == ["a cavity in an upper lobe"]
    person.choose_example(3)
    assert person.scored("a cavity in an upper lobe")
    page.locator(".vip-memory button").click()
    person.open()
    assert label not in page.locator(".vip-task option").all_inner_texts()

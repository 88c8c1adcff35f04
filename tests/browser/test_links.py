"""What joins the pages, in a real browser: addresses, one set of lists, a row of the Cohort opened in Diagnose."""

import re
import zipfile

import pytest
from playwright.sync_api import expect

from tests.browser.bench import PATIENCE
from vip_core.models.card import read_card
from vip_core.utils.paths import PROJECT

expect.set_options(timeout=PATIENCE)
pytestmark = pytest.mark.slow
PNEUMONIA = 1


def tab(person, name):
    return person.page.get_by_role("tab", name=name)


def use_reference(person):
    tab(person, "Cohort").click()
    person.page.click("#vip-cohort-reference")
    bank = sum(read_card(PROJECT / "checkpoints" / "pneumonia").data["reference"]["images"].values())
    expect(person.page.locator("#vip-cohort-count")).to_contain_text(f"{bank} of {bank}")


def choose_row(person, index):
    row = person.page.locator("#vip-cohort-table .virtual-row").nth(index)
    row.locator("[role=gridcell]").first.click()
    expect(person.page.locator("#vip-cohort-open")).to_be_enabled()


def test_pages_have_addresses_that_survive_reload_and_back(bench):
    person = bench()
    page = person.page
    for name in ("Cohort", "Symptoms"):
        tab(person, name).click()
        page.wait_for_url(f"**/#{name.lower()}")
    page.go_back()
    expect(tab(person, "Cohort")).to_have_attribute("aria-selected", "true")
    page.reload()
    expect(tab(person, "Cohort")).to_have_attribute("aria-selected", "true")
    page.goto(f"{person.home}?task=melanoma#about")
    expect(tab(person, "About")).to_have_attribute("aria-selected", "true")
    tab(person, "Diagnose").click()
    assert page.locator(".vip-task").input_value() == "melanoma" and page.url.endswith("?task=melanoma#diagnose")


def test_cohort_and_diagnose_share_the_lists(bench):
    person = bench()
    person.text(0, PNEUMONIA).fill("dense opacity")
    person.row(1, PNEUMONIA).locator("input[type=checkbox]").uncheck()
    first, second, *others = person.texts(PNEUMONIA)
    tab(person, "Cohort").click()
    box = person.page.locator("#vip-cohort-box-1 textarea")
    expect(box).to_have_value("\n".join([first, f"# {second}", *others]))
    box.fill("one\n# two")
    tab(person, "Diagnose").click()
    assert (first, person.texts(PNEUMONIA)) == ("dense opacity", ["one", "two"])
    expect(person.row(1, PNEUMONIA).locator("input[type=checkbox]")).not_to_be_checked()
    tab(person, "Cohort").click()
    person.page.click("#vip-cohort-reset")
    tab(person, "Diagnose").click()
    assert len(person.texts(PNEUMONIA)) == 6


def test_a_row_of_the_reference_images_opens_by_its_features(bench):
    person = bench()
    use_reference(person)
    choose_row(person, 0)
    with_class = person.page.locator("#vip-cohort-table .virtual-row").first.inner_text()
    person.page.click("#vip-cohort-open")
    person.wait(lambda: person.values and all(person.values))
    assert "No picture" in person.page.inner_text(".vip-stage") and "normal lung" in with_class
    assert person.headline.endswith("at ½: normal lung")


@pytest.mark.parametrize("packed", [False, True])
def test_a_row_of_an_upload_opens_with_its_picture(bench, xrays, tmp_path, packed):
    person = bench()
    tab(person, "Cohort").click()
    files = xrays[:3]
    if packed:
        with zipfile.ZipFile(tmp_path / "films.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for path in files:
                archive.write(path, f"films/{path.name}")
        files = [tmp_path / "films.zip"]
    person.page.set_input_files("#vip-cohort-files input[type=file]", files)
    expect(person.page.locator("#vip-cohort-count")).to_contain_text("3 of 3")
    choose_row(person, 1)
    assert xrays[1].name in person.page.inner_text("#vip-cohort-open")
    with person.new_result():
        person.page.click("#vip-cohort-open")
    opened = (person.picture, person.probability)
    person.page.locator(".vip-clear").click()
    person.wait(lambda: not person.picture)
    person.upload(xrays[1])
    assert (person.picture, person.probability) == opened


def test_labels_0_and_1_are_asked_for_once(bench, xrays, tmp_path):
    person = bench()
    page = person.page
    tab(person, "Cohort").click()
    names = [path.name for path in xrays]
    (tmp_path / "a.csv").write_text("image,label\n" + "".join(f"{name},{i % 2}\n" for i, name in enumerate(names)))
    page.set_input_files("#vip-cohort-files input[type=file]", xrays)
    expect(page.locator("#vip-cohort-count")).to_contain_text(f"{len(names)} of {len(names)}")
    page.set_input_files("#vip-cohort-labels input[type=file]", tmp_path / "a.csv")
    expect(page.locator("#vip-cohort-summary")).to_contain_text("say below what they mean")
    for c, label in enumerate(("0", "1")):
        page.locator(f"#vip-cohort-meaning-{c} input").click()
        page.get_by_role("option", name=label, exact=True).click()
        page.keyboard.press("Escape")
        expect(page.get_by_role("option")).to_have_count(0)
    expect(page.locator("#vip-cohort-summary")).to_contain_text(
        f"n = {len(names)} labelled images (3 normal lung, 3 pneumonia)"
    )
    page.locator("#vip-cohort-labels").get_by_label("Clear").click()
    expect(page.locator("#vip-cohort-summary")).to_contain_text("No image has a label")
    page.set_input_files("#vip-cohort-labels input[type=file]", tmp_path / "a.csv")
    expect(page.locator("#vip-cohort-summary")).to_contain_text(f"n = {len(names)} labelled images")


def test_threshold_slider_moves_sensitivity_and_specificity(bench):
    person = bench()
    use_reference(person)
    tiles = person.page.locator(".vip-figures")
    before = tiles.inner_text()
    person.page.locator("#vip-cohort-threshold input[type=number]").fill("0.95")
    person.page.keyboard.press("Tab")
    expect(person.page.locator("#vip-cohort-summary")).to_contain_text("at a probability of 0.95 or more")
    after = tiles.inner_text()
    assert before != after and before.split("AUROC")[1] == after.split("AUROC")[1]


def test_versions_stand_side_by_side_on_the_cohort(bench):
    person = bench()
    person.page.click(".vip-versions summary")
    person.page.fill(".vip-versions input", "as trained")
    person.page.get_by_role("button", name="Keep this version").click()
    use_reference(person)
    details = person.page.locator("#vip-cohort-details")
    expect(details).to_contain_text("Versions on these images")
    auroc = re.search(r"AUROC\s+(0\.\d+|1\.000)", person.page.inner_text(".vip-figures"))[1]
    expect(details.locator("tr", has_text="as trained")).to_contain_text(auroc)


def test_answer_refers_to_a_person_or_says_that_it_is_stable(bench):
    person = bench()
    person.choose_example(3)
    card = read_card(PROJECT / "checkpoints" / "pneumonia").figures["val"]["referral"]
    share = f"{100 * card['coverage']['value']:.0f} %"
    expect(person.page.locator(".vip-meaning")).to_contain_text(f"as it is for {share} of validation images")
    person.text(0).fill("clear lungs")
    expect(person.page.locator(".vip-meaning")).not_to_contain_text(f"as it is for {share} of validation images")


def test_answer_shows_the_steps_until_somebody_has_seen_a_result(bench):
    person = bench()
    expect(person.page.locator(".vip-step")).to_have_count(3)
    person.choose_example(0)
    person.page.reload()
    expect(person.page.locator(".vip-meaning")).to_contain_text("Drop, paste or choose an image")
    expect(person.page.locator(".vip-step")).to_have_count(0)


def test_added_class_is_scored_and_marked_untrained(bench):
    person = bench()
    person.choose_example(3)
    person.page.click(".vip-add-class")
    person.page.fill("dialog[open] input", "tuberculosis")
    person.page.get_by_role("button", name="Add", exact=True).click()
    person.wait(lambda: len((person.scores or {}).get("probabilities", [])) == 3)
    assert person.texts(2) == ["tuberculosis"]
    expect(person.page.locator(".vip-scope")).to_contain_text("No model was trained for these classes")
    expect(person.page.locator(".vip-meaning")).to_contain_text("not calibrated")
    person.page.select_option(".vip-task", "pneumonia")
    assert person.page.locator(".vip-mode").input_value() == "vip"


def test_suggestions_have_the_auroc_of_the_class(bench):
    person = bench()
    person.page.locator(".vip-add").nth(PNEUMONIA).click()
    person.page.keyboard.type("opacit")
    expect(person.page.locator(".vip-suggestions small").first).to_contain_text("AUROC")

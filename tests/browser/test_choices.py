"""The image chosen last is the one that counts, however slow an earlier choice is to arrive or to read."""

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A JPEG of many megapixels, which takes seconds to read and, on a slow network, to arrive."""
    path = tmp_path_factory.mktemp("large") / "large.jpeg"
    noise = np.random.default_rng(0).integers(0, 255, (600, 600), np.uint8)
    Image.fromarray(noise).resize((7000, 7000)).save(path, quality=90)
    assert path.stat().st_size > 3_000_000
    return path


def shows_the_example(person, example) -> None:
    """Wait until all reads are over; the picture and the result are still those of the example."""
    assert person.picture == example[0] and person.result == example[1]
    assert person.agrees()


def of_example(person) -> tuple[str, str]:
    """Picture and result of the first example alone."""
    person.choose_example(0)
    return person.picture, person.result


def test_an_example_chosen_while_an_upload_is_read_stays(visit, large):
    person = visit()
    example = of_example(person)
    person.remove_image()
    seen = []
    person.page.on("response", lambda response: seen.append(response.url))
    person.page.set_input_files("#vip-image input[type=file]", large)
    person.page.wait_for_selector("#vip-result :text('Reading the image')")
    person.choose_example(0)
    person.page.wait_for_timeout(8_000)
    shows_the_example(person, example)


def test_clear_while_an_upload_is_read_shows_no_failure(visit, large):
    person = visit()
    page = person.page
    page.set_input_files("#vip-image input[type=file]", large)
    page.wait_for_selector("#vip-result :text('Reading the image')")
    page.evaluate(
        """() => { window.seen = new Set();
        new MutationObserver(() => window.seen.add(document.querySelector('#vip-result').innerText))
            .observe(document.querySelector('#vip-result'), {subtree: true, childList: true, characterData: true}); }"""
    )
    page.get_by_label("Remove Image").click()
    expect(page.locator("#vip-result")).to_contain_text("Choose an image", timeout=20_000)
    page.wait_for_timeout(6_000)
    assert not [text for text in page.evaluate("[...window.seen]") if "could not be read" in text]
    assert person.picture == "" and "Choose an image" in person.result


def test_of_two_examples_clicked_in_a_row_the_second_counts(visit):
    person = visit()
    example = of_example(person)
    person.remove_image()
    buttons = person.page.locator("#vip-examples-pneumonia button")
    buttons.nth(1).click()
    buttons.nth(0).click()
    person.wait(lambda: person.picture == example[0] and person.result == example[1])
    person.page.wait_for_timeout(2_000)
    shows_the_example(person, example)

"""The image viewer: every way in, zoom and window, the map, a second image, and what a DICOM header warns of."""

import base64

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from demo.state.numbers import per_cent
from vip_core.utils.paths import PROJECT

pytestmark = pytest.mark.slow

DROP = """([name, type, data, where]) => {
  const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0))
  const transfer = new DataTransfer()
  transfer.items.add(new File([bytes], name, {type}))
  const target = document.querySelector(where)
  for (const event of ["dragover", "drop"])
    target.dispatchEvent(new DragEvent(event, {dataTransfer: transfer, bubbles: true, cancelable: true}))
}"""
PASTE = """([name, type, data]) => {
  const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0))
  const transfer = new DataTransfer()
  transfer.items.add(new File([bytes], name, {type}))
  document.body.dispatchEvent(new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true, cancelable: true}))
}"""


def payload(path):
    return [path.name, "image/jpeg", base64.b64encode(path.read_bytes()).decode()]


def write_dicom(path, pixels, **header):
    """A grey DICOM file of 12 stored bits."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    data.Rows, data.Columns = pixels.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    data.PixelData = pixels.astype("<u2").tobytes()
    for key, value in header.items():
        setattr(data, key, value)
    data.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def film(tmp_path, xrays):
    """An example as a 12-bit chest film of a child."""

    def make(**header):
        pixels = np.asarray(Image.open(xrays[3]).convert("L")).astype(np.uint16) * 16
        given = {"Modality": "DX", "BodyPartExamined": "CHEST", "ViewPosition": "AP", "PatientAge": "004Y"}
        window = {"WindowCenter": [2048, 1200], "WindowWidth": [4096, 900], "PatientName": "Secret^Person"}
        return write_dicom(tmp_path / "film.dcm", pixels, **{**given, **window, **header})

    return make


def test_viewer_takes_a_drop_anywhere_and_on_the_picture_twenty_times(bench, xrays):
    person = bench()
    for turn in range(20):
        path = xrays[turn % 2]
        where = ".vip-stage" if turn % 2 else ".vip-rows"
        with person.new_result():
            person.page.evaluate(DROP, [*payload(path), where])
        person.settle()
    assert person.errors == []


def test_viewer_takes_a_paste(bench, xrays):
    person = bench()
    with person.new_result():
        person.page.evaluate(PASTE, payload(xrays[0]))


def test_viewer_offers_the_camera_on_phones(bench):
    person = bench(width=390, height=844)
    assert person.page.locator("input[capture=environment]").get_attribute("accept") == "image/*"


def test_viewer_zooms_pans_and_fits(bench):
    person = bench()
    person.choose_example(0)
    moved = person.page.locator(".vip-moved").first
    person.page.locator(".vip-stage").hover()
    person.page.mouse.wheel(0, -300)
    assert "scale(1)" not in (moved.get_attribute("style") or "")
    before = moved.get_attribute("style")
    box = person.page.locator(".vip-stage").bounding_box()
    person.page.mouse.move(box["x"] + 150, box["y"] + 150)
    person.page.mouse.down()
    person.page.mouse.move(box["x"] + 180, box["y"] + 160, steps=4)
    person.page.mouse.up()
    assert moved.get_attribute("style") != before
    person.page.locator(".vip-stage").dblclick()
    assert "scale(1)" in moved.get_attribute("style")


def test_viewer_map_follows_the_focused_row(bench):
    person = bench()
    person.choose_example(3)
    source = person.page.locator(".vip-map").first.get_attribute("src")
    assert source.startswith("data:image/png")
    caption = person.page.locator(".vip-map-caption")
    shown = caption.inner_text()
    row = next(row for row, line in enumerate(person.texts(0)) if line not in shown)
    person.text(row).focus()
    person.wait(lambda: person.page.locator(".vip-map").first.get_attribute("src") != source)
    expect(caption).to_contain_text(person.texts(0)[row])


def test_viewer_window_changes_what_is_seen_and_never_the_prediction(bench, film):
    person = bench()
    person.upload(film())
    probability, shown = person.probability, person.picture
    person.page.locator(".vip-window input").nth(1).fill("500")
    person.wait(lambda: person.picture != shown)
    presets = person.page.locator(".vip-window select option").all_inner_texts()
    assert presets == ["WINDOW 1", "WINDOW 2", "full range"] or presets[-1] == "full range"
    person.page.click(".vip-invert")
    assert person.page.locator(".vip-stage.vip-inverted").count() == 1
    person.settle()
    assert person.probability == probability


def test_viewer_shows_dicom_facts_and_no_name(bench, film):
    person = bench()
    person.upload(film())
    assert person.page.inner_text(".vip-facts") == "DX, chest, AP, 4 y"
    assert "Secret" not in person.page.content() and "No result" not in person.headline


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"Modality": "CT"}, "is a CT image"),
        ({"BodyPartExamined": "HAND"}, "shows the body part “hand”"),
        ({"ViewPosition": "LL"}, "is a left lateral view"),
        ({"PatientAge": "054Y"}, "is of a patient aged 54 years"),
    ],
)
def test_viewer_says_what_the_model_was_not_made_for(bench, film, header, words):
    person = bench()
    person.upload(film(**header))
    assert "No result" in person.headline and words in person.page.inner_text(".vip-meaning")


def test_viewer_compares_two_images(bench, xrays):
    person = bench()
    person.choose_example(3)
    first = person.probability
    person.page.locator(".vip-tools input[type=file]").nth(2).set_input_files(xrays[0])
    expect(person.page.locator(".vip-picture").nth(1)).to_be_visible()
    assert person.page.locator(".vip-stage.vip-beside").count() == 1
    person.page.get_by_role("button", name="Swipe").click()
    expect(person.page.locator(".vip-swipe")).to_be_visible()
    person.page.click(".vip-numbers summary")
    person.wait(lambda: "Second image" in person.page.inner_text(".vip-numbers table"))
    person.page.click(".vip-remove-second")
    person.wait(lambda: "Second image" not in person.page.inner_text(".vip-numbers table"))
    assert person.probability == first


def test_viewer_each_of_two_images_has_its_own_answer(bench, xrays):
    person = bench()
    person.upload(xrays[0])
    alone = person.probability
    person.upload(xrays[3])
    person.page.locator(".vip-tools input[type=file]").nth(2).set_input_files(xrays[0])
    answers = person.page.locator(".vip-pane-answer")
    expect(answers.nth(1)).to_contain_text("pneumonia")
    assert person.scores["second"]["probabilities"][1] == pytest.approx(alone, abs=1e-4)
    shown = [person.probability, alone]
    for text, value in zip(answers.all_inner_texts(), shown, strict=True):
        assert text == f"pneumonia {per_cent(value)}"
    expect(person.page.locator(".vip-pane-check")).to_have_text(["Resembles the reference images"] * 2)
    person.page.click(".vip-remove-second")
    expect(person.page.locator(".vip-panes-words")).to_be_hidden()


def test_viewer_says_that_a_second_image_is_out_of_distribution_and_gives_no_number(bench, xrays):
    person = bench()
    person.upload(xrays[3])
    stranger = next((PROJECT / "assets" / "examples" / "melanoma").glob("*.jpg"))
    person.page.locator(".vip-tools input[type=file]").nth(2).set_input_files(stranger)
    expect(person.page.locator(".vip-pane-answer").nth(1)).to_have_text("No result")
    expect(person.page.locator(".vip-pane-check").nth(1)).to_contain_text("Out of distribution")
    expect(person.page.locator(".vip-pane-answer").first).to_contain_text("pneumonia")
    assert person.scores["second"]["probabilities"] is None
    person.page.click(".vip-numbers summary")
    assert "Second image" not in person.page.inner_text(".vip-numbers table")


def test_viewer_two_images_have_the_width_of_a_phone(bench, xrays):
    person = bench(width=390, height=844)
    person.upload(xrays[3])
    person.page.locator(".vip-tools input[type=file]").nth(2).set_input_files(xrays[0])
    expect(person.page.locator(".vip-pane-answer").nth(1)).to_contain_text("pneumonia")
    for pane in person.page.locator(".vip-pane").all():
        assert pane.bounding_box()["width"] >= 165
    words = person.page.locator(".vip-panes-words").bounding_box()
    assert all(
        box.bounding_box()["y"] + box.bounding_box()["height"] <= words["y"] + 1
        for box in person.page.locator(".vip-pane").all()
    )


def test_viewer_the_map_has_a_key_and_no_colour_of_a_class(bench):
    person = bench()
    person.choose_example(3)
    expect(person.page.locator(".vip-map-key")).to_contain_text("less")
    expect(person.page.locator(".vip-map-key")).to_contain_text("more similar")
    expect(person.page.locator(".vip-map-caption")).to_contain_text("Where the image resembles “")
    hues = person.page.evaluate(
        """async () => {
            const map = new Image()
            map.src = document.querySelector(".vip-map").src
            await map.decode()
            const canvas = document.createElement("canvas")
            canvas.width = map.width; canvas.height = map.height
            const context = canvas.getContext("2d")
            context.drawImage(map, 0, 0)
            const data = context.getImageData(0, 0, map.width, map.height).data, found = new Set()
            for (let i = 0; i < data.length; i += 4)
              if (data[i + 3] > 60) {
                const [r, g, b] = data.slice(i, i + 3)
                found.add(b < g && g > 0.7 * r ? "yellow" : g < r && g < b ? "purple" : [r, g, b].join())
              }
            return [...found]
        }"""
    )
    assert hues and set(hues) <= {"yellow", "purple"}


def test_viewer_an_image_in_colour_keeps_its_colours(bench):
    person = bench()
    person.page.locator(".vip-task").select_option("melanoma")
    person.choose_example(0)
    box = person.page.locator(".vip-tools input[type=checkbox]")
    expect(box).not_to_be_checked()
    box.check()
    expect(person.page.locator(".vip-map-caption")).to_contain_text("Where the image resembles")
    assert person.page.locator(".vip-picture").first.evaluate("node => getComputedStyle(node).filter") == "none"
    person.choose_example(1)
    expect(box).to_be_checked()  # the person has asked for it


def test_viewer_tools_are_all_in_sight_on_a_phone(bench):
    person = bench(width=390, height=844)
    for tool in person.page.locator(".vip-tools button:visible").all():
        box = tool.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390


def test_viewer_full_screen_is_left_by_a_button(bench):
    person = bench(width=390, height=844)
    person.choose_example(0)
    leave = person.page.get_by_role("button", name="Leave full screen")
    expect(leave).to_be_hidden()
    person.page.click(".vip-full")
    expect(leave).to_be_visible()
    leave.click()
    expect(leave).to_be_hidden()


def test_viewer_a_broken_file_is_one_sentence(bench, tmp_path):
    person = bench()
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    person.page.locator(".vip-tools input[type=file]").first.set_input_files(broken)
    person.wait(lambda: "broken" in person.message or "damaged" in person.message)
    person.choose_example(0)
    assert person.message == ""


def test_viewer_the_last_choice_counts(bench, tmp_path, xrays):
    person = bench()
    large = tmp_path / "large.jpg"
    Image.open(xrays[0]).convert("RGB").resize((6000, 6000)).save(large, quality=95)
    person.page.locator(".vip-tools input[type=file]").first.set_input_files(large)
    with person.new_result():
        person.page.locator(".vip-example").nth(3).click()
    shown, probability = person.picture, person.probability
    person.page.wait_for_timeout(3000)  # the large one is read meanwhile, and dropped
    assert (person.picture, person.probability) == (shown, probability)

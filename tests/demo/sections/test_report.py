"""The report read back: a PDF by its text and picture, the JSON by its values."""

import base64
import json
import re
from io import BytesIO

import numpy as np
import pydicom
import pytest
import torch
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pypdf import PdfReader

from demo import DISCLAIMER
from demo.render.cards import OUT_OF_DISTRIBUTION, how_far_to_trust
from demo.render.report_pdf import MISSING, report_pdf, writable
from demo.sections import report
from demo.state.diagnosis import diagnose_boxes
from demo.state.image_view import picture_for_page
from demo.state.report_data import make_report, report_dict
from vip_core import __version__
from vip_core.data.images import read_image
from vip_core.errors import UsageError

EVERYTHING = "<b>&amp; 肺の陰影 🫁 שלום عربي \ud83e \x00\x07\u202e\u2028 e\u0301 ½ ≥ → “x” ${y} **z**"


def shown(path):
    """A JPEG as the page's image component has it."""
    return {"url": "data:image/jpeg;base64," + base64.b64encode(path.read_bytes()).decode(), "path": None}


def named(image, features):
    """The same, named as the page names the picture of an image with these features."""
    return image | {"orig_name": picture_for_page(Image.new("RGB", (8, 8)), features)["orig_name"]}


@pytest.fixture
def make(task, features, boxes, xray):
    """A function that gives the report of the X-ray for boxes that differ from the original ones."""

    def make(texts=boxes, mode="vip", note="", of=features, image=shown(xray)):  # noqa: B008
        return make_report(diagnose_boxes(task, mode, of, tuple(texts)), image, note)

    return make


def pages(made):
    """The text of each page of the PDF, line breaks as spaces."""
    return [" ".join(page.extract_text().split()) for page in PdfReader(BytesIO(report_pdf(made))).pages]


# ---- what it says


def test_one_page_says_what_the_page_says(make, task, features):
    made = make()
    (text,) = pages(made)
    diagnosis = task.predictor.diagnose(features)
    assert task.label in text and "ViP, trained prompts" in text and DISCLAIMER in text
    assert diagnosis.prediction in text and how_far_to_trust(made.view) in text
    assert "The original symptom lists." in text and "Removed" not in text and "+ " not in text.split("Percentile")[-1]
    for score in diagnosis.symptoms:
        percentile = f"{score.percentile:.0f}"
        assert score.symptom in text
        number, contribution = (f"{n:.2f}".replace("-", "−") for n in (score.similarity, score.contribution))
        sign = "+" if score.contribution >= 0.005 else ""
        assert f"{score.symptom} {number} {percentile} {sign}{contribution}".replace("−0.00", "0.00") in text
    assert f"distance {diagnosis.domain.score:.3f}" in text
    assert f"vip_core {__version__}" in text and task.predictor.vip.backbone.fingerprint in text
    assert task.predictor.vip.card.date[:10] in text and made.date in text


def test_the_json_is_the_diagnosis_with_what_it_rests_on(make, task, features):
    data = json.loads(json.dumps(report_dict(make(note="seen at noon"))))
    known = task.predictor.diagnose(features).to_dict()
    assert {key: data[key] for key in known if key != "symptoms"} == {k: v for k, v in known.items() if k != "symptoms"}
    assert data["symptoms"] == [{**score, "edit": "original", "was": None} for score in known["symptoms"]]
    assert data["removed"] == [] and data["with_original_lists"] is None
    assert (data["task"], data["method"], data["note"]) == ("pneumonia", "vip", "seen at noon")
    assert data["disclaimer"] == DISCLAIMER and data["date"][:2] == "20" and data["date"].endswith("+00:00")
    assert data["versions"]["vip_core"] == __version__
    assert data["versions"]["backbone"] == "vip-mini" and data["versions"]["checkpoint_date"]


def test_edits_are_marked_against_the_original_lists(make, boxes):
    first, second, third, *rest = boxes[1].splitlines()
    made = make([boxes[0], "\n".join([first, "hazy white areas", "# " + third, *rest[:-1], "something new"])])
    data = report_dict(made)
    edits = {row["symptom"]: (row["edit"], row["was"]) for row in data["symptoms"] if row["class"] == "pneumonia"}
    assert edits[first] == ("original", None) and third not in edits
    assert edits["hazy white areas"] == ("reworded", second) and edits["something new"] == ("reworded", rest[-1])
    assert data["removed"] == [{"class": "pneumonia", "symptom": third}]
    assert set(data["with_original_lists"]) == {"prediction", "probabilities"}
    (text,) = pages(made)
    assert f"+ hazy white areas was: {second}" in text and "The symptom lists were edited" in text
    assert f"Removed from the original lists − {third} (pneumonia)" in text and "With the original lists:" in text


def test_a_line_that_the_original_list_has_not_is_added(make, boxes):
    data = report_dict(make([boxes[0], boxes[1] + "\none more line"]))
    assert [row["edit"] for row in data["symptoms"]].count("added") == 1
    assert data["symptoms"][-1]["edit"] == "added" and data["removed"] == []


def test_class_names_alone_have_no_edits(make, boxes):
    made = make([boxes[0], "edited"], mode="names")
    data = report_dict(made)
    assert {row["edit"] for row in data["symptoms"]} == {None} and data["removed"] == []
    (text,) = pages(made)
    assert "The class names alone" in text and "Not calibrated" in text and "Zero-shot, class names" in text


def test_an_image_out_of_domain_gets_the_warning_and_no_probability(make, tasks):
    stranger = tasks["melanoma"].examples[0][0]
    made = make(of=tasks["pneumonia"].predictor.encode(stranger), image=shown(stranger))
    (text,) = pages(made)
    assert OUT_OF_DISTRIBUTION in text and "%" not in text and "does not resemble the reference images" in text
    assert report_dict(made)["domain"]["in_domain"] is False


# ---- long and odd texts


@pytest.mark.slow
def test_sixty_four_symptoms_a_class_go_on_on_further_pages(make):
    lists = ["\n".join(f"{name} sign {i} of a long list" for i in range(64)) for name in ("clear", "dense")]
    text = pages(make(lists))
    assert 2 <= len(text) <= 8
    for name in ("clear", "dense"):
        for i in range(64):
            assert sum(f"+ {name} sign {i} of a long list" in page for page in text) == 1
    for number, page in enumerate(text, 1):
        assert f"Page {number} of {len(text)}" in page and DISCLAIMER in page and "Contribution" in page


def test_any_text_can_be_written_and_what_the_font_lacks_is_marked(make, boxes):
    (text,) = pages(make(["clear & <i>", "lungs 肺 🫁 ≥ ½"], note=EVERYTHING))
    assert "<b>&amp;" in text and "clear & <i>" in text and "≥ ½" in text and MISSING in text
    assert "marks a character that this font lacks" in text
    assert report_dict(make(note="肺 🫁"))["note"] == "肺 🫁"


def test_a_word_longer_than_its_column_is_broken(make, boxes):
    (text,) = pages(make([boxes[0], "p" * 70]))
    assert text.replace(" ", "").count("p" * 70) == 1


def test_writable_changes_nothing_that_the_font_has():
    assert writable("Grüße, Ωμέγα, Привет − ≥ ½\nx") == "Grüße, Ωμέγα, Привет − ≥ ½\nx"
    assert writable("a\ud83eb🫁\x00") == f"a{MISSING}b{MISSING}{MISSING}"


def test_a_note_loses_blank_lines_and_control_characters_and_no_word(make):
    assert make(note=" first\x00 \r\n\n\t\n second\x1b[0m ").note == "first\nsecond [0m"


def test_a_long_note_is_refused(make):
    assert "word" in pages(make(note="word " * 200))[0]
    with pytest.raises(UsageError, match="1,001 characters"):
        make(note="a" * 1001)


# ---- the picture


def test_the_picture_is_that_of_the_page_in_its_own_proportions(make, tmp_path):
    pixels = np.zeros((90, 180, 3), np.uint8)
    pixels[:, 90:] = (200, 40, 40)
    Image.fromarray(pixels).save(tmp_path / "x.jpg", quality=95)
    (page,) = PdfReader(BytesIO(report_pdf(make(image=shown(tmp_path / "x.jpg"))))).pages
    (image,) = page.images
    seen = np.asarray(image.image.convert("RGB")).astype(int)
    assert seen.shape == (90, 180, 3) and seen[45, 20].max() < 20 and abs(seen[45, 160] - (200, 40, 40)).max() < 12


def test_metadata_of_the_picture_does_not_reach_the_report(make, tmp_path):
    exif = Image.Exif()
    exif[0x010E] = "PATIENT DOE"
    Image.new("RGB", (64, 64), "grey").save(tmp_path / "x.jpg", exif=exif, comment=b"PATIENT DOE")
    assert b"PATIENT DOE" in (tmp_path / "x.jpg").read_bytes()
    assert b"DOE" not in report_pdf(make(image=shown(tmp_path / "x.jpg")))


def test_nothing_of_a_dicom_header_is_in_the_report(task, boxes, tmp_path):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.1.2.1"
    meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    dicom = FileDataset(str(tmp_path / "doe.dcm"), {}, file_meta=meta, preamble=b"\0" * 128)
    dicom.PatientName, dicom.PatientID, dicom.PatientBirthDate = "Quimby^Jane", "4711-0815", "19700101"
    dicom.Rows = dicom.Columns = 64
    dicom.SamplesPerPixel, dicom.PhotometricInterpretation, dicom.PixelRepresentation = 1, "MONOCHROME2", 0
    dicom.BitsAllocated = dicom.BitsStored = 8
    dicom.HighBit, dicom.PixelData = 7, bytes(range(64)) * 64
    dicom.save_as(tmp_path / "doe.dcm")
    image = read_image(tmp_path / "doe.dcm")
    view = diagnose_boxes(task, "vip", task.predictor.encode(image), tuple(boxes))
    made = make_report(view, picture_for_page(image, torch.zeros(4)))
    assert made.picture is not None
    words = " ".join(pages(made)) + json.dumps(report_dict(made))
    without_decimals = re.sub(r"\d*\.\d+(e-?\d+)?", "", words)  # some decimal of a score may well read 4711
    assert not any(word in without_decimals for word in ("Quimby", "doe.dcm", "4711", "1970"))


@pytest.mark.parametrize(
    "image",
    [
        None,
        "text",
        {},
        {"url": None},
        {"url": "/gradio_api/file=/etc/passwd"},
        {"url": "data:image/jpeg;base64,@@@"},
        {"url": "data:image/jpeg;base64," + base64.b64encode(b"\xff\xd8\xff no picture").decode()},
        {"url": "data:image/png;base64,iVBORw0KGgo="},
        {"url": "data:image/jpeg;base64," + "A" * 5_000_000},
    ],
)
def test_a_picture_that_is_none_of_the_pages_is_left_out(make, image):
    made = make(image=image)
    assert made.picture is None and len(pages(made)) == 1


# ---- on the page


def test_the_links_hold_the_files_themselves(tasks, task, features, boxes, xray):
    html = report.answer(tasks, features, named(shown(xray), features), "a note", "pneumonia", "vip", *boxes)["links"]
    links = dict(re.findall(r'href="data:application/(\w+);base64,([\w+/=]+)"', html))
    assert set(links) == {"pdf", "json"}
    assert json.loads(base64.b64decode(links["json"]))["note"] == "a note"
    assert "a note" in PdfReader(BytesIO(base64.b64decode(links["pdf"]))).pages[0].extract_text()
    assert xray.stem not in html and len(re.findall(r'download="vip-report-[\d-]+\.(?:pdf|json)"', html)) == 2


def test_a_picture_and_the_features_of_another_image_make_no_report(tasks, task, features, boxes, xray):
    other = task.predictor.encode(task.examples[1][0])
    html = report.answer(tasks, other, named(shown(xray), features), None, "pneumonia", "vip", *boxes)["links"]
    assert "has just changed" in html and "href" not in html


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"features": None}, "There is no image"),
        ({"note": "a" * 2000}, "2,000 characters"),
        ({"boxes": ["", "x"]}, "has no symptom"),
    ],
)
def test_what_cannot_be_reported_gives_one_sentence(tasks, features, boxes, changes, words):
    call = {"features": features, "note": None, "boxes": boxes} | changes
    html = report.answer(tasks, call["features"], None, call["note"], "pneumonia", "vip", *call["boxes"])["links"]
    assert words in html and html.count("<p") == 1 and "href" not in html

"""The report read back: a PDF by its text and picture, the JSON by its values."""

import base64
import json
import re
from io import BytesIO

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pypdf import PdfReader

from demo import DISCLAIMER
from demo.pages.diagnose import report
from demo.render.cards import OUT_OF_DISTRIBUTION, how_far_to_trust
from demo.render.pdf_page import MISSING, writable
from demo.render.report_pdf import report_pdf
from demo.state.bench import picture
from demo.state.report_data import make_report, report_dict
from demo.state.visit import Visit
from tests.demo.state.test_rows import asked_for
from vip_core import __version__
from vip_core.data.images import read_image
from vip_core.errors import UsageError

EVERYTHING = "<b>&amp; 肺の陰影 🫁 שלום عربي \ud83e \x00\x07\u202e\u2028 e\u0301 ½ ≥ → “x” ${y} **z**"


@pytest.fixture
def make(task, features, boxes, xray, view_lists):
    """A function that gives the report of the X-ray for lists that differ from the original ones."""

    def make(texts=boxes, mode="vip", note="", of=features, image=xray):
        return make_report(view_lists(task, of, texts, mode), image and image.read_bytes(), note)

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
        towards = score.contribution if score.class_name == "pneumonia" else -score.contribution
        number, shown = (f"{n:.2f}".replace("-", "−") for n in (score.similarity, towards))
        sign = "+" if towards >= 0.005 else ""
        assert f"{score.symptom} {number} {percentile} {sign}{shown}".replace("−0.00", "0.00") in text
    assert "negative is towards normal lung" in text
    total = diagnosis.logits["pneumonia"] - diagnosis.logits["normal lung"]
    assert f"add up to {total:+.2f} towards pneumonia".replace("-", "−") in text
    assert f"distance {diagnosis.domain.score:.3f}" in text
    assert f"vip_core {__version__}" in text and task.predictor.vip.backbone.fingerprint in text
    assert task.predictor.vip.card.date[:10] in text and made.date in text


def test_the_json_is_the_diagnosis_with_what_it_rests_on(make, task, features):
    data = json.loads(json.dumps(report_dict(make(note="seen at noon"))))
    known = task.predictor.diagnose(features).to_dict()
    assert {key: data[key] for key in known if key != "symptoms"} == {k: v for k, v in known.items() if k != "symptoms"}
    assert data["symptoms"] == [
        {**score, "edit": "original", "was": None, "your_finding": None} for score in known["symptoms"]
    ]
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
    made = make(of=tasks["pneumonia"].predictor.encode(stranger), image=stranger)
    (text,) = pages(made)
    assert OUT_OF_DISTRIBUTION in text and "%" not in text and "looks like a dermoscopy image" in text
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
        assert f"Page {number} of {len(text)}" in page and DISCLAIMER in page and "Towards pneumonia" in page


def test_any_text_can_be_written_and_what_the_font_lacks_is_marked(make, boxes):
    (text,) = pages(make(["clear & <i>", "lungs 肺 🫁 ≥ ½"], note=EVERYTHING))
    assert "<b>&amp;" in text and "clear & <i>" in text and "≥ ½" in text and MISSING in text
    assert "marks a character that is missing in this font" in text
    assert report_dict(make(note="肺 🫁"))["note"] == "肺 🫁"


def test_report_pdf_puts_no_number_into_a_note_and_turns_no_text(make):
    (text,) = pages(make(note="{nb} {number of pages} abc\u202edcba"))
    assert "{nb} { number of pages } abcdcba" in text and "Page 1 of 1" in text


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
    (page,) = PdfReader(BytesIO(report_pdf(make(image=tmp_path / "x.jpg")))).pages
    (image,) = page.images
    seen = np.asarray(image.image.convert("RGB")).astype(int)
    assert seen.shape == (90, 180, 3) and seen[45, 20].max() < 20 and abs(seen[45, 160] - (200, 40, 40)).max() < 12


def test_metadata_of_the_picture_does_not_reach_the_report(make, tmp_path):
    exif = Image.Exif()
    exif[0x010E] = "PATIENT DOE"
    Image.new("RGB", (64, 64), "grey").save(tmp_path / "x.jpg", exif=exif, comment=b"PATIENT DOE")
    assert b"PATIENT DOE" in (tmp_path / "x.jpg").read_bytes()
    assert b"DOE" not in report_pdf(make(image=tmp_path / "x.jpg"))


def test_nothing_of_a_dicom_header_is_in_the_report(task, boxes, tmp_path, view_lists):
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
    view = view_lists(task, task.predictor.encode(image), boxes)
    made = make_report(view, base64.b64decode(picture(image)["url"].split(",", 1)[1]))
    assert made.picture is not None
    words = " ".join(pages(made)) + json.dumps(report_dict(made))
    without_decimals = re.sub(r"\d*\.\d+(e-?\d+)?", "", words)  # some decimal of a score may well read 4711
    assert not any(word in without_decimals for word in ("Quimby", "doe.dcm", "4711", "1970"))


def test_report_without_a_picture_is_made_all_the_same(make):
    made = make(image=b"")
    assert made.picture is None and len(pages(made)) == 1


def test_report_marks_the_readers_own_findings(task, features):
    request = asked_for(task)
    request["lists"]["pneumonia"][0]["finding"] = "seen"
    found = report({"pneumonia": task}, Visit(choice=1, features=features), {**request, "prevalence": 0.1})
    files = {file["type"]: base64.b64decode(file["data"]) for file in json.loads(found)["files"]["files"]}
    data = json.loads(files["application/json"])
    marked = [row["symptom"] for row in data["symptoms"] if row["your_finding"] == "seen"]
    assert marked == [task.predictor.symptoms.symptoms[1][0]] and data["prevalence"] == 0.1
    text = " ".join(page.extract_text() for page in PdfReader(BytesIO(files["application/pdf"])).pages)
    assert "your finding: seen" in " ".join(text.split())


# ---- on the page


def test_report_files_hold_what_the_page_shows(task, features, xray):
    visit = Visit(choice=1, features=features, picture=xray.read_bytes())
    made = report({"pneumonia": task}, visit, {**asked_for(task), "note": "a note"})
    found = json.loads(made)["files"]["files"]
    assert [file["type"] for file in found] == ["application/pdf", "application/json"]
    assert all(re.fullmatch(r"vip-report-[\d-]+\.(pdf|json)", file["name"]) for file in found)
    assert json.loads(base64.b64decode(found[1]["data"]))["note"] == "a note"
    assert "a note" in PdfReader(BytesIO(base64.b64decode(found[0]["data"]))).pages[0].extract_text()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"choice": 7}, "There is no image"),
        ({"note": "a" * 2000}, "2,000 characters"),
        ({"mode": "magic"}, "method"),
    ],
)
def test_report_that_cannot_be_made_is_one_sentence(task, features, changes, words):
    found = report({"pneumonia": task}, Visit(choice=1, features=features), {**asked_for(task), **changes})
    assert words in json.loads(found)["files"]["error"]

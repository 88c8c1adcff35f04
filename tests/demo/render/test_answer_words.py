"""The report of a finding: as the page says it, at a prevalence, and nothing of an image that is refused."""

import json
from dataclasses import replace
from io import BytesIO

import pytest
from pypdf import PdfReader

from demo.render.report_pdf import report_pdf
from demo.state import numbers
from demo.state.diagnosis import view_asked
from demo.state.finding import finding_answer
from demo.state.report_data import make_report, report_dict
from demo.state.request import read_request
from vip_core.evaluation.decisions import predictive_values
from vip_core.scoring.uncertainty import Uncertainty

from ..state.test_rows import asked_for

STABLE = Uncertainty(8, 3, 0.9, 0.99, 0.01, 0.01, False)


@pytest.fixture(scope="module")
def melanoma(tasks):
    return tasks["melanoma"]


@pytest.fixture(scope="module")
def view(melanoma):
    """A function that gives the view of the first example with another probability of melanoma."""
    features = melanoma.predictor.encode(melanoma.examples[0][0])
    seen = view_asked(melanoma, features, read_request(melanoma, asked_for(melanoma)))

    def make(probability, **changes):
        prediction = "melanoma" if probability >= 0.5 else "nevus"
        values = {"melanoma": probability, "nevus": 1 - probability}
        shown = replace(seen.diagnosis, prediction=prediction, probabilities=values)
        return replace(seen, diagnosis=shown, original=shown, **changes)

    return make


def text_of(made):
    return " ".join(" ".join(page.extract_text() for page in PdfReader(BytesIO(report_pdf(made))).pages).split())


def per_cent(value):
    """As a reader of a PDF gives it, with an ordinary space."""
    return numbers.per_cent(value).replace("\u00a0", " ")


def test_report_names_the_finding_and_its_side_of_the_screening_point(view, melanoma):
    made = make_report(view(0.3), b"", doubt=STABLE)
    text = text_of(made)
    card = melanoma.predictor.vip.card
    recall, at = card.figures["test"]["at_threshold"]["recall"], per_cent(card.threshold_of(0))
    assert f"melanoma 30 % Above the screening point of {at}. At ½: nevus." in text
    assert f"its sensitivity is {per_cent(recall['melanoma'])}" in text
    assert f"false-positive rate {per_cent(1 - recall['nevus'])} (of images without it)" in text
    assert "22 % were labelled melanoma" in text and "Two classes only" in text and "seborrhoeic keratosis" in text
    assert "stable under 8 crops and 3 rewordings" in text and "says little" in text
    found = json.loads(json.dumps(report_dict(made)))
    assert found["answer"]["side_of_screening_point"] == "above" and found["answer"]["class_at_one_half"] == "nevus"
    assert found["stability"]["refer"] is False and found["do_not_interpret"] is None and found["tested"] is True
    assert f"Below the screening point of {at}" in text_of(make_report(view(0.03), b""))


def test_report_has_the_prevalence_and_its_predictive_values(view, melanoma):
    made = make_report(view(0.95), b"", prevalence=0.03)
    answer = made.answer
    r = 40 / 178
    odds = 0.95 / 0.05 * 0.03 * (1 - r) / (r * 0.97)
    assert answer.probability == pytest.approx(odds / (1 + odds))
    recall = melanoma.predictor.vip.card.figures["test"]["at_threshold"]["recall"]
    ppv, npv = predictive_values(recall["melanoma"], recall["nevus"], 0.03)
    assert answer.values["screening"] == pytest.approx((ppv, npv))
    text = text_of(made)
    assert f"melanoma {per_cent(answer.probability)}" in text and "as calibrated: 95 %" in text
    assert f"PPV {per_cent(ppv)}" in text and "do not depend on the prevalence" in text
    assert report_dict(made)["answer"]["probability"] == answer.probability


@pytest.mark.parametrize("probability", [0.05, 0.12, 0.13, 0.6])
@pytest.mark.parametrize("prevalence", [0.001, 0.03, 0.5, 0.99])
def test_finding_answer_keeps_its_side_at_any_prevalence(view, probability, prevalence):
    own, there = (finding_answer(view(probability), q) for q in (None, prevalence))
    assert own.side == there.side and own.called == there.called


def test_report_of_a_refused_image_has_no_probability_and_says_why(view):
    made = make_report(view(0.95, warning="The header says modality CT."), b"", prevalence=0.03, doubt=STABLE)
    text, found = text_of(made), report_dict(made)
    assert "%" not in text and "The header says modality CT." in text and "Similarity" not in text
    assert found["answer"] is None and found["stability"] is None
    assert found["do_not_interpret"] == "The header says modality CT."


def test_report_of_a_zero_shot_method_has_no_side(melanoma):
    features = melanoma.predictor.encode(melanoma.examples[0][0])
    made = make_report(view_asked(melanoma, features, read_request(melanoma, asked_for(melanoma, "symptoms"))), b"")
    text = text_of(made)
    assert "untested" in text and "screening point" not in text and report_dict(made)["tested"] is False


def test_report_does_not_hold_the_name_of_the_file(melanoma):
    path = melanoma.examples[0][0]
    features = melanoma.predictor.encode(path)
    made = make_report(view_asked(melanoma, features, read_request(melanoma, asked_for(melanoma))), path.read_bytes())
    assert path.stem not in text_of(made) + json.dumps(report_dict(made))

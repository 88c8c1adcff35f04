"""The pieces of HTML: what a person reads, and that no text from outside becomes markup."""

from html.parser import HTMLParser

import pytest

from demo.render.cards import OUT_OF_DISTRIBUTION, calibrated, how_far_to_trust, message
from demo.state.diagnosis import DiagnosisView
from demo.state.numbers import axis_end, number, per_cent
from vip_core.models.reference import DomainCheck
from vip_core.scoring.diagnosis import Diagnosis, SymptomScore

EVIL = "<img src=x onerror=alert(1)> & \"q\" 'r' </p><script>"


def diagnosis(in_domain=True, prediction="pneumonia", other="normal lung", share=0.93):
    symptoms = (SymptomScore(other, EVIL, 0.1, 20.0, -0.3, 1.0), SymptomScore(prediction, EVIL, 0.3, 80.0, 0.9, 1.0))
    probabilities = {other: 1 - share, prediction: share}
    domain = DomainCheck(in_domain, 0.2, 0.3)
    return Diagnosis(prediction, probabilities, {other: -0.3, prediction: 0.9}, {}, symptoms, domain)


@pytest.fixture
def view(task):
    """A function that gives the view of a diagnosis; with `original`, after an edit."""

    def make(shown=None, original=None, mode="vip", task=task):
        shown = shown or diagnosis()
        before = None if original is None else tuple(original.symptoms)
        return DiagnosisView(task, mode, task.predictor.symptoms, shown, original or shown, before, (0.9, 0.5))

    return make


def read(html):
    """The text and the names of the tags."""
    found = {"text": "", "tags": []}

    class Reader(HTMLParser):
        def handle_data(self, data):
            found["text"] += data

        def handle_starttag(self, tag, attributes):
            found["tags"].append(tag)

    Reader().feed(html)
    return found["text"], found["tags"]


# ---- the result


def test_a_plain_sentence_says_what_the_probability_means_with_the_figures_of_the_card(view, task):
    figures = task.predictor.vip.card.figures
    sentence = how_far_to_trust(view())
    assert (
        f"{figures['val']['n']} validation images: about 93 of 100 images with this score were labelled pneumonia."
        in sentence
    )
    assert (
        f"{figures['test']['n']} test images the mean calibration error was {100 * figures['test']['ece']:.0f} in 100"
        in sentence
    )
    assert "over 99 of 100 images with this score were labelled pneumonia" in how_far_to_trust(
        view(diagnosis(share=0.999))
    )


def test_calibrated_is_only_what_was_calibrated(view, task):
    edited = view(diagnosis(share=0.6), diagnosis())
    assert calibrated(view()) and not calibrated(edited)
    for shown in (edited, view(mode="symptoms"), view(mode="names")):
        assert "Not calibrated" in how_far_to_trust(shown) and "of 100 images" not in how_far_to_trust(shown)
    bare = task.predictor.vip.card.model_copy(update={"figures": {}})
    own, task.predictor.vip.card = task.predictor.vip.card, bare
    try:
        assert "Not calibrated" in how_far_to_trust(view())
    finally:
        task.predictor.vip.card = own


def test_how_far_to_trust_names_another_class_after_an_edit(view):
    turned = diagnosis(prediction="normal lung", other="pneumonia", share=0.8)
    sentence = how_far_to_trust(view(turned, diagnosis(share=0.93)))
    assert "With the original lists the prediction is “pneumonia”" in sentence


def test_warning_holds_no_probability():
    assert "%" not in OUT_OF_DISTRIBUTION


@pytest.mark.parametrize(
    ("probability", "words"),
    [
        (1.0, "over 99\u00a0%"),
        (0.995, "over 99\u00a0%"),
        (0.994, "99\u00a0%"),
        (0.925, "93\u00a0%"),
        (0.5, "50\u00a0%"),
        (0.006, "1\u00a0%"),
        (0.005, "under 1\u00a0%"),
        (0.0, "under 1\u00a0%"),
    ],
)
def test_per_cent_is_never_0_or_100(probability, words):
    assert per_cent(probability) == words


def test_number_has_one_minus_sign_and_no_signed_zero():
    assert [number(x) for x in (-1.005, -0.004, 0.0, 0.25)] == ["−1.00", "0.00", "0.00", "0.25"]
    assert [number(x, 1, plus="+") for x in (-2, 0.04, 2)] == ["−2.0", "0.0", "+2.0"]
    assert [axis_end(x) for x in (-0.3, 0.0, 1.0, 50.0)] == ["−0.3", "0", "1", "50"]


def test_message_text_from_outside_is_text():
    text, tags = read(message(EVIL))
    assert EVIL in text and tags == ["p"]

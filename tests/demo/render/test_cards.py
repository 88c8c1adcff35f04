"""The pieces of HTML: what a person reads, and that no text from outside becomes markup."""

import math
import re
from html.parser import HTMLParser

import pytest

from demo import DISCLAIMER
from demo.render.bars import SHOWN
from demo.render.cards import (
    OUT_OF_DISTRIBUTION,
    bars_card,
    how_bars_sum,
    how_far_to_trust,
    message,
    placeholder,
    result_card,
)
from demo.render.numbers import axis_end, number, per_cent
from demo.state.diagnosis import DiagnosisView, diagnose_boxes
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


def test_the_result_names_class_probability_and_disclaimer(view):
    text, _ = read(result_card(view()))
    assert "pneumonia" in text and "93 % calibrated probability; normal lung 7 %" in text and DISCLAIMER in text


def test_a_plain_sentence_says_what_the_probability_means_with_the_figures_of_the_card(view, task):
    figures = task.predictor.vip.card.figures
    sentence = how_far_to_trust(view())
    assert (
        f"{figures['val']['n']} validation images: about 93 of 100 images with this score were pneumonia." in sentence
    )
    assert (
        f"{figures['test']['n']} test images the mean calibration error was {100 * figures['test']['ece']:.0f} in 100"
        in sentence
    )
    assert "over 99 of 100 images with this score were pneumonia" in how_far_to_trust(view(diagnosis(share=0.999)))


def test_nothing_is_called_calibrated_that_is_not(view, task):
    edited = result_card(view(diagnosis(share=0.6), diagnosis()))
    for mode in ("symptoms", "names"):
        assert "Not calibrated" in result_card(view(mode=mode))
    for html in (edited, result_card(view(mode="symptoms"))):
        assert "calibrated probability" not in html and "of 100 images" not in html
    bare = task.predictor.vip.card.model_copy(update={"figures": {}})
    own, task.predictor.vip.card = task.predictor.vip.card, bare
    try:
        assert "Not calibrated" in result_card(view()) and "calibrated prob" not in result_card(view())
    finally:
        task.predictor.vip.card = own


def test_after_an_edit_the_probability_shows_before_and_after(view):
    text, _ = read(result_card(view(diagnosis(share=0.6), diagnosis(share=0.93))))
    assert "93 % → 60 % probability" in text


def test_another_class_after_an_edit_is_said_in_words(view):
    turned = diagnosis(prediction="normal lung", other="pneumonia", share=0.8)
    text, _ = read(result_card(view(turned, diagnosis(share=0.93))))
    assert "7 % → 80 % probability" in text and "With the original lists the prediction is “pneumonia”" in text


def test_an_image_out_of_domain_has_a_warning_in_place_of_confidence(view):
    strange = view(diagnosis(in_domain=False))
    text, _ = read(result_card(strange))
    assert OUT_OF_DISTRIBUTION in text and DISCLAIMER in text
    assert "%" not in text and "probability" not in text and "of 100" not in text
    assert "%" not in how_bars_sum(strange) and "probability" not in how_bars_sum(strange)


def test_without_a_domain_check_the_probability_stands(view):
    assert "60 %" in read(result_card(view(Diagnosis("a", {"a": 0.6, "b": 0.4}, {}, {}, (), None))))[0]


@pytest.mark.parametrize(
    ("probability", "words"),
    [
        (1.0, "over 99 %"),
        (0.995, "over 99 %"),
        (0.994, "99 %"),
        (0.5, "50 %"),
        (0.006, "1 %"),
        (0.005, "under 1 %"),
        (0.0, "under 1 %"),
    ],
)
def test_per_cent_is_never_0_or_100(probability, words):
    assert per_cent(probability) == words


def test_number_has_one_minus_sign_and_no_signed_zero():
    assert [number(x) for x in (-1.005, -0.004, 0.0, 0.25)] == ["−1.00", "0.00", "0.00", "0.25"]
    assert [number(x, 1, plus="+") for x in (-2, 0.04, 2)] == ["−2.0", "0.0", "+2.0"]
    assert [axis_end(x) for x in (-0.3, 0.0, 1.0, 50.0)] == ["−0.3", "0", "1", "50"]


def test_the_result_is_laid_out_alike_for_all_images_and_edits(view):
    """The page changes texts in place; another structure would make it jump."""
    other = Diagnosis("b", {"a": 0.2, "b": 0.8}, {}, {}, (), None)
    for shown in (view(other), view(diagnosis(), diagnosis()), view(mode="names")):
        assert read(result_card(shown))[1] == read(result_card(view()))[1]


# ---- the bars


def test_of_two_classes_the_bars_sum_to_the_log_odds_as_is_said(task, features, boxes):
    for mode in ("vip", "symptoms"):
        shown = diagnose_boxes(task, mode, features, (boxes[0], "dense white opacity"))
        found = [float(n.replace("−", "-")) for n in re.findall(r"[−\d]\d*\.\d\d", how_bars_sum(shown))]
        terms = [*((s.class_name, s.contribution) for s in shown.diagnosis.symptoms)]
        terms += shown.diagnosis.class_terms.items()
        name = shown.diagnosis.prediction
        total = sum(term if owner == name else -term for owner, term in terms)
        assert found[0] == pytest.approx(total, abs=0.006)
        probability = 1 / (1 + math.exp(-total / task.scorer(mode).temperature))
        assert shown.diagnosis.probabilities[name] == pytest.approx(probability, abs=1e-4)
        assert found[-1] == pytest.approx(total / task.scorer(mode).temperature, abs=0.006)


@pytest.mark.parametrize("shown", SHOWN)
@pytest.mark.parametrize("mode", ["vip", "symptoms", "names"])
def test_every_chart_is_a_picture_of_its_own_with_a_text_for_those_who_do_not_see_it(
    task, features, boxes, shown, mode
):
    html = bars_card(diagnose_boxes(task, mode, features, tuple(boxes)), shown)
    assert re.search(r'src="data:image/svg\+xml;base64,[A-Za-z0-9+/=]+"', html)
    assert f'alt="A bar for each symptom, its {shown}' in html and "AUROC: how well this symptom alone" in html


def test_the_text_above_the_bars_keeps_its_lines_while_one_types(view):
    plain, edited = view(), view(diagnosis(share=0.6), diagnosis())
    for shown in ("similarity", "percentile"):
        texts = [re.search("<p>(.*?)</p>", bars_card(each, shown)).group(1) for each in (plain, edited)]
        assert texts[0] == texts[1] and "outline" in texts[0]


def test_text_from_outside_is_text_everywhere(view):
    evil = diagnosis(prediction=EVIL, other=EVIL + "2")
    warned = diagnosis(in_domain=False, prediction=EVIL)
    turned = diagnosis(prediction=EVIL + "2", other=EVIL)
    for html in (
        message(EVIL),
        placeholder(EVIL),
        result_card(view(evil)),
        result_card(view(warned)),
        result_card(view(evil, turned)),
    ):
        text, tags = read(html)
        assert EVIL in text and not {"img", "script"} & set(tags)
    for shown in SHOWN:
        _, tags = read(bars_card(view(evil), shown))
        assert tags.count("img") == 1 and "script" not in tags

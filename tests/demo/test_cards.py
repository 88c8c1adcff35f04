"""The pieces of HTML: what a person reads, and that no text from outside becomes markup."""

import re
from html.parser import HTMLParser

import pytest

from demo.cards import DISCLAIMER, UNLIKE, bars_card, message, per_cent, placeholder, result_card
from vip_core.predictor import Diagnosis, SymptomScore
from vip_core.reference import DomainCheck

EVIL = "<img src=x onerror=alert(1)> & \"q\" 'r' </p><script>"


def diagnosis(in_domain=True, prediction="pneumonia", other="normal lung"):
    symptoms = (SymptomScore(other, EVIL, 0.1, 20.0, -0.3, 1.0), SymptomScore(prediction, EVIL, 0.3, 80.0, 0.9, 1.0))
    probabilities = {other: 0.07, prediction: 0.93}
    return Diagnosis(prediction, probabilities, {}, {}, symptoms, DomainCheck(in_domain, 0.2, 0.3))


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


def test_the_result_names_class_probability_and_disclaimer():
    text, _ = read(result_card(diagnosis()))
    assert "pneumonia" in text and "93 %" in text and "normal lung 7 %" in text and DISCLAIMER in text


def test_an_image_out_of_domain_has_a_warning_in_place_of_a_probability():
    text, _ = read(result_card(diagnosis(in_domain=False)))
    assert UNLIKE in text and DISCLAIMER in text and "%" not in text and "probability" not in text


def test_without_a_domain_check_the_probability_stands():
    plain = Diagnosis("a", {"a": 0.6, "b": 0.4}, {}, {}, (), None)
    assert "60 %" in read(result_card(plain))[0]


@pytest.mark.parametrize(
    ("probability", "words"),
    [(1.0, "over 99 %"), (0.9951, "over 99 %"), (0.994, "99 %"), (0.5, "50 %"), (0.006, "1 %"), (0.0, "under 1 %")],
)
def test_no_probability_is_called_certain(probability, words):
    assert per_cent(probability) == words


def test_text_from_outside_is_text_everywhere(task):
    evil = diagnosis(prediction=EVIL, other=EVIL + "2")
    warned = diagnosis(in_domain=False, prediction=EVIL)
    for html in (message(EVIL), placeholder(EVIL), result_card(evil), result_card(warned)):
        text, tags = read(html)
        assert EVIL in text and not {"img", "script"} & set(tags)
    _, tags = read(bars_card(task, evil))
    assert tags.count("img") == 1 and "script" not in tags


def test_the_chart_is_a_picture_of_its_own_with_a_text_for_those_who_do_not_see_it(task):
    html = bars_card(task, diagnosis())
    assert re.search(r'src="data:image/svg\+xml;base64,[A-Za-z0-9+/=]+"', html) and 'alt="A bar' in html


def test_the_result_is_laid_out_alike_for_all_images():
    """The page changes texts in place; another structure would make it jump."""
    first, second = diagnosis(), Diagnosis("b", {"a": 0.2, "b": 0.8}, {}, {}, (), None)
    assert read(result_card(first))[1] == read(result_card(second))[1]

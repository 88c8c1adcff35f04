"""The answer: its scale and cut-offs, the prevalence box, a person's own findings, and what would change it."""

import re

import pytest
from playwright.sync_api import expect

from demo.state.numbers import per_cent
from tests.browser.bench import BENCH
from vip_core import Predictor
from vip_core.models.card import read_card
from vip_core.utils.paths import PROJECT

pytestmark = pytest.mark.slow
PNEUMONIA = 1


@pytest.fixture(scope="module")
def predictor():
    return Predictor.from_pretrained("pneumonia")


def test_answer_and_strips_are_those_of_the_library(bench, predictor, xrays):
    person = bench()
    person.upload(xrays[3])
    predictor.set_image(xrays[3])
    diagnosis = predictor.score()
    assert person.probability == pytest.approx(diagnosis.probabilities["pneumonia"], abs=0.002)
    bank = predictor.vip.reference
    text = predictor.vip.encode_symptoms()
    known = bank.similarities(text)
    for row, score in enumerate(diagnosis.symptoms):
        painted = person.scores["rows"][row]
        assert painted["similarity"] == pytest.approx(score.similarity, abs=2e-3)
        assert sum(map(sum, painted["counts"])) == len(bank.labels)
        above = known[bank.labels == 0, row]
        assert painted["percentiles"][0] == pytest.approx(
            100 * (above < score.similarity).float().mean().item(), abs=1.5
        )
    signs = [1 if score.class_name == "pneumonia" else -1 for score in diagnosis.symptoms]
    token = diagnosis.class_terms["pneumonia"] - diagnosis.class_terms["normal lung"]
    adds = sum(row["adds"] for row in person.scores["rows"]) + token
    logit = diagnosis.logits["pneumonia"] - diagnosis.logits["normal lung"]
    assert adds == pytest.approx(logit, abs=0.02)  # the bars, and the class tokens, sum to the decision
    assert all(
        row["adds"] == sign * row["contribution"] for row, sign in zip(person.scores["rows"], signs, strict=True)
    )


def test_answer_cut_offs_are_those_of_the_card(bench):
    person = bench()
    card = read_card(PROJECT / "checkpoints" / "pneumonia")
    ticks = person.page.locator(".vip-tick-mark").evaluate_all("all => all.map(tick => parseFloat(tick.style.left))")
    assert ticks == pytest.approx([50, 100 * card.threshold])
    person.choose_example(3)
    recall = card.figures["test"]["recall"]
    assert f"sensitivity is {per_cent(recall['pneumonia'])}" in person.page.inner_text(".vip-meaning")
    assert f"false-positive rate {per_cent(1 - recall['normal lung'])}" in person.page.inner_text(".vip-meaning")


def test_answer_prevalence_shifts_the_odds(bench):
    person = bench()
    person.choose_example(1)
    card = read_card(PROJECT / "checkpoints" / "pneumonia")
    counts = card.data["images"]["val"]
    r, q, p = counts["pneumonia"] / sum(counts.values()), 0.1, person.probability
    odds = p / (1 - p) * (q * (1 - r)) / (r * (1 - q))
    shifted = odds / (1 + odds)
    person.page.fill(".vip-prevalence", "10")
    shown = person.page.inner_text(".vip-probability")
    expected = "under 1\u00a0%" if shifted < 0.005 else f"{100 * shifted:.0f}\u00a0%"
    assert expected in shown
    recall = card.figures["test"]["recall"]
    found, false = recall["pneumonia"], 1 - recall["normal lung"]
    ppv = found * q / (found * q + false * (1 - q))
    assert f"PPV {100 * ppv:.0f}\u00a0%" in person.page.inner_text(".vip-clinic-result")
    person.page.fill(".vip-prevalence", "")
    assert person.page.inner_text(".vip-clinic-result") == ""


def test_answer_own_finding_sets_the_percentile_of_its_class(bench, predictor):
    person = bench()
    person.choose_example(0)
    before = person.probability
    row = person.row(0, PNEUMONIA)
    row.locator("select").select_option("seen")
    person.settle()
    text = predictor.vip.encode_symptoms()[len(person.texts(0))]
    bank = predictor.vip.reference
    expected = bank.similarities(text[None])[bank.labels == PNEUMONIA].quantile(0.95).item()
    painted = next(each for each in person.scores["rows"] if (each["class"], each["index"]) == ("pneumonia", 0))
    assert painted["similarity"] == pytest.approx(expected, abs=2e-3) and person.probability > before
    row.locator("select").select_option("unknown")
    person.settle()
    assert not person.scored(person.texts(PNEUMONIA)[0])
    row.locator("select").select_option("")
    person.settle()
    assert person.probability == pytest.approx(before, abs=1e-4)


def test_answer_says_what_would_change_it(bench):
    person = bench()
    person.choose_example(3)
    person.page.click(".vip-changes summary")
    panel = person.page.locator(".vip-changes")
    expect(panel).to_contain_text(re.compile(r"Labels of the 5 most similar reference images: \d "))
    expect(panel).to_contain_text(re.compile("changes the probability of pneumonia most: from .* to .*%"))


def test_answer_is_withheld_for_a_foreign_image(bench):
    person = bench()
    person.upload(next((PROJECT / "assets" / "examples" / "melanoma").glob("*.jpg")))
    assert "No result" in person.headline and "Out of distribution" in person.headline
    assert "looks like a dermoscopy image, not like the reference" in person.page.inner_text(".vip-meaning")
    assert person.page.locator(".vip-bench.vip-out").count() == 1


def test_answer_lists_that_cannot_be_scored_leave_a_marked_older_result(bench):
    person = bench()
    person.choose_example(3)
    for index in range(len(person.texts(PNEUMONIA))):
        person.row(index, PNEUMONIA).locator("input[type=checkbox]").uncheck()
    expect(person.page.locator(".vip-answer .vip-message")).to_contain_text("No symptom of “pneumonia” is scored")
    assert person.page.locator(".vip-bench.vip-stale").count() == 1
    person.page.click(".vip-reset")
    person.wait(lambda: person.message == "")


def test_answer_keeps_an_error_when_what_is_older_comes_late(bench):
    """The stability of an image takes long, and an edit may come before it."""
    person = bench()
    person.choose_example(3)
    person.wait(lambda: person.page.evaluate(f"{BENCH}.answer.doubt !== null"))
    for index in range(len(person.texts(PNEUMONIA))):
        person.row(index, PNEUMONIA).locator("input[type=checkbox]").uncheck()
    message = person.page.locator(".vip-answer .vip-message")
    expect(message).to_contain_text("No symptom of “pneumonia” is scored")
    person.page.evaluate(f"{BENCH}.doubt({{...{BENCH}.answer.doubt, choice: {BENCH}.asking.choice}})")
    expect(message).to_contain_text("No symptom of “pneumonia” is scored")
    person.page.evaluate(f"{BENCH}.scores({{...{BENCH}.latest}})")  # of the question before
    expect(message).to_contain_text("No symptom of “pneumonia” is scored")
    assert person.page.locator(".vip-bench.vip-stale").count() == 1


def test_answer_methods_share_the_rows(bench):
    person = bench()
    person.choose_example(3)
    person.page.select_option(".vip-mode", "symptoms")
    person.wait(lambda: person.scores["mode"] == "symptoms")
    assert "not calibrated" in person.page.inner_text(".vip-meaning")
    person.page.select_option(".vip-mode", "names")
    person.wait(lambda: person.scores["mode"] == "names")
    assert len(person.scores["rows"]) == 2


def test_answer_never_claims_certainty(bench):
    person = bench()
    person.choose_example(3)
    person.page.evaluate(
        """(b => { const s = structuredClone(b.latest); s.probabilities = [0.0001, 0.9999]; b.answer.paint(s) })
           (document.querySelector('.vip-bench').bench)"""
    )
    assert "over 99\u00a0%" in person.page.inner_text(".vip-probability")
    assert "100\u00a0%" not in person.page.inner_text(".vip-answer")

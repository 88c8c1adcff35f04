"""Grounding: what is said of each line, and which lines are kept."""

from dataclasses import replace

import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.nn import functional as F

from vip_core.errors import SymptomError
from vip_core.models.vip import ViP
from vip_core.symptoms import SymptomSet
from vip_core.vsg.grounding import ground, keep_best

LONG = " ".join(["opacity"] * 90)


@pytest.fixture(scope="module")
def pneumonia():
    return ViP.from_pretrained("pneumonia")


@pytest.fixture(scope="module")
def lines() -> SymptomSet:
    return SymptomSet.from_dict(
        {
            "normal lung": [
                "clear lungs with no opacity",
                "dense white opacity in one lobe",
                "clear lungs, no opacity",
            ],
            "pneumonia": [
                "hazy perihilar streaks in both lungs",
                "one lobe with a dense white opacity",
                LONG,
                "no opacity in clear lungs",
            ],
        }
    )


@pytest.fixture(scope="module")
def findings(pneumonia, lines):
    return ground(lines, pneumonia)


def test_there_is_a_finding_a_line_in_order(findings, lines):
    assert [finding.symptom for finding in findings] == lines.texts
    assert [finding.class_name for finding in findings] == ["normal lung"] * 3 + ["pneumonia"] * 4


def test_tokens_are_those_of_the_prompt_with_its_context(findings, pneumonia):
    assert findings[3].tokens == len(pneumonia.backbone.prompt_tokens("hazy perihilar streaks in both lungs")) + 2 + 4
    assert findings[0].limit == 77


def test_a_line_too_long_is_reported_not_raised(findings):
    long = findings[5]
    assert long.auroc is None and long.notes == (f"Too long: {long.tokens} tokens, and the text tower takes 77.",)


def test_the_auroc_is_that_of_the_reference_images_of_the_class_against_the_others(findings, pneumonia):
    text = pneumonia.backbone.encode_prompts(["hazy perihilar streaks in both lungs"], pneumonia.context_prompt([0, 1]))
    scores = (pneumonia.reference.features @ F.normalize(text, dim=-1).T).flatten()
    assert findings[3].auroc == pytest.approx(roc_auc_score(pneumonia.reference.labels == 1, scores), abs=1e-6)
    low, high = findings[3].interval
    assert low < findings[3].auroc < high


def test_the_interval_shrinks_with_the_number_of_images(pneumonia, lines):
    whole = pneumonia.reference
    rows = torch.arange(len(whole.labels))[::10]
    pneumonia.reference = replace(whole, features=whole.features[rows], labels=whole.labels[rows])
    try:
        few = ground(lines, pneumonia)[3]
    finally:
        pneumonia.reference = whole
    many = ground(lines, pneumonia)[3]
    assert few.interval[1] - few.interval[0] > 2 * (many.interval[1] - many.interval[0])


def test_twins_are_found_within_a_class_and_across(findings):
    assert findings[0].twin == "no opacity in clear lungs" and findings[0].twin_class == "pneumonia"
    assert "of “pneumonia”" in findings[0].notes[0]
    assert findings[2].twin == "clear lungs with no opacity" and findings[2].twin_class == "normal lung"
    assert findings[1].twin_class == "pneumonia" and findings[4].twin_class == "normal lung"
    assert findings[3].twin is None


def test_a_line_for_the_wrong_class_is_told(findings):
    assert any("Speaks for the other classes" in note for note in findings[1].notes)
    assert any("Speaks for the other classes" in note for note in findings[6].notes)
    assert not any("other classes" in note or "not separate" in note for note in findings[3].notes)


def test_a_line_that_says_nothing_does_not_separate(pneumonia, lines):
    vip = ViP.from_pretrained("pneumonia", pneumonia.backbone)
    generator = torch.Generator().manual_seed(0)
    vip.reference = replace(vip.reference, features=F.normalize(torch.randn(600, 384, generator=generator), dim=-1))
    notes = [note for finding in ground(lines, vip) for note in finding.notes]
    assert sum("Does not separate the classes" in note for note in notes) >= 5


def test_the_best_are_kept_by_auroc_without_twins_or_lines_for_the_other_class(findings, lines):
    kept = keep_best(lines, findings, 2)
    by_line = {finding.symptom: finding.auroc for finding in findings[:3]}
    best = max(("clear lungs with no opacity", "clear lungs, no opacity"), key=by_line.get)
    assert kept.symptoms[0] == (best,)  # its twin and the line that speaks for pneumonia are passed over
    assert set(kept.symptoms[1]) <= {"hazy perihilar streaks in both lungs", "one lobe with a dense white opacity"}
    assert "reference bank" in kept.source["kept"]
    assert keep_best(lines, findings, 1).counts == [1, 1]


def test_a_class_keeps_its_best_line_whatever_it_is_worth(pneumonia):
    lines = SymptomSet.from_dict({"normal lung": ["clear lungs"], "pneumonia": ["clear lungs", "sharp diaphragm"]})
    assert keep_best(lines, ground(lines, pneumonia), 4).counts == [1, 1]


def test_a_class_of_lines_that_are_too_long_cannot_be_kept(pneumonia):
    lines = SymptomSet.from_dict({"normal lung": ["clear lungs"], "pneumonia": [LONG]})
    with pytest.raises(SymptomError, match="“pneumonia” has no symptom"):
        keep_best(lines, ground(lines, pneumonia), 4)


def test_other_classes_than_the_checkpoint_are_refused_and_another_order_is_understood(pneumonia, lines, findings):
    with pytest.raises(SymptomError, match="classes do not match"):
        ground(SymptomSet.from_dict({"a": ["x"], "b": ["y"]}), pneumonia)
    turned = ground(lines.ordered(("pneumonia", "normal lung")), pneumonia)
    assert [(f.symptom, f.twin) for f in turned][:3] == [(f.symptom, f.twin) for f in findings][:3]


def test_a_checkpoint_on_another_backbone_is_grounded_too(trained, symptom_file):
    symptoms = SymptomSet.load(symptom_file)
    found = ground(symptoms, ViP.from_pretrained(trained))
    assert len(found) == len(symptoms.texts) and all(finding.auroc is not None for finding in found)

"""Grounding: what is said of each line, and which lines are kept."""

from dataclasses import replace

import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.nn import functional as F

from vip_core.errors import SymptomError
from vip_core.models.vip import ViP
from vip_core.symptoms import SymptomSet
from vip_core.vsg.grounding import ground, select_best

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
                "streaky infiltrates in both lungs",
                "one lobe with a dense white opacity",
                LONG,
                "no opacity in clear lungs",
            ],
        }
    )


@pytest.fixture(scope="module")
def grounded(pneumonia, lines):
    return ground(lines, pneumonia)


def test_ground_returns_one_entry_per_line_in_order(grounded, lines):
    assert [finding.symptom for finding in grounded] == lines.texts
    assert [finding.class_name for finding in grounded] == ["normal lung"] * 3 + ["pneumonia"] * 4


def test_ground_counts_the_tokens_of_the_prompt_with_its_context(grounded, pneumonia):
    assert grounded[3].tokens == len(pneumonia.backbone.prompt_tokens("streaky infiltrates in both lungs")) + 2 + 4
    assert grounded[0].limit == 77


def test_ground_reports_a_line_that_is_too_long(grounded):
    long = grounded[5]
    assert long.auroc is None and long.notes == (f"Too long: {long.tokens} tokens; the text tower takes 77.",)


def test_ground_auroc_ranks_the_reference_images_of_the_class(grounded, pneumonia):
    text = pneumonia.backbone.encode_prompts(["streaky infiltrates in both lungs"], pneumonia.context_prompt([0, 1]))
    scores = (pneumonia.reference.features @ F.normalize(text, dim=-1).T).flatten()
    assert grounded[3].auroc == pytest.approx(roc_auc_score(pneumonia.reference.labels == 1, scores), abs=1e-6)
    low, high = grounded[3].interval
    assert low < grounded[3].auroc < high


def test_ground_interval_shrinks_with_the_number_of_images(pneumonia):
    unclear = ["fluid along the fissure", "enlarged heart shadow", "ribs", "lungs", "a chest X-ray", "tilted chest"]
    lines = SymptomSet.from_dict({"normal lung": ["clear lungs"], "pneumonia": unclear})
    whole = pneumonia.reference
    rows = torch.arange(len(whole.labels))[::10]
    pneumonia.reference = replace(whole, features=whole.features[rows], labels=whole.labels[rows])
    try:
        fewer = ground(lines, pneumonia)
    finally:
        pneumonia.reference = whole
    # An interval is narrow where the AUROC is near 0 or 1, however few the images.
    few, many = min(zip(fewer, ground(lines, pneumonia), strict=True), key=lambda pair: abs(pair[0].auroc - 0.5))
    assert few.interval is not None and many.interval is not None
    assert few.interval[1] - few.interval[0] > 2 * (many.interval[1] - many.interval[0])


def test_ground_finds_duplicates_within_a_class_and_across(grounded):
    twins = [(line.duplicate.line, line.duplicate.class_name) if line.duplicate else None for line in grounded]
    assert twins[0] == ("no opacity in clear lungs", "pneumonia")
    assert "of “pneumonia”" in grounded[0].notes[0]
    assert twins[2] in (("clear lungs with no opacity", "normal lung"), twins[0])
    assert twins[1][1] == "pneumonia" and twins[4][1] == "normal lung" and twins[3] is None


def test_ground_notes_a_line_that_favours_the_other_classes(grounded):
    assert any("Favours the other classes" in note for note in grounded[1].notes)
    assert any("Favours the other classes" in note for note in grounded[6].notes)
    assert not any("other classes" in note or "not discriminate" in note for note in grounded[3].notes)


def test_ground_notes_a_line_that_does_not_discriminate(pneumonia, lines):
    vip = ViP.from_pretrained("pneumonia", pneumonia.backbone)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(vip.reference.features.shape, generator=generator)
    vip.reference = replace(vip.reference, features=F.normalize(noise, dim=-1))
    notes = [note for finding in ground(lines, vip) for note in finding.notes]
    assert sum("Does not discriminate between the classes" in note for note in notes) >= 5


def test_select_best_skips_duplicates_and_lines_for_the_other_class(grounded, lines):
    kept = select_best(lines, grounded, 2)
    by_line = {finding.symptom: finding.auroc for finding in grounded[:3]}
    best = max(("clear lungs with no opacity", "clear lungs, no opacity"), key=by_line.get)
    assert kept.symptoms[0] == (best,)  # its twin and the line that speaks for pneumonia are passed over
    assert set(kept.symptoms[1]) <= {"streaky infiltrates in both lungs", "one lobe with a dense white opacity"}
    assert "reference bank" in kept.source["kept"]
    assert select_best(lines, grounded, 1).counts == [1, 1]


def test_select_best_keeps_one_line_per_class(pneumonia):
    lines = SymptomSet.from_dict({"normal lung": ["clear lungs"], "pneumonia": ["clear lungs", "sharp diaphragm"]})
    assert select_best(lines, ground(lines, pneumonia), 4).counts == [1, 1]


def test_select_best_refuses_a_class_of_lines_that_are_too_long(pneumonia):
    lines = SymptomSet.from_dict({"normal lung": ["clear lungs"], "pneumonia": [LONG]})
    with pytest.raises(SymptomError, match="“pneumonia” has no symptom"):
        select_best(lines, ground(lines, pneumonia), 4)


def test_ground_refuses_other_classes_and_accepts_another_order(pneumonia, lines, grounded):
    with pytest.raises(SymptomError, match="classes do not match"):
        ground(SymptomSet.from_dict({"a": ["x"], "b": ["y"]}), pneumonia)
    turned = ground(lines.ordered(("pneumonia", "normal lung")), pneumonia)
    assert [(f.symptom, f.duplicate) for f in turned][:3] == [(f.symptom, f.duplicate) for f in grounded][:3]


def test_ground_works_for_a_checkpoint_on_another_backbone(trained, symptom_file):
    symptoms = SymptomSet.load(symptom_file)
    found = ground(symptoms, ViP.from_pretrained(trained))
    assert len(found) == len(symptoms.texts) and all(finding.auroc is not None for finding in found)


def test_ground_gives_no_interval_where_it_would_have_no_width(pneumonia):
    """At an AUROC of 1 Hanley and McNeil's interval is a point for ten images as for a thousand, which is no news."""
    vip = ViP.from_pretrained("pneumonia", pneumonia.backbone)
    lines = SymptomSet.from_dict({"normal lung": ["clear lungs"], "pneumonia": ["hazy streaks in both lungs"]})
    scores = vip.reference.similarities(vip.encode_symptoms(lines)[1:]).flatten()
    truth = (scores > scores.median()).long()  # the second line ranks these labels perfectly
    vip.reference = replace(vip.reference, labels=truth)
    perfect = ground(lines, vip)[1]
    assert perfect.auroc == 1 and perfect.interval is None and not any("AUROC" in note for note in perfect.notes)
    vip.reference = replace(vip.reference, labels=1 - truth)
    inverted = ground(lines, vip)[1]
    assert inverted.auroc == 0 and inverted.interval is None
    assert inverted.notes[-1] == "Favours the other classes: AUROC 0.00."

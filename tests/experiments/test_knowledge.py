"""Kinds of knowledge: written for a data set, whatever the spelling of its classes; names that are format strings."""

from dataclasses import replace

from tests.conftest import PROJECT
from vip_core.baselines.text import modality_template, template_ensemble
from vip_core.experiments.knowledge import LABELS, knowledge_sets
from vip_core.symptoms import SymptomSet

PNEUMONIA = SymptomSet.load(PROJECT / "assets" / "symptoms" / "pneumonia.json")


def test_written_knowledge_is_found_by_class_name_in_any_order_and_spelling():
    other = replace(PNEUMONIA, classes=("Pneumonia", "normal_LUNG"), symptoms=PNEUMONIA.symptoms[::-1])
    one, two = knowledge_sets(PNEUMONIA, "pneumonia", 1), knowledge_sets(other, "pneumonia", 1)
    assert set(one) == set(two) == set(LABELS)
    for kind in ("description", "clinical", "other"):
        assert two[kind].symptoms == one[kind].symptoms[::-1] and two[kind].classes == other.classes


def test_other_classes_of_the_same_data_have_no_written_knowledge():
    other = replace(PNEUMONIA, classes=("bacterial", "viral"))
    assert set(knowledge_sets(other, "pneumonia", 1)) == {"visual", "name", "random"}


def test_braces_in_the_modality_stay_as_they_are():
    symptoms = replace(PNEUMONIA, modality="radiograph {AP}")
    assert modality_template(symptoms).format("pneumonia") == "a radiograph {AP} of pneumonia"
    assert "this radiograph {AP} shows pneumonia" in [each.format("pneumonia") for each in template_ensemble(symptoms)]

"""Zero-shot: the arithmetic of the mean similarity, exact terms, and CLIP's own classifier as a special case."""

import pytest
import torch
from torch.nn import functional as F

from vip_core.errors import PromptTooLong
from vip_core.models.reference import ReferenceBank
from vip_core.scoring.zero_shot import ZeroShot, article, class_prompts
from vip_core.symptoms import SymptomSet


@pytest.fixture
def bank():
    torch.manual_seed(0)
    return ReferenceBank.build(torch.randn(90, 8), torch.arange(90) % 3, torch.randn(40, 8), seed=0)


@pytest.fixture
def zero_shot(backbone, bank):
    return ZeroShot(backbone, bank)


def test_diagnose_scores_a_class_by_the_mean_cosine_times_the_scale(zero_shot, backbone, symptoms):
    features = torch.randn(5, 8)
    text = F.normalize(backbone.encode_prompts(symptoms.texts), dim=-1)
    cosines = F.normalize(features, dim=-1) @ text.T
    for b, diagnosis in enumerate(zero_shot.diagnose_all(features, symptoms)):
        expected = torch.stack([group.mean() for group in cosines[b].split(symptoms.counts)])
        expected = expected * backbone.logit_scale.exp()
        assert list(diagnosis.logits.values()) == pytest.approx(expected.tolist(), abs=1e-4)
        assert list(diagnosis.probabilities.values()) == pytest.approx(expected.softmax(-1).tolist(), abs=1e-5)
        assert [symptom.similarity for symptom in diagnosis.symptoms] == pytest.approx(cosines[b].tolist(), abs=1e-5)


def test_diagnose_has_no_class_term(zero_shot, symptoms):
    diagnosis = zero_shot.diagnose(torch.randn(8), symptoms)
    assert set(diagnosis.class_terms.values()) == {0.0}
    for name, logit in diagnosis.logits.items():
        own = [symptom for symptom in diagnosis.symptoms if symptom.class_name == name]
        assert sum(symptom.contribution for symptom in own) == pytest.approx(logit, abs=1e-5)
        assert sum(symptom.attention for symptom in own) == pytest.approx(1)


def test_diagnose_with_class_prompts_is_clips_own_classifier(zero_shot, backbone, symptoms):
    prompts = class_prompts(symptoms)
    image, text = torch.randn(1, 8), backbone.encode_prompts(prompts.texts)
    expected = backbone.logit_scale.exp() * F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).T
    assert list(zero_shot.diagnose(image[0], prompts).logits.values()) == pytest.approx(expected[0].tolist(), abs=1e-4)


def test_class_prompts_have_modality_and_name():
    classes = ("normal lung", "pneumonia")
    films = SymptomSet(classes, (("a",), ("b", "c")), "chest X-ray")
    assert class_prompts(films).symptoms == (("a chest X-ray of normal lung",), ("a chest X-ray of pneumonia",))
    scans = SymptomSet(classes, (("a",), ("b",)), "ultrasound image")
    assert class_prompts(scans).texts[1] == "an ultrasound image of pneumonia"
    assert class_prompts(SymptomSet(classes, (("a",), ("b",)))).texts[1] == "a photo of pneumonia"


def test_percentile_and_separation_are_those_of_the_plain_sentences(zero_shot, backbone, bank, symptoms):
    text = backbone.encode_prompts(symptoms.texts)
    features = torch.randn(1, 8)
    similarity = F.normalize(features, dim=-1) @ F.normalize(text, dim=-1).T
    found = [symptom.percentile for symptom in zero_shot.diagnose(features[0], symptoms).symptoms]
    assert found == pytest.approx(bank.percentile(text, similarity)[0].tolist())
    expected = [auroc for c, group in enumerate(text.split(symptoms.counts)) for auroc in bank.separation(group, c)]
    assert zero_shot.separations(symptoms) == pytest.approx(expected)
    assert zero_shot.separations(symptoms) == pytest.approx(expected)  # and again, from what is known by now


def test_diagnose_checks_the_domain_of_the_image(zero_shot, bank, symptoms):
    features = torch.randn(1, 8)
    assert zero_shot.diagnose(features[0], symptoms).domain == bank.check(features)[0]


def test_diagnose_without_reference_images_has_no_percentile_and_no_check(backbone, symptoms):
    plain = ZeroShot(backbone)
    diagnosis = plain.diagnose(torch.randn(8), symptoms)
    assert diagnosis.domain is None and {symptom.percentile for symptom in diagnosis.symptoms} == {None}
    assert set(plain.separations(symptoms)) == {None}


def test_diagnose_encodes_only_new_symptoms(zero_shot, backbone, symptoms):
    zero_shot.diagnose(torch.randn(8), symptoms)
    rows = []
    hook = backbone.clip.ln_final.register_forward_pre_hook(lambda module, arguments: rows.append(len(arguments[0])))
    zero_shot.diagnose(torch.randn(8), symptoms.edited("normal", ["a new line", "clear lungs"]))
    hook.remove()
    assert rows == [1]


def test_diagnose_is_unchanged_after_a_refused_symptom(zero_shot, symptoms):
    features = torch.randn(8)
    before = zero_shot.diagnose(features, symptoms)
    with pytest.raises(PromptTooLong):
        zero_shot.diagnose(features, symptoms.edited("normal", ["word " * 500]))
    assert zero_shot.diagnose(features, symptoms) == before


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("X-ray", "an"), ("chest X-ray", "a"), ("MRI scan", "an"), ("CT scan", "a"), ("ultrasound image", "an"),
        ("OCT scan", "an"), ("US image", "a"), ("PET scan", "a"), ("axial MRI", "an"), ("uterine scan", "a"),
        ("dermoscopic image", "a"), ("H&E-stained section", "an"), ("endoscopic view", "an"), ("EUS image", "an"),
    ],
)  # fmt: skip
def test_article_follows_the_sound(kind, expected):
    assert article(kind) == expected


def test_diagnose_is_never_calibrated(zero_shot, symptoms):
    assert zero_shot.diagnose(torch.randn(8), symptoms).calibrated is False

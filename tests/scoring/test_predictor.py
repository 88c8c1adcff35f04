"""The predictor runs the image tower once, then encodes only the symptoms that changed."""

import copy
import io
import json
import pickle
import threading

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import PROJECT
from vip_core.errors import ImageError, PromptTooLong, SymptomError
from vip_core.models.reference import ReferenceBank
from vip_core.models.vip import ViP
from vip_core.scoring.predictor import Predictor
from vip_core.symptoms import SymptomSet

EXAMPLE = sorted((PROJECT / "assets" / "examples" / "pneumonia").glob("*.jp*g"))[0]


@pytest.fixture
def vip(backbone, symptoms):
    torch.manual_seed(0)
    vip = ViP(backbone, symptoms).eval().requires_grad_(False)
    vip.temperature = 2.0
    vip.reference = ReferenceBank.build(torch.randn(90, 8), torch.arange(90) % 3, torch.randn(40, 8), seed=0)
    return vip


@pytest.fixture
def predictor(vip):
    predictor = Predictor(vip)
    predictor.set_image(Image.new("RGB", (40, 60), (90, 120, 30)))
    return predictor


def count_rows(backbone) -> list[int]:
    """Numbers of text rows in each later pass of the text tower."""
    rows = []
    backbone.clip.ln_final.register_forward_pre_hook(lambda module, arguments: rows.append(len(arguments[0])))
    return rows


def test_score_is_the_arithmetic_of_the_model(vip, predictor):
    features = predictor.encode(Image.new("RGB", (40, 60), (90, 120, 30)))
    diagnosis = predictor.score()
    logits = vip(features[None])[0]
    assert list(diagnosis.logits.values()) == pytest.approx(logits.tolist(), abs=1e-4)
    assert list(diagnosis.probabilities.values()) == pytest.approx((logits / 2.0).softmax(-1).tolist(), abs=1e-5)
    assert diagnosis.prediction == vip.symptoms.classes[int(logits.argmax())]
    for name, logit in diagnosis.logits.items():
        own = [symptom.contribution for symptom in diagnosis.symptoms if symptom.class_name == name]
        assert diagnosis.class_terms[name] + sum(own) == pytest.approx(logit, abs=1e-4)
    assert [symptom.symptom for symptom in diagnosis.symptoms] == vip.symptoms.texts
    assert all(0 <= symptom.percentile <= 100 for symptom in diagnosis.symptoms)


def test_diagnosis_to_dict_has_the_documented_fields(predictor):
    data = json.loads(json.dumps(predictor.score().to_dict()))
    assert list(data) == ["prediction", "probabilities", "logits", "class_terms", "symptoms", "domain", "calibrated"]
    assert list(data["symptoms"][0]) == ["class", "symptom", "similarity", "percentile", "contribution", "attention"]
    assert list(data["domain"]) == ["in_domain", "score", "threshold", "near_miss"]


def test_score_encodes_only_the_changed_symptom_and_never_the_image(vip, predictor, symptoms):
    predictor.score()
    rows, images = count_rows(vip.backbone), []
    vip.backbone.clip.visual.register_forward_pre_hook(lambda module, arguments: images.append(1))
    before = predictor.score()
    assert rows == []
    edited = symptoms.edited("viral", ["streaks", "cobwebs", *symptoms.symptoms[2][2:]])
    after = predictor.score(edited)
    assert rows == [1] and images == []
    assert after != before
    assert predictor.score(symptoms) == before  # and back, without encoding anything
    assert rows == [1]


def test_score_encodes_a_repeated_symptom_once(vip, predictor, symptoms):
    rows = count_rows(vip.backbone)
    predictor.score(SymptomSet(symptoms.classes, (("haze",), ("haze", "haze"), ("haze", "smoke"))))
    assert rows == [2]


def test_score_with_class_contexts_tells_equal_symptoms_apart(backbone, symptoms):
    torch.manual_seed(0)
    vip = ViP(backbone, symptoms, class_context=True).eval().requires_grad_(False)
    torch.nn.init.normal_(vip.context_prompt.vectors)
    predictor = Predictor(vip)
    predictor.set_features(torch.randn(8))
    same = SymptomSet(symptoms.classes, (("haze",), ("haze",), ("haze",)))
    assert len({round(symptom.similarity, 5) for symptom in predictor.score(same).symptoms}) == 3


def test_diagnose_all_equals_diagnose_of_each_image(predictor):
    features = torch.randn(5, 8)
    for one, diagnosis in zip(features, predictor.diagnose_all(features), strict=True):
        alone = predictor.diagnose(one)
        assert alone.prediction == diagnosis.prediction
        assert alone.logits == pytest.approx(diagnosis.logits, abs=1e-5)


def test_score_matches_classes_by_name(predictor, symptoms):
    turned = symptoms.ordered(reversed(symptoms.classes))
    assert predictor.score(turned) == predictor.score(symptoms)
    with pytest.raises(SymptomError, match="The classes do not match"):
        predictor.score(SymptomSet(("a", "b"), (("x",), ("y",))))


def test_score_before_set_image_names_the_missing_call(vip):
    with pytest.raises(RuntimeError, match="call set_image first"):
        Predictor(vip).score()


def test_score_is_unchanged_after_a_refused_symptom(predictor, symptoms):
    before = predictor.score()
    with pytest.raises(PromptTooLong, match="shorten it"):
        predictor.score(symptoms.edited("normal", ["word " * 500]))
    assert predictor.score() == before


def test_score_returns_html_and_emoji_as_typed(predictor, symptoms):
    line = "<img src=x onerror=alert(1)> 🫁 $x^2$"
    diagnosis = predictor.score(symptoms.edited("normal", [line]))
    assert diagnosis.symptoms[0].symptom == line


def test_predictor_can_be_shared_by_threads(predictor, symptoms):
    features = torch.randn(8, 8)
    sets = [symptoms.edited("normal", [f"sign number {i}"]) for i in range(8)]
    alone = [Predictor(predictor.vip).diagnose(features[i], sets[i]) for i in range(8)]
    found: dict[int, object] = {}

    def work(i: int) -> None:
        for _ in range(5):
            found[i] = predictor.diagnose(features[i], sets[i])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(8):
        assert found[i].logits == pytest.approx(alone[i].logits, abs=1e-4)
        assert found[i].symptoms[0].symptom == f"sign number {i}"


def test_separations_are_those_of_each_symptoms_class(predictor, symptoms):
    values = predictor.separations(symptoms)
    text = predictor.vip.encode_symptoms().split(symptoms.counts)
    assert values[1] == pytest.approx(predictor.vip.reference.separation(text[1], 1)[0], abs=1e-6)
    assert len(values) == 9 and all(0 <= value <= 1 for value in values)


def test_score_of_an_edit_encodes_one_symptom_of_the_shipped_model():
    predictor = Predictor(ViP.from_pretrained("pneumonia"))
    predictor.set_image(EXAMPLE)
    symptoms = predictor.symptoms
    predictor.score()
    rows = count_rows(predictor.vip.backbone)
    for i in range(9):
        predictor.score(symptoms.edited("pneumonia", [f"white patch number {i}", *symptoms.symptoms[1][1:]]))
    assert rows == [1] * 9


def test_set_image_takes_a_path_a_picture_an_array_bytes_and_a_file(predictor):
    with Image.open(EXAMPLE) as image:
        picture = image.convert("RGB")
    expected = predictor.encode(picture)
    data = EXAMPLE.read_bytes()
    with EXAMPLE.open("rb") as file:
        for source in (EXAMPLE, str(EXAMPLE), np.asarray(picture), data, file, io.BytesIO(data)):
            predictor.set_image(source)
            assert predictor.score() == predictor.diagnose(expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_set_image_takes_a_grey_array_as_the_picture_it_is(predictor, dtype):
    tones = (np.arange(64 * 48).reshape(64, 48) % 251 * (257 if dtype is np.uint16 else 1)).astype(dtype)
    assert torch.equal(predictor.encode(tones), predictor.encode(Image.fromarray(tones)))


NOT_IMAGES = {
    "floats": np.zeros((4, 4)),
    "empty": np.zeros((0, 4), np.uint8),
    "seven channels": np.zeros((4, 4, 7), np.uint8),
    "None": None,
    "number": 3,
    "text file": io.StringIO("x"),
    "bytes of no image": b"no",
}


@pytest.mark.parametrize("kind", NOT_IMAGES)
def test_set_image_refuses_what_is_not_an_image(predictor, kind):
    with pytest.raises(ImageError) as caught:
        predictor.set_image(NOT_IMAGES[kind])
    assert "\n" not in str(caught.value)


def test_score_many_gives_a_diagnosis_or_an_error_per_path_in_order(predictor, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_text("no image")
    first, second, third = predictor.score_many([EXAMPLE, bad, str(EXAMPLE)])
    assert isinstance(second, ImageError)
    for found in (first, third):
        assert found.logits == pytest.approx(predictor.diagnose(predictor.encode(EXAMPLE)).logits, abs=1e-3)


def test_score_tells_what_the_image_reader_remarks(predictor, tmp_path):
    values = np.arange(4096, dtype=np.uint16).reshape(64, 64) % 500
    values[8, 8] = 65535
    hot = tmp_path / "hot.png"
    Image.fromarray(values).save(hot)
    predictor.set_image(hot)
    found = predictor.score()
    assert len(found.remarks) == 1 and "extreme values" in found.remarks[0]
    assert found.to_dict()["remarks"] == list(found.remarks)
    assert [each.remarks for each in predictor.score_many([EXAMPLE, hot])] == [(), found.remarks]
    predictor.set_features(predictor.encode(EXAMPLE))
    assert predictor.score().remarks == ()
    predictor.set_image(EXAMPLE)
    assert "remarks" not in predictor.score().to_dict()


def test_score_many_refuses_a_symptom_before_it_reads_an_image(predictor, symptoms):
    with pytest.raises(PromptTooLong):
        next(predictor.score_many([EXAMPLE], symptoms.edited("normal", ["word " * 500])))


def test_score_takes_a_dictionary_of_symptoms(predictor, symptoms):
    edited = symptoms.edited("normal", ["haze"])
    lists = {name: list(texts) for name, texts in zip(edited.classes, edited.symptoms, strict=True)}
    assert predictor.score(dict(reversed(lists.items()))) == predictor.score(edited)
    with pytest.raises(SymptomError, match="The symptoms of “normal” are not a list"):
        predictor.score(lists | {"normal": "haze"})


def test_diagnosis_is_calibrated_only_under_the_symptoms_of_the_training(trained, predictor):
    assert not predictor.score().calibrated  # a model without a card was never calibrated
    own = Predictor.from_pretrained(str(trained))
    own.set_features(torch.randn(8))
    assert own.score().calibrated
    assert own.score(own.symptoms.ordered(reversed(own.symptoms.classes))).calibrated
    edited = own.symptoms.edited("dark", ["a wooden table"])
    assert not own.score(edited).calibrated and own.score(edited).to_dict()["calibrated"] is False
    own.vip.symptoms = edited
    assert not own.score().calibrated


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda predictor: pickle.loads(pickle.dumps(predictor))])
def test_predictor_can_be_copied_and_pickled(predictor, symptoms, copied):
    again = copied(predictor)
    assert again.score() == predictor.score()
    before = predictor.score(symptoms.edited("normal", ["haze"]))
    with torch.no_grad():
        again.vip.backbone.clip.token_embedding.weight.zero_()
    assert predictor.score(symptoms.edited("normal", ["haze"])) == before
    assert again.score(symptoms.edited("normal", ["fog"])) != predictor.score(symptoms.edited("normal", ["fog"]))


def test_predictor_runs_the_text_tower_in_float32(vip, predictor, symptoms):
    """Even where training uses bfloat16: a result must not depend on how the model was trained."""
    vip.fast_training = True
    context = vip.context_prompt.vectors.detach()
    exact = vip.backbone.encode_prompts(symptoms.texts, context)
    assert torch.equal(predictor.encode_symptoms(symptoms), exact)
    assert not torch.equal(exact, vip.backbone.encode_prompts(symptoms.texts, context, autocast=True))

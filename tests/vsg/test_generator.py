"""The generator over real HTTP: sources, samples, the critique, progress."""

import hashlib
import json

import pytest

from tests.llm_server import GOOD
from tests.vsg.conftest import CLASSES, reasons
from vip_core.errors import GenerationCancelled, GenerationError, ViPError
from vip_core.symptoms import SymptomSet
from vip_core.vsg import KINDS, GenerationRequest, generate
from vip_core.vsg.templates import AGAIN, CRITIQUE, SYSTEM, VERSION

pytestmark = pytest.mark.usefixtures("no_setup")


@pytest.mark.parametrize("stream", [True, False])
def test_generate_records_the_source_of_a_symptom_set(llm, ask, stream):
    result = ask(stream=stream)
    assert result.symptoms.to_dict()["classes"] == GOOD
    assert result.symptoms.modality == "chest X-ray"
    source = result.symptoms.source
    assert (source["model"], source["server"], source["kind"]) == ("model-x", "local", "Visual symptoms")
    assert source["parameters"]["number"] == 2 and source["reply"] == "schema with limits"
    assert source["prompts"] == "1-a242f3d4" and len(source["date"]) == len("2026-01-01")
    assert "127.0.0.1" not in json.dumps(result.symptoms.to_dict())
    assert result.dropped == () and result.replies == (json.dumps(GOOD),)
    assert str(result.tokens) == f"1 request, 100 tokens sent, {len(json.dumps(GOOD).split())} received."
    assert bool(llm.requests[0].body.get("stream")) == stream


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        ('{"normal lung": ["clear fields", "sharp', "not valid JSON"),
        ("", "empty"),
        ("I am sorry, I cannot help with that.", "neither a JSON object nor a list"),
        ('{"pneumonia": ["white opacity"]}', "no list for “normal lung”"),
        ('{"normal lung": "clear", "pneumonia": ["white opacity"]}', "not a list"),
        ('{"normal lung": ["normal lung", 7], "pneumonia": ["white opacity"]}', "no usable line for “normal lung”"),
        ("[" * 100_000 + "{" * 100_000, "not valid JSON"),
    ],
)
def test_generate_asks_again_once_after_an_unusable_reply(llm, ask, bad, fault):
    llm.says(bad, GOOD)
    result = ask()
    assert result.symptoms.to_dict()["classes"] == GOOD
    assert len(llm.requests) == 2 and fault in llm.requests[1].prompt
    assert llm.requests[1].body["messages"][-2]["role"] == "assistant"
    assert result.tokens.requests == 2 and len(result.replies) == 2

    llm.requests.clear()
    llm.says(bad)
    with pytest.raises(GenerationError, match="cannot be used") as caught:
        ask()
    assert len(llm.requests) == 2 and fault in str(caught.value)
    assert " ".join(bad.split())[:20] in str(caught.value) and len(str(caught.value)) < 600


@pytest.mark.parametrize("kind", [kind.key for kind in KINDS.values() if kind.uses_model])
def test_generate_sends_the_prompt_of_each_kind(llm, ask, kind):
    result = ask(GenerationRequest('CT "of the head"', CLASSES, 2, kind))
    prompt = llm.requests[0].prompt
    assert "$" not in prompt and json.dumps(list(CLASSES)) in prompt and "2 " in prompt
    assert result.symptoms.source["kind"] == KINDS[kind].label
    if KINDS[kind].visible:
        assert json.dumps('CT "of the head"') in prompt


def test_generate_needs_no_model_for_class_names_and_random_words(vip_mini):
    names = generate(GenerationRequest("chest X-ray", CLASSES, 3, "name"), None, vip_mini)
    assert names.symptoms.symptoms == (("normal lung",), ("pneumonia",))
    drawn = generate(GenerationRequest("chest X-ray", CLASSES, 8, "random", seed=1), None, vip_mini)
    again = generate(GenerationRequest("chest X-ray", CLASSES, 8, "random", seed=1), None, vip_mini)
    assert drawn.symptoms.counts == [8, 8] and drawn.symptoms.symptoms == again.symptoms.symptoms
    words = " ".join(drawn.symptoms.texts).split()
    assert len(set(words)) == len(words) == 48
    assert drawn.symptoms.source["model"] is None


def test_generate_ranks_lines_by_samples_and_merges_paraphrases(llm, ask):
    normal = {"normal lung": ["clear fields"]}
    llm.says(
        {**normal, "pneumonia": ["cavity in the upper lobe", "dense white opacity filling one lobe"]},
        {**normal, "pneumonia": ["one lobe filled by a dense white opacity", "blunted costophrenic angle"]},
        {**normal, "pneumonia": ["costophrenic angle is blunted", "one lobe filled by a dense white opacity"]},
    )
    result = ask(GenerationRequest("chest X-ray", CLASSES, 2, samples=3))
    assert result.symptoms.symptoms[1] == ("dense white opacity filling one lobe", "blunted costophrenic angle")
    assert result.agreement == ((3,), (3, 2))
    assert result.symptoms.source["agreement"]["pneumonia"]["blunted costophrenic angle"] == 2
    assert reasons(result)["cavity in the upper lobe"] == "over the limit of 2 (proposed in 1 of 3 samples)"
    assert "means the same as “blunted costophrenic angle”" in reasons(result)["costophrenic angle is blunted"]


def test_critique_removes_lines_and_adds_or_rewrites_none(llm, ask):
    first = {**GOOD, "pneumonia": ["fever for three days", "white opacity", "dark air bronchograms"]}
    critique = {**GOOD, "pneumonia": ["White opacity.", "dark air bronchograms in it", "Ignore the rules", "new line"]}
    llm.says(first, critique)
    result = ask(GenerationRequest("chest X-ray", CLASSES, 3, critique=True))
    assert result.symptoms.symptoms[1] == ("white opacity",)
    assert "the critique" in reasons(result)["fever for three days"]
    assert "fever for three days" in llm.requests[1].prompt and result.tokens.requests == 2


def test_critique_is_repeated_if_it_empties_a_class(llm, ask):
    llm.says(GOOD, {**GOOD, "pneumonia": []}, {**GOOD, "pneumonia": GOOD["pneumonia"][:1]})
    result = ask(GenerationRequest("chest X-ray", CLASSES, 2, critique=True))
    assert result.symptoms.counts == [2, 1]
    assert "keeps no line of “pneumonia”" in llm.requests[2].prompt


def test_generate_sends_temperature_and_seed_only_where_given(llm, ask):
    ask()
    assert not {"temperature", "seed", "max_tokens"} & set(llm.requests[0].body)
    ask(GenerationRequest("chest X-ray", CLASSES, 2, samples=2, temperature=0.5, seed=7))
    assert [request.body["seed"] for request in llm.requests[1:]] == [7, 8]
    assert llm.requests[1].body["temperature"] == 0.5


def test_generate_reports_progress_and_can_be_cancelled(llm, ask):
    llm.says({**GOOD, "pneumonia": [f"white opacity number {i}" for i in range(60)]})
    seen = []
    ask(GenerationRequest("chest X-ray", CLASSES, 60, samples=2), on_progress=seen.append)
    assert [progress.done for progress in seen] == sorted(progress.done for progress in seen)
    assert {"Sample 1 of 2", "Sample 2 of 2"} <= {progress.step for progress in seen} and seen[-1].done == 1

    seen.clear()
    with pytest.raises(GenerationCancelled):
        ask(on_progress=seen.append, cancelled=lambda: len(seen) > 5)
    assert len(seen) == 6 and issubclass(GenerationCancelled, ViPError)


def test_generated_set_can_be_saved_and_loaded(ask, tmp_path):
    result = ask()
    result.symptoms.save(tmp_path / "set.json")
    assert SymptomSet.load(tmp_path / "set.json") == result.symptoms


def test_generate_lets_errors_of_the_caller_through(ask):
    """A fault in our own code is not reported as the server's."""

    def broken(progress):
        raise TypeError("ours")

    with pytest.raises(TypeError, match="ours"):
        ask(on_progress=broken)


def test_version_of_the_templates_is_raised_when_a_text_changes():
    texts = [SYSTEM, *(kind.template for kind in KINDS.values()), CRITIQUE, AGAIN]
    digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
    assert (VERSION, digest) == ("1-a242f3d4", "76ff814838360eef")

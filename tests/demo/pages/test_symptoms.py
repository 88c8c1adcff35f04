"""The Symptoms page without a browser: lists as text, where they can be used, and whose language model is asked."""

import json
import logging
import threading
import time

import httpx
import pytest

from demo.build import build_demo, launch_settings
from demo.pages import symptoms as page
from demo.render.listing import dropped_lines, findings_table, from_text, sources, to_text
from demo.settings import Settings
from demo.state import generation as generating
from demo.state.generation import Allowance, choose_server, host_serves, may_set_base_url
from tests.llm_server import Answer
from vip_core.errors import GenerationCancelled, GenerationError, SymptomError, UsageError
from vip_core.symptoms import SymptomSet
from vip_core.vsg import Dropped, GenerationRequest, Server, ground

pytestmark = pytest.mark.usefixtures("no_setup")
KEY = "sk-NobodyMaySeeThisKey-1961"
EVIL = "<img src=x onerror=alert(1)>"
GOOD = {"normal lung": ["clear dark lung fields"], "pneumonia": ["dense white opacity in one lobe", "air bronchograms"]}


@pytest.fixture
def llm(llm):
    llm.says(GOOD)
    return llm


# ---- lists as text


@pytest.mark.parametrize("name", page.libraries())
def test_a_library_survives_the_editor(name):
    symptoms = page.libraries()[name]
    assert from_text(to_text(symptoms), symptoms.modality, symptoms.source) == symptoms


def test_a_pasted_symptom_file_is_read_in_either_form():
    symptoms = page.libraries()["pneumonia"]
    assert from_text(json.dumps(symptoms.to_dict())) == symptoms
    assert from_text(json.dumps(symptoms.to_dict()["classes"]), "chest X-ray", symptoms.source) == symptoms


def test_blank_lines_space_and_lines_switched_off_do_not_count():
    read = from_text("\n [ a ] \n\n  one \n# two\n[b]\nthree\n")
    assert (read.classes, read.symptoms) == (("a", "b"), (("one",), ("three",)))


def test_a_symptom_in_brackets_does_not_become_a_class():
    symptoms = SymptomSet(("a", "b"), (("[x]",), ("y",)))
    assert from_text(to_text(symptoms)).classes == ("a", "b")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "at least two classes"),
        ("one", "does not begin with a class"),
        ("[a]\n[b]\nx", "“a” has no symptom"),
        ("[a]\nx\n[A]\ny", "listed twice"),
        ("[a]\n" + "x\n" * 65 + "[b]\ny", "limit is 64"),
        ("x" * 100_001, "the limit is 100,000"),
        ("\n".join(f"[{i}]\nx" for i in range(65)), "the limit is 64"),
        ("{" * 50, "JSON"),
        ('{"a":' * 100_00, "JSON"),
        ('{"classes": {"a": 1}}', "not a list"),
    ],
)
def test_what_is_no_list_is_one_sentence(tasks, text, words):
    with pytest.raises(SymptomError, match=words):
        from_text(text)
    updates = page.check(tasks, "", text)
    assert words in updates["notes"].replace("&quot;", '"') and "findings" not in updates


def test_texts_from_outside_are_escaped():
    made = sources({"author": EVIL, EVIL: [EVIL], "x": {"y": EVIL}}) + dropped_lines([Dropped(EVIL, EVIL, EVIL)])
    assert "<img" not in made and made.count("&lt;img") == 7


def test_every_library_of_a_task_is_grounded_and_others_say_nothing(tasks):
    for symptoms in page.libraries().values():
        updates = page.check(tasks, symptoms.modality, to_text(symptoms))
        assert f"{len(symptoms.texts)} symptoms" in updates["notes"]
        assert ("<table>" in updates["findings"]) == any(
            set(symptoms.classes) == set(t.classes) for t in tasks.values()
        )
    vip = tasks["pneumonia"].predictor.vip
    found = ground(vip.symptoms, vip)
    table = findings_table(found, "How far to trust it.")
    assert table.count("<tr>") == len(vip.symptoms.texts) + 1
    assert f"<td>{found[0].auroc:.2f} (" in table and "it favours another class. How far to trust it." in table


def test_a_file_keeps_its_source_and_says_whether_it_was_edited():
    first = page.libraries()["pneumonia"]
    text = page.as_json(first, first.modality, to_text(first), None)["payload"]
    assert SymptomSet.from_dict(json.loads(text)) == first
    text = page.as_json(first, first.modality, to_text(first).replace("dense", "thick"), None)["payload"]
    edited = SymptomSet.from_dict(json.loads(text))
    assert edited.source.keys() == {*first.source, "edited"} and edited.symptoms != first.symptoms
    assert page.as_json(first, "", "", None)["payload"] == ""


# ---- use in Diagnose


def test_a_list_goes_to_the_task_with_its_classes(tasks):
    updates = page.use_list(tasks, "[pneumonia]\nx\n[normal lung]\ny\nz")
    assert updates.pop("tabs").selected == "diagnose"
    put = json.loads(updates["diagnose"])["put"]
    assert put == {"task": "pneumonia", "lists": {"normal lung": ["y", "z"], "pneumonia": ["x"]}}
    assert updates["use note"] == ""


def test_a_list_of_other_classes_stays_and_names_the_command(tasks):
    updates = page.use_list(tasks, "[a]\nx\n[b]\ny")
    assert set(updates) == {"use note"} and "python -m vip_core.train" in updates["use note"]
    updates = page.use_list(tasks, "[a]")
    assert set(updates) == {"use note"} and "at least two classes" in updates["use note"]


# ---- whose language model is asked


def test_a_visitors_address_never_gets_the_hosts_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("VIP_LLM_MODEL", "host-model")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://llm.example/v1")
    settings = Settings(visitors_may_generate=True, visitors_may_set_base_url=True)
    server, hosts = choose_server(settings, "m", "http://127.0.0.1:9/v1", "", True)
    assert (server.key, hosts) == ("", False)
    server, hosts = choose_server(settings, "m", "", "sk-own", True)
    assert (server.key, server.base_url, hosts) == ("sk-own", "", False)  # to OpenAI, not to the host's server
    server, hosts = choose_server(settings, "", "", "", True)
    assert (server.key, server.model, hosts) == (KEY, "host-model", True)
    with pytest.raises(UsageError, match="cannot be changed"):
        choose_server(settings, "dearer-model", "", "", True)


def test_the_hosts_model_is_closed_until_the_host_opens_it(monkeypatch):
    assert not host_serves(Settings(visitors_may_generate=True))
    with pytest.raises(GenerationError, match="VIP_LLM_MODEL"):
        choose_server(Settings(visitors_may_generate=True), "", "", "", True)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("VIP_LLM_MODEL", "host-model")
    assert not host_serves(Settings()) and host_serves(Settings(visitors_may_generate=True))
    with pytest.raises(GenerationError, match="VIP_VISITORS_MAY_GENERATE"):
        choose_server(Settings(), "", "", "", True)


def test_an_address_is_refused_on_a_shared_host():
    with pytest.raises(UsageError, match="VIP_VISITORS_MAY_SET_BASE_URL"):
        choose_server(Settings(), "m", "http://169.254.169.254/v1", "k", False)
    assert may_set_base_url(Settings(), {})
    assert not may_set_base_url(Settings(), {"x-forwarded-for": "203.0.113.9"})  # a proxy lets others in
    assert not may_set_base_url(Settings(host="0.0.0.0"), {})
    assert not may_set_base_url(Settings(share=True), {})
    assert may_set_base_url(Settings(host="0.0.0.0", visitors_may_set_base_url=True), {})


def test_a_visitor_has_so_many_goes_an_hour(monkeypatch):
    allowance = Allowance(2)
    allowance.take("page a", "address 1")
    allowance.take("page b", "address 1")
    for names in (("page c", "address 1"), ("page a", "address 1")):
        with pytest.raises(UsageError, match="2 times"):
            allowance.take(*names)
    allowance.take("page d", "address 2")
    assert "address" not in repr(allowance._times)
    now = time.monotonic()
    monkeypatch.setattr(generating.time, "monotonic", lambda: now + 3601)
    allowance.take("page a", "address 1")
    assert len(allowance._times) == 2  # what is over is forgotten


def test_check_budget_bounds_one_use_as_a_whole():
    generating.check_budget(GenerationRequest("chest X-ray", ("a", "b"), number=20, samples=10))
    with pytest.raises(UsageError, match="language model is 400"):
        generating.check_budget(GenerationRequest("chest X-ray", tuple("abcdefgh"), number=20, samples=20))


def test_a_call_is_given_up_at_once_though_the_server_is_silent(tasks, llm):
    llm.says(Answer(json.dumps(GOOD), hang=30))
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    start = time.monotonic()
    with pytest.raises(GenerationCancelled):
        generating.generate_until(
            stop,
            GenerationRequest("chest X-ray", tuple(GOOD)),
            Server("m", llm.url),
            tasks["pneumonia"].predictor.vip.backbone,
            lambda step: None,
        )
    assert time.monotonic() - start < 5


# ---- the form over HTTP, as a page sends it


@pytest.fixture(scope="module")
def served(tasks):
    demo = build_demo(tasks, Settings(generate_limit=1, visitors_may_generate=True))
    _, url, _ = demo.launch(**launch_settings(), prevent_thread_lock=True, quiet=True)
    yield demo, url
    demo.close()


def send(served, session: str, *values: object) -> list:
    """Press Generate; gives what the page gets."""
    demo, url = served
    write = next(fn for fn in demo.fns.values() if getattr(fn.fn, "__name__", "") == "write")
    data = {"data": values, "fn_index": write._id, "session_hash": session}
    httpx.post(f"{url}gradio_api/queue/join", json=data).raise_for_status()
    with httpx.stream("GET", f"{url}gradio_api/queue/data?session_hash={session}", timeout=60) as stream:
        for line in stream.iter_lines():
            if line.startswith("data:") and (news := json.loads(line[5:]))["msg"] == "process_completed":
                return news["output"]["data"]
    raise AssertionError("nothing came back")


def form(llm, key: str = KEY, number: object = 2, classes: str = "normal lung\npneumonia") -> tuple:
    return "chest X-ray", classes, number, "visual", 1, False, "m", llm.url, key


def test_a_list_is_written_and_the_key_is_forgotten(served, llm, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    note, key, modality, text, *rest = send(served, "ann", *form(llm))
    assert (key, modality, text) == ("", "chest X-ray", to_text(SymptomSet.from_dict(GOOD)))
    assert llm.requests[-1].headers["authorization"] == f"Bearer {KEY}"
    session = served[0].state_holder.session_data["ann"]
    assert "3 symptoms" in note and KEY not in repr([note, text, *rest])
    assert KEY not in repr(session.config_values) + repr(session.state_data)
    said = capfd.readouterr()
    assert KEY not in caplog.text + said.out + said.err


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(status=401, body={"error": {"message": f"Incorrect API key provided: {KEY}"}}), "key"),
        (Answer(f"no JSON but {EVIL}"), "reply"),
    ],
)
def test_a_failure_is_one_sentence_without_the_key(served, llm, answer, words, capfd):
    llm.says(answer)
    note, key, *rest = send(served, f"ben-{words}", *form(llm))
    assert words in note and "<img" not in note and KEY not in note and key == ""
    assert all(value is None or (value["__type__"] == "update" and "value" not in value) for value in rest)
    session = served[0].state_holder.session_data[f"ben-{words}"]
    assert KEY not in repr(session.config_values)
    said = capfd.readouterr()
    assert KEY not in said.out + said.err and "Traceback" not in said.err


@pytest.mark.parametrize(("number", "classes"), [(0, "a\nb"), (None, "a\nb"), (2, "a"), (2, ""), (99, "a\nb")])
def test_odd_values_are_one_sentence(served, llm, number, classes, capfd):
    note, *_ = send(served, "cleo", *form(llm, number=number, classes=classes))
    assert 'role="alert"' in note and note.count("\n") == 0 and not llm.requests
    assert "Traceback" not in capfd.readouterr().err


def test_the_hosts_model_has_a_limit(served, llm, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", llm.url)
    monkeypatch.setenv("VIP_LLM_MODEL", "host-model")
    own = ("chest X-ray", "normal lung\npneumonia", 2, "visual", 1, False, "", "", "")
    assert "Written" in send(served, "dan", *own)[0]
    assert "limit" in send(served, "dan", *own)[0]
    assert "limit" in send(served, "eve", *own)[0]  # the same address
    assert "Written" in send(served, "eve", *form(llm))[0]  # a server of one's own has none


def test_the_key_is_forgotten_even_after_a_fault_of_ours(served):
    demo, _ = served
    write = next(fn for fn in demo.fns.values() if getattr(fn.fn, "__name__", "") == "write")
    after = [fn for fn in demo.fns.values() if fn.trigger_after == write._id and fn.trigger_only_on_failure]
    assert [fn.outputs[0].label for fn in after] == ["Key"] and after[0].fn() == ""

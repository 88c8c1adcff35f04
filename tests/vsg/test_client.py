"""The client against a real server on this machine: forms of reply, failures, the key."""

import json
import logging
import traceback

import pytest

from tests.llm_server import GOOD, Answer
from tests.vsg.conftest import CLASSES, KEY
from vip_core.errors import GenerationError
from vip_core.vsg import GenerationRequest, Server, generate

pytestmark = pytest.mark.usefixtures("no_setup")


def test_client_sends_a_schema_with_every_class_and_the_limits(llm, ask):
    ask()
    shape = llm.requests[0].body["response_format"]["json_schema"]
    assert shape["strict"] and shape["schema"]["required"] == list(CLASSES)
    assert not shape["schema"]["additionalProperties"]
    lists = shape["schema"]["properties"]["pneumonia"]
    assert (lists["minItems"], lists["maxItems"], lists["items"]["type"]) == (2, 2, "string")


@pytest.mark.parametrize("refusal", [400, 422, 501])
@pytest.mark.parametrize(
    ("refused", "form"),
    [
        ({"json_schema"}, "json_object+schema"),
        ({"json_schema", "json_object+schema"}, "json_object"),
        ({"json_schema", "json_object+schema", "json_object"}, "text"),
    ],
)
def test_client_keeps_the_strictest_form_of_reply_that_the_server_accepts(llm, ask, refused, form, refusal):
    llm.refused, llm.refusal = refused, refusal
    result = ask(GenerationRequest("chest X-ray", CLASSES, 2, samples=2), retries=0)
    assert result.symptoms.to_dict()["classes"] == GOOD
    assert llm.requests[-1].form == form
    assert [request.form for request in llm.requests].count("json_schema") == 2  # with and without limits; not again


def test_client_skips_the_schema_after_a_failure_about_response_format(llm, ask):
    """As llama-cpp-python does."""
    llm.refused, llm.refusal = {"json_schema"}, 500
    result = ask(retries=0)
    assert [request.form for request in llm.requests] == ["json_schema", "json_object+schema"]
    assert result.symptoms.source["reply"] == "JSON by schema"


def test_client_sends_a_schema_without_limits_where_limits_are_refused(llm, ask):
    llm.limits_refused = True
    assert ask().symptoms.source["reply"] == "schema"


def test_client_reads_the_reply_of_a_server_that_does_not_stream(llm, ask):
    llm.says(Answer(json.dumps(GOOD), stream=False))
    assert ask(stream=True).symptoms.to_dict()["classes"] == GOOD


def test_client_refuses_a_reply_without_end(llm, ask):
    llm.says("x" * 1_000_100)
    for stream in (True, False):
        with pytest.raises(GenerationError, match="more than 1,000,000 characters"):
            ask(stream=stream)


def test_client_waits_as_long_as_retry_after_says(llm, ask):
    llm.says(Answer(status=429, headers={"Retry-After": "1"}, body={"error": {"message": "slow down"}}), GOOD)
    assert ask().symptoms.to_dict()["classes"] == GOOD
    assert llm.requests[1].at - llm.requests[0].at >= 1


def test_client_retries_a_failing_server_with_growing_pauses(llm, ask):
    llm.says(Answer(status=500), Answer(status=503), GOOD)
    assert ask().symptoms.to_dict()["classes"] == GOOD
    first, second, third = (request.at for request in llm.requests)
    assert 0.3 < second - first < third - second


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (500, {"error": {"message": "out of memory"}}, "failed in 1 attempt (status 500), it replied “out of memory”"),
        (429, {"error": {"message": "quota"}}, "Rate limit or quota exceeded (status 429)"),
        (401, {"error": {"message": f"Incorrect API key provided: {KEY[:8]}****{KEY[-4:]}"}}, "refused the key"),
        (403, {}, "refused the key (status 403)"),
        (404, {"error": {"message": "no such model"}}, "has no model “model-x”"),
        (400, {"error": {"message": "context\nwindow exceeded"}}, "(status 400), it replied “context window exceeded”"),
        (400, {"error": {"message": f"header was Bearer {KEY}"}}, "refused the request (status 400); check"),
        (400, [1, 2], "refused the request (status 400)"),
        (400, "<html>no</html>", "refused the request (status 400)"),
        (307, {}, "refused the request (status 307)"),
    ],
)
def test_client_turns_a_refusal_into_one_sentence_without_the_key(llm, ask, status, body, sentence):
    llm.says(Answer(status=status, body=body, headers={"Location": "http://127.0.0.1:9/v1"} if status == 307 else {}))
    with pytest.raises(GenerationError) as caught:
        ask(key=KEY, retries=0)
    message = str(caught.value)
    assert sentence in message and "\n" not in message
    assert KEY not in message and KEY[:8] not in message and KEY[-4:] not in message


@pytest.mark.parametrize("amid", [False, True])
def test_client_gives_up_a_server_that_hangs(llm, ask, amid):
    llm.says(Answer(json.dumps(GOOD), hang=10, amid=amid))
    with pytest.raises(GenerationError, match=r"did not answer within 0\.4 seconds"):
        ask(timeout=0.4, retries=1)
    assert len(llm.requests) == (1 if amid else 2)


def test_client_names_a_server_that_cannot_be_reached(vip_mini):
    server = Server("m", "http://127.0.0.1:9/v1", retries=0)
    with pytest.raises(GenerationError, match="cannot be reached"):
        generate(GenerationRequest("chest X-ray", CLASSES), server, vip_mini)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (Answer(body="<html>welcome</html>", content_type="text/html"), "does not follow the OpenAI API"),
        (Answer(body='{"choices": 7}'), "does not follow the OpenAI API"),
        (Answer(body="[]"), "does not follow the OpenAI API"),
        (Answer(body="{nonsense"), "does not follow the OpenAI API"),
        (Answer(body="data: {nonsense\n\n", content_type="text/event-stream"), "does not follow the OpenAI API"),
        (Answer(body='{"choices": []}'), "cannot be used"),
    ],
)
def test_client_names_an_answer_that_is_no_chat_completion(llm, ask, answer, sentence):
    llm.says(answer)
    with pytest.raises(GenerationError, match=sentence):
        ask()


def test_tokens_stay_unknown_where_the_server_reports_none(llm, ask):
    llm.says(Answer(json.dumps(GOOD), usage=False))
    result = ask()
    assert result.tokens.sent is None and "did not report" in str(result.tokens)


def test_client_sends_the_key_and_shows_it_nowhere(llm, ask, caplog, capsys):
    echo = {**GOOD, "pneumonia": [*GOOD["pneumonia"], f"opacity {KEY}"]}
    with caplog.at_level(logging.DEBUG):
        llm.says(Answer(status=500), echo)
        result = ask(key=KEY)
        llm.says(Answer(status=401, body={"error": {"message": KEY}}))
        with pytest.raises(GenerationError) as caught:
            ask(key=KEY)
    assert llm.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert caught.value.__cause__ is None and caught.value.__context__ is None
    shown = [
        caplog.text,
        *capsys.readouterr(),
        repr(result),
        json.dumps(result.symptoms.to_dict()),
        "".join(traceback.format_exception(caught.value)),
        repr(Server("m", llm.url, KEY)),
        str(Server("m", llm.url, KEY)),
    ]
    assert not any(KEY in text for text in shown)


def test_client_sends_nothing_else_of_the_environment(llm, ask, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-secret")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"X-Gateway: gateway-secret\nAuthorization: Bearer {KEY}")
    ask()  # a server without a key
    sent = json.dumps(llm.requests[0].headers)
    assert "secret" not in sent and KEY not in sent

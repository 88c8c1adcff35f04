"""Which server is asked, and which requests are refused before any is sent."""

import pytest

from tests.vsg.conftest import CLASSES, KEY
from vip_core.errors import GenerationError, SymptomError, UsageError
from vip_core.vsg import NOT_SET_UP, GenerationRequest, Server, generate, is_local, server_from_environment

pytestmark = pytest.mark.usefixtures("no_setup")


def test_server_from_environment_names_the_variables_where_nothing_is_set_up(vip_mini):
    with pytest.raises(GenerationError) as caught:
        server_from_environment()
    assert str(caught.value) == NOT_SET_UP
    assert all(name in NOT_SET_UP for name in ("VIP_LLM_MODEL", "OPENAI_API_KEY", "OPENAI_BASE_URL"))
    with pytest.raises(GenerationError, match="No language model is set up"):
        generate(GenerationRequest("chest X-ray", CLASSES), None, vip_mini)


def test_server_from_environment_prefers_arguments(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", "https://llm.example.org/v1")
    monkeypatch.setenv("VIP_LLM_MODEL", "one")
    assert server_from_environment() == Server("one", "https://llm.example.org/v1", KEY)
    assert server_from_environment("http://localhost:1/v1", "two", "") == Server("two", "http://localhost:1/v1")


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("", "openai"),
        ("https://api.openai.com/v1", "openai"),
        ("https://mine.openai.azure.com/openai/v1/", "azure"),
        ("http://localhost:8080/v1", "local"),
        ("http://127.3.2.1/v1", "local"),
        ("http://[::1]:8080/v1", "local"),
        ("http://192.168.1.7:11434/v1", "local"),
        ("http://10.0.0.1/v1", "local"),
        ("http://ollama:11434/v1", "local"),
        ("https://api.example.org/v1", "other"),
        ("https://localhost.example.org/v1", "other"),
        ("https://8.8.8.8/v1", "other"),
        ("https://api.openai.com.example.org/v1", "other"),
    ],
)
def test_server_needs_a_key_unless_it_is_local(url, kind):
    assert Server("m", url, KEY).kind == kind
    assert is_local(url) == (kind == "local")
    if kind == "local":
        Server("m", url)
    else:
        with pytest.raises(GenerationError, match="OPENAI_API_KEY"):
            Server("m", url)


@pytest.mark.parametrize(
    ("url", "key", "sentence"),
    [
        ("ftp://host/v1", "k", "not the address of a server"),
        ("host/v1", "k", "not the address of a server"),
        ("http://", "k", "not the address of a server"),
        ("http://[::1", "k", "not the address of a server"),
        ("http://host:99999/v1", "k", "not the address of a server"),
        ("http://api.example.org/v1", KEY, "unencrypted"),
        ("http://localhost/v1", "schlüssel", "invalid characters"),
        ("http://localhost/v1", "two\nlines", "invalid characters"),
    ],
)
def test_server_refuses_a_bad_address_or_key(url, key, sentence):
    with pytest.raises(GenerationError, match=sentence) as caught:
        Server("m", url, key)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"classes": ("one",)}, SymptomError),
        ({"classes": ("one", "ONE")}, SymptomError),
        ({"classes": ("one", "t\nwo")}, SymptomError),
        ({"classes": ("one", "x" * 101)}, UsageError),
        ({"modality": " "}, UsageError),
        ({"number": 0}, UsageError),
        ({"number": 65}, UsageError),
        ({"samples": 21}, UsageError),
        ({"kind": "magic"}, UsageError),
        ({"kind": "clinical", "critique": True}, UsageError),
    ],
)
def test_generation_request_refuses_values_out_of_range(change, error):
    with pytest.raises(error):
        GenerationRequest(**{"modality": "chest X-ray", "classes": CLASSES, **change})

"""Settings by flag, by environment variable, and by default; whom they let in."""

import os
import subprocess
import sys
from dataclasses import fields
from typing import get_type_hints

import pytest

from demo.settings import SHIPPED, Settings, read_settings
from vip_core.data.pixels import MAX_BYTES
from vip_core.errors import UsageError
from vip_core.utils.paths import PROJECT

SAMPLES = {  # setting: text, value
    "host": ("0.0.0.0", "0.0.0.0"),
    "port": ("7861", 7861),
    "share": ("yes", True),
    "auth": ("ann:a:b ben:c", (("ann", "a:b"), ("ben", "c"))),
    "queue_size": ("7", 7),
    "max_upload": ("2", 2 * 2**20),
    "checkpoints": (str(PROJECT), str(PROJECT)),
    "tasks": ("melanoma you/brain melanoma", ("melanoma", "you/brain")),
    "default_task": ("melanoma", "melanoma"),
    "visitors_may_generate": ("1", True),
    "generate_limit": ("3", 3),
    "visitors_may_set_base_url": ("on", True),
    "allowed_hosts": ("VIP.example.org .example.net", ("vip.example.org", ".example.net")),
    "mcp": ("1", True),
    "zero_gpu": ("1", True),
    "proxies": ("2", 2),
}


VARIABLES = {  # setting: the environment variable of its option
    name: annotation.__metadata__[0].envvar
    for name, annotation in get_type_hints(Settings, include_extras=True).items()
}


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for variable in (*VARIABLES.values(), "SPACE_ID"):
        monkeypatch.delenv(variable, raising=False)


def flags(setting: str, text: str) -> list[str]:
    name = setting.replace("_", "-")
    return [f"--{name}"] if isinstance(SAMPLES[setting][1], bool) else [f"--{name}", text]


def test_settings_without_flags_and_variables_are_the_defaults():
    assert read_settings([]) == Settings()
    assert Settings().max_upload == MAX_BYTES


def test_settings_samples_cover_every_setting():
    assert list(SAMPLES) == [field.name for field in fields(Settings)]


@pytest.mark.parametrize("setting", SAMPLES)
def test_settings_have_a_flag_and_a_variable_each(setting, monkeypatch):
    text, value = SAMPLES[setting]
    assert getattr(read_settings(flags(setting, text)), setting) == value
    monkeypatch.setenv(VARIABLES[setting], text)
    assert getattr(read_settings([]), setting) == value


def test_settings_prefer_a_flag_to_its_variable_and_ignore_an_empty_variable(monkeypatch):
    monkeypatch.setenv("GRADIO_SERVER_PORT", "90")
    monkeypatch.setenv("GRADIO_SHARE", "1")
    settings = read_settings(["--port", "80", "--no-share"])
    assert (settings.port, settings.share) == (80, False)
    for variable in VARIABLES.values():
        monkeypatch.setenv(variable, "")
    assert read_settings([]) == Settings()


@pytest.mark.parametrize(
    ("variable", "text", "words"),
    [
        ("GRADIO_SERVER_PORT", "http", "not a port"),
        ("GRADIO_SERVER_PORT", "70000", "not a port"),
        ("GRADIO_SHARE", "maybe", "valid boolean"),
        ("VIP_AUTH", "secret", "USER:PASSWORD"),
        ("VIP_QUEUE_SIZE", "0", "greater than or equal to 1"),
        ("VIP_QUEUE_SIZE", "many", "valid integer"),
        ("VIP_MAX_UPLOAD", "-1", "not a whole number of MB"),
        ("VIP_CHECKPOINTS", "/nowhere", "no folder"),
        ("VIP_TASKS", " ", "no checkpoint"),
        ("VIP_DEFAULT_TASK", "fracture", "not among"),
    ],
)
def test_settings_answer_a_wrong_value_with_one_sentence_that_names_its_place(variable, text, words, monkeypatch):
    monkeypatch.setenv(variable, text)
    with pytest.raises(UsageError, match=words) as complaint:
        read_settings([])
    assert "secret" not in str(complaint.value) and "\n" not in str(complaint.value)
    assert variable in str(complaint.value) or variable == "VIP_DEFAULT_TASK"


@pytest.mark.parametrize(
    ("arguments", "alone"),
    [
        ([], True),
        (["--host", "::1"], True),
        (["--host", "localhost"], True),
        (["--share"], False),
        (["--host", "0.0.0.0"], False),
        (["--host", "192.168.0.7"], False),
        (["--host", "radiology.example"], False),
    ],
)
def test_settings_let_visitors_choose_a_server_only_on_this_machine(arguments, alone):
    settings = read_settings(arguments)
    assert settings.base_url_allowed is alone
    assert read_settings([*arguments, "--no-visitors-may-set-base-url"]).base_url_allowed is False
    assert read_settings([*arguments, "--visitors-may-set-base-url"]).base_url_allowed is True


def test_settings_of_a_space_let_other_machines_in(monkeypatch):
    monkeypatch.setenv("SPACE_ID", "you/vip")
    assert read_settings([]).host == "0.0.0.0"
    assert read_settings([]).base_url_allowed is False


def test_settings_order_the_default_task_first():
    ordered = read_settings(["--default-task", "melanoma"]).ordered_tasks
    assert ordered[:2] == ("melanoma", "pneumonia") and sorted(ordered) == sorted(SHIPPED)


def test_settings_do_not_show_passwords():
    assert "secret" not in repr(read_settings(["--auth", "ann:secret"]))


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "app.py", *arguments]
    return subprocess.run(
        command, cwd=PROJECT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120
    )


def test_app_help_lists_every_flag_and_variable():
    done = run("--help")
    assert done.returncode == 0
    for setting, variable in VARIABLES.items():
        assert f"--{setting.replace('_', '-')}" in done.stdout and variable in done.stdout


def test_app_answers_a_wrong_flag_with_one_sentence():
    for done in (run("--colour", "red"), run(GRADIO_SERVER_PORT="none")):
        assert done.returncode == 2
        assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1

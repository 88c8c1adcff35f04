"""Settings by flag, by environment variable, and by default; whom they let in."""

import os
import subprocess
import sys

import pytest

from demo.settings import OPTIONS, Settings, read_settings
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
}


def flags(setting: str, text: str) -> list[str]:
    name = setting.replace("_", "-")
    return [f"--{name}"] if isinstance(SAMPLES[setting][1], bool) else [f"--{name}", text]


def test_nothing_given_is_the_defaults():
    assert read_settings([], {}) == Settings()
    assert Settings().max_upload == MAX_BYTES


@pytest.mark.parametrize("setting", OPTIONS)
def test_each_setting_has_a_flag_and_a_variable(setting):
    text, value = SAMPLES[setting]
    assert getattr(read_settings(flags(setting, text), {}), setting) == value
    assert getattr(read_settings([], {OPTIONS[setting][0]: text}), setting) == value


def test_a_flag_goes_before_its_variable_and_an_empty_variable_is_none():
    assert read_settings(["--port", "80"], {"GRADIO_SERVER_PORT": "90"}).port == 80
    assert read_settings(["--no-share"], {"GRADIO_SHARE": "1"}).share is False
    assert read_settings([], {"VIP_CHECKPOINTS": "", "GRADIO_SERVER_PORT": ""}) == Settings()


@pytest.mark.parametrize(
    ("variable", "text", "words"),
    [
        ("GRADIO_SERVER_PORT", "http", "not a port"),
        ("GRADIO_SERVER_PORT", "70000", "not a port"),
        ("GRADIO_SHARE", "maybe", "neither yes nor no"),
        ("VIP_AUTH", "secret", "USER:PASSWORD"),
        ("VIP_QUEUE_SIZE", "0", "too small"),
        ("VIP_QUEUE_SIZE", "many", "not a number"),
        ("VIP_MAX_UPLOAD", "-1", "too small"),
        ("VIP_CHECKPOINTS", "/nowhere", "no folder"),
        ("VIP_TASKS", " ", "no checkpoint"),
        ("VIP_DEFAULT_TASK", "fracture", "not among"),
    ],
)
def test_a_wrong_value_is_one_sentence(variable, text, words):
    with pytest.raises(UsageError, match=words) as complaint:
        read_settings([], {variable: text})
    assert "secret" not in str(complaint.value) and "\n" not in str(complaint.value)


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
def test_visitors_may_name_a_server_only_where_nobody_else_can_come(arguments, alone):
    settings = read_settings(arguments, {})
    assert settings.base_url_allowed is alone
    assert read_settings([*arguments, "--no-visitors-may-set-base-url"], {}).base_url_allowed is False
    assert read_settings([*arguments, "--visitors-may-set-base-url"], {}).base_url_allowed is True


def test_a_space_is_reached_from_outside():
    assert read_settings([], {"SPACE_ID": "you/vip"}).host == "0.0.0.0"
    assert read_settings([], {"SPACE_ID": "you/vip"}).base_url_allowed is False


def test_the_default_task_is_the_first():
    assert read_settings(["--default-task", "melanoma"], {}).ordered_tasks == ("melanoma", "pneumonia")


def test_passwords_are_not_shown():
    assert "secret" not in repr(read_settings(["--auth", "ann:secret"], {}))


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "app.py", *arguments]
    return subprocess.run(
        command, cwd=PROJECT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120
    )


def test_help_lists_every_flag_and_variable():
    done = run("--help")
    assert done.returncode == 0
    for setting, (variable, *_) in OPTIONS.items():
        assert f"--{setting.replace('_', '-')}" in done.stdout and f"[{variable}]" in done.stdout


def test_wrong_words_end_the_command_with_one_sentence():
    for done in (run("--port", "none"), run("--colour", "red"), run(GRADIO_SERVER_PORT="none")):
        assert done.returncode == 2
        assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1

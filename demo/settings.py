"""How the page is served: each setting by a flag of `python app.py`, an environment variable, or its default."""

import os
from argparse import ArgumentTypeError, BooleanOptionalAction
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from vip_core.cli import Parser, at_least
from vip_core.data.pixels import MAX_BYTES
from vip_core.errors import UsageError

SHIPPED = ("pneumonia", "melanoma")
MEGABYTE = 2**20
YES, NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


@dataclass(frozen=True)
class Settings:
    """What the host of a page decides.

    Attributes:
        host: address to serve on.
        port: port to serve on; None: the first free one from 7860 on.
        share: whether Gradio's public tunnel is opened.
        auth: pairs of user and password; empty: everybody may come in.
        queue_size: events that may wait; who comes after is told so.
        max_upload: bytes of a file.
        checkpoints: folder in which checkpoints' names are looked up first.
        tasks: checkpoints to serve: names, folders or Hugging Face ids.
        default_task: the one that is shown first; None: the first.
        visitors_may_generate: whether visitors may use the language model that the server is set up for.
        generate_limit: how often a visitor may do so in an hour.
        visitors_may_set_base_url: whether visitors may say which server ours calls; None: where nobody but the
            person who started it can come.
    """

    host: str = "127.0.0.1"
    port: int | None = None
    share: bool = False
    auth: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    queue_size: int = 64
    max_upload: int = MAX_BYTES
    checkpoints: str | None = None
    tasks: tuple[str, ...] = SHIPPED
    default_task: str | None = None
    visitors_may_generate: bool = False
    generate_limit: int = 10
    visitors_may_set_base_url: bool | None = None

    @property
    def alone(self) -> bool:
        """Whether only people at this machine can come: a loopback address, and no tunnel."""
        try:
            loopback = self.host == "localhost" or ip_address(self.host.strip("[]")).is_loopback
        except ValueError:  # another name: it may be anything
            return False
        return loopback and not self.share

    @property
    def base_url_allowed(self) -> bool:
        """Whether a visitor may say which server ours calls."""
        return self.alone if self.visitors_may_set_base_url is None else self.visitors_may_set_base_url

    @property
    def ordered_tasks(self) -> tuple[str, ...]:
        """The tasks, the default one first."""
        return tuple(
            sorted(self.tasks, key=lambda name: name != self.default_task)
        )  # sorting keeps the order of equals


DEFAULTS = Settings()


def read_settings(argv: list[str], environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of a command line and an environment. Raises UsageError."""
    parser = Parser("app", "Serve the page. Research use, not a medical device.")
    parser.prog = "python app.py"
    for setting, (variable, read, metavar, text) in OPTIONS.items():
        flag = f"--{setting.replace('_', '-')}"
        text = f"{text} [{variable}]"
        if read is yes_or_no:
            parser.add_argument(flag, action=BooleanOptionalAction, help=text)
        else:
            parser.add_argument(flag, type=read, metavar=metavar, help=text)
    given = {name: value for name, value in vars(parser.parse_args(argv)).items() if value is not None}
    for setting, (variable, read, _, _) in OPTIONS.items():
        if setting not in given and environment.get(variable):
            given[setting] = _from_environment(variable, environment[variable], read)
    if "host" not in given and environment.get("SPACE_ID"):
        given["host"] = "0.0.0.0"  # a Hugging Face Space is reached from outside its container
    settings = Settings(**given)
    if settings.default_task is not None and settings.default_task not in settings.tasks:
        raise UsageError(
            f"The default task {settings.default_task} is not among the tasks {', '.join(settings.tasks)}; "
            "give --default-task one of these."
        )
    return settings


def _from_environment(variable: str, text: str, read: Callable[[str], Any]) -> Any:  # noqa: ANN401
    try:
        return read(text)
    except ArgumentTypeError as error:
        raise UsageError(f"{variable}: {error}.") from error
    except ValueError as error:
        raise UsageError(f"{variable} is “{text}”, which is not a number; see python app.py --help.") from error


# ---- what a text may be


def yes_or_no(text: str) -> bool:
    """A switch as an environment variable has it."""
    if text.strip().lower() not in YES + NO:
        raise ArgumentTypeError(f"“{text}” is neither yes nor no; give 1 or 0")
    return text.strip().lower() in YES


def port_number(text: str) -> int:
    """A port."""
    if not (text.isdecimal() and 0 < int(text) < 65536):
        raise ArgumentTypeError(f"“{text}” is not a port; give a free one from 1 to 65535, such as 7860")
    return int(text)


def accounts(text: str) -> tuple[tuple[str, str], ...]:
    """Users and their passwords. The complaint does not repeat them."""
    pairs = tuple(tuple(pair.split(":", 1)) for pair in text.split())
    if not all(len(pair) == 2 and all(pair) for pair in pairs):
        raise ArgumentTypeError("accounts are written USER:PASSWORD, with spaces between them")
    return pairs  # type: ignore[return-value]


def megabytes(text: str) -> int:
    """A size in bytes."""
    return at_least(1)(text) * MEGABYTE


def folder(text: str) -> str:
    """A folder that is there."""
    if not Path(text).expanduser().is_dir():
        raise ArgumentTypeError(f"there is no folder {text}; give the one that holds the checkpoints")
    return str(Path(text).expanduser())


def names(text: str) -> tuple[str, ...]:
    """Checkpoints, each once."""
    found = tuple(dict.fromkeys(text.split()))
    if not found:
        raise ArgumentTypeError("no checkpoint is named; give names, folders or Hugging Face ids, with spaces between")
    return found


OPTIONS: dict[str, tuple[str, Callable[[str], Any], str, str]] = {  # setting: variable, reader, metavar, help
    "host": (
        "GRADIO_SERVER_NAME",
        str,
        "ADDRESS",
        "address to serve on; 0.0.0.0 lets other machines in (default: 127.0.0.1, this machine alone)",
    ),
    "port": ("GRADIO_SERVER_PORT", port_number, "PORT", "port to serve on (default: the first free one from 7860 on)"),
    "share": ("GRADIO_SHARE", yes_or_no, "", "open Gradio's public tunnel, which needs the internet (default: no)"),
    "auth": (
        "VIP_AUTH",
        accounts,
        "USER:PASSWORD",
        "who may come in; several accounts with spaces between; the variable is the better place, as others on this "
        "machine can see a flag (default: everybody)",
    ),
    "queue_size": (
        "VIP_QUEUE_SIZE",
        at_least(1),
        "N",
        "events that may wait; who comes after is told so (default: 64)",
    ),
    "max_upload": (
        "VIP_MAX_UPLOAD",
        megabytes,
        "MB",
        f"largest file taken, in MB; an image of over {MAX_BYTES // MEGABYTE} is not read in any case "
        f"(default: {MAX_BYTES // MEGABYTE})",
    ),
    "checkpoints": (
        "VIP_CHECKPOINTS",
        folder,
        "FOLDER",
        "folder in which the names of checkpoints are looked up first (default: the project's own)",
    ),
    "tasks": (
        "VIP_TASKS",
        names,
        "NAMES",
        "checkpoints to serve, with spaces between: names, folders or Hugging Face ids "
        f"(default: “{' '.join(SHIPPED)}”)",
    ),
    "default_task": ("VIP_DEFAULT_TASK", str, "NAME", "the task that is shown first (default: the first)"),
    "visitors_may_generate": (
        "VIP_VISITORS_MAY_GENERATE",
        yes_or_no,
        "",
        "let visitors write symptoms with the language model of OPENAI_API_KEY, OPENAI_BASE_URL and VIP_LLM_MODEL, at "
        "your cost (default: no)",
    ),
    "generate_limit": (
        "VIP_GENERATE_LIMIT",
        at_least(1),
        "N",
        "how often a visitor may do that in an hour (default: 10)",
    ),
    "visitors_may_set_base_url": (
        "VIP_VISITORS_MAY_SET_BASE_URL",
        yes_or_no,
        "",
        "let visitors say which address this server calls; a stranger could have it call internal ones (default: only "
        "where nobody but people at this machine can come)",
    ),
}

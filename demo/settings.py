"""How the page is served: each setting by a flag of `python app.py`, an environment variable, or its default."""

import os
import sys
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

from typer import BadParameter, Option

from vip_core.data.pixels import MAX_BYTES
from vip_core.errors import UsageError
from vip_core.utils.options import command

SHIPPED = (
    "pneumonia",
    "chest_adult",
    "melanoma",
    "knee_osteoarthritis",
    "blood_cells",
    "breast_ultrasound",
    "brain_tumor",
)
MEGABYTE = 2**20


def port_number(text: str) -> int:
    """A port number."""
    if not (text.isdecimal() and 0 < int(text) < 65536):
        raise BadParameter(f"“{text}” is not a port; give a free one from 1 to 65535, such as 7860")
    return int(text)


def accounts(text: str) -> tuple[tuple[str, str], ...]:
    """Users and their passwords. The error message does not repeat them."""
    pairs = tuple(tuple(pair.split(":", 1)) for pair in text.split())
    if not all(len(pair) == 2 and all(pair) for pair in pairs):
        raise BadParameter("accounts are written as USER:PASSWORD, separated by spaces")
    return pairs  # type: ignore[return-value]


def megabytes(text: str) -> int:
    """A size in bytes."""
    if not (text.isdecimal() and int(text) > 0):
        raise BadParameter(f"“{text}” is not a whole number of MB, 1 or more")
    return int(text) * MEGABYTE


def existing_folder(text: str) -> str:
    """An existing folder."""
    if not Path(text).expanduser().is_dir():
        raise BadParameter(f"there is no folder {text}; give the folder that contains the checkpoints")
    return str(Path(text).expanduser())


def names(text: str) -> tuple[str, ...]:
    """Checkpoints, each once."""
    found = tuple(dict.fromkeys(text.split()))
    if not found:
        raise BadParameter("no checkpoint is named; give names, folders or Hugging Face ids, separated by spaces")
    return found


def _default_host() -> str:
    """This machine alone, except on a Hugging Face Space, which is reached from outside its container."""
    return "0.0.0.0" if os.environ.get("SPACE_ID") else "127.0.0.1"


def _default_proxies() -> int:
    """None, except on a Hugging Face Space, which is reached through one."""
    return 1 if os.environ.get("SPACE_ID") else 0


def host_names(text: str) -> tuple[str, ...]:
    """Host names, each once, in lower case, without a port."""
    found = tuple(dict.fromkeys(text.lower().split()))
    if any("/" in name for name in found):
        raise BadParameter("host names are written as vip.example.org, without https:// and without a path")
    return found


@dataclass(frozen=True)
class Settings:
    """What the operator of a page decides. Each field is a flag, an environment variable and a default.

    Raises:
        UsageError: if the default task is not among the tasks.
    """

    host: Annotated[
        str,
        Option(
            envvar="GRADIO_SERVER_NAME",
            metavar="ADDRESS",
            help="address to serve on; 0.0.0.0 allows other machines to connect",
            show_default="127.0.0.1, this machine only; on a Hugging Face Space 0.0.0.0",
        ),
    ] = field(default_factory=_default_host)
    port: Annotated[
        int | None,
        Option(
            envvar="GRADIO_SERVER_PORT",
            parser=port_number,
            metavar="PORT",
            help="port to serve on",
            show_default="the first free port from 7860",
        ),
    ] = None
    share: Annotated[bool, Option(envvar="GRADIO_SHARE", help="open Gradio's public tunnel; requires the internet")] = (
        False
    )
    auth: Annotated[  # pairs of user and password; empty: everybody may come in
        tuple[tuple[str, str], ...],
        Option(
            envvar="VIP_AUTH",
            parser=accounts,
            metavar="USER:PASSWORD",
            help="accounts that may sign in, separated by spaces; prefer the variable, because others "
            "on this machine can see flags",
            show_default="everybody",
        ),
    ] = field(default=(), repr=False)
    queue_size: Annotated[
        int,
        Option(
            envvar="VIP_QUEUE_SIZE", min=1, metavar="N", help="number of events that may wait; further ones are refused"
        ),
    ] = 64
    max_upload: Annotated[  # in bytes
        int,
        Option(
            envvar="VIP_MAX_UPLOAD",
            parser=megabytes,
            metavar="MB",
            help=f"largest file accepted, in MB; an image of over {MAX_BYTES // MEGABYTE} MB is never read",
            show_default=str(MAX_BYTES // MEGABYTE),
        ),
    ] = MAX_BYTES
    checkpoints: Annotated[
        str | None,
        Option(
            envvar="VIP_CHECKPOINTS",
            parser=existing_folder,
            metavar="FOLDER",
            help="folder in which the names of checkpoints are looked up first",
            show_default="the project's own",
        ),
    ] = None
    tasks: Annotated[
        tuple[str, ...],
        Option(
            envvar="VIP_TASKS",
            parser=names,
            metavar="NAMES",
            help="checkpoints to serve, separated by spaces: names, folders or Hugging Face ids",
            show_default=" ".join(SHIPPED),
        ),
    ] = SHIPPED
    default_task: Annotated[
        str | None,
        Option(
            envvar="VIP_DEFAULT_TASK", metavar="NAME", help="the task that is shown first", show_default="the first"
        ),
    ] = None
    visitors_may_generate: Annotated[
        bool,
        Option(
            envvar="VIP_VISITORS_MAY_GENERATE",
            help="let visitors write symptoms with the language model of OPENAI_API_KEY, OPENAI_BASE_URL and "
            "VIP_LLM_MODEL, at your cost",
        ),
    ] = False
    generate_limit: Annotated[
        int,
        Option(envvar="VIP_GENERATE_LIMIT", min=1, metavar="N", help="number of such requests per visitor per hour"),
    ] = 10
    visitors_may_set_base_url: Annotated[
        bool | None,
        Option(
            "--visitors-may-set-base-url/--no-visitors-may-set-base-url",
            envvar="VIP_VISITORS_MAY_SET_BASE_URL",
            help="let visitors choose the address that this server calls; a stranger could make it "
            "call internal services",
            show_default="only if the page is reachable from this machine alone",
        ),
    ] = None
    allowed_hosts: Annotated[
        tuple[str, ...],
        Option(
            envvar="VIP_ALLOWED_HOSTS",
            parser=host_names,
            metavar="NAMES",
            help="host names under which visitors reach this server, separated by spaces; "
            ".example.org means any name below it",
            show_default="this machine's own",
        ),
    ] = ()
    mcp: Annotated[
        bool,
        Option(envvar="VIP_MCP", help="offer `diagnose` to language models as a tool (Model Context Protocol)"),
    ] = False
    zero_gpu: Annotated[
        bool,
        Option(envvar="VIP_ZERO_GPU", help="on a ZeroGPU Space: run the image tower on the GPU; for large backbones"),
    ] = False
    proxies: Annotated[
        int,
        Option(
            envvar="VIP_PROXIES",
            min=0,
            metavar="N",
            help="number of reverse proxies that every visitor comes through; each must append to X-Forwarded-For",
            show_default="0; on a Hugging Face Space 1",
        ),
    ] = field(default_factory=_default_proxies)

    def __post_init__(self) -> None:
        if self.default_task is not None and self.default_task not in self.tasks:
            raise UsageError(
                f"The default task {self.default_task} is not among the tasks {', '.join(self.tasks)}; "
                "give --default-task one of these."
            )

    @property
    def alone(self) -> bool:
        """Whether the page is reachable only from this machine: a loopback address, and no tunnel."""
        try:
            loopback = self.host == "localhost" or ip_address(self.host.strip("[]")).is_loopback
        except ValueError:  # another name: it may be anything
            return False
        return loopback and not self.share

    @property
    def base_url_allowed(self) -> bool:
        """Whether a visitor may choose the address that this server calls."""
        return self.alone if self.visitors_may_set_base_url is None else self.visitors_may_set_base_url

    @property
    def ordered_tasks(self) -> tuple[str, ...]:
        """The tasks, the default one first."""
        return tuple(
            sorted(self.tasks, key=lambda name: name != self.default_task)
        )  # sorting keeps the order of equals


DEFAULTS = Settings()


def read_settings(argv: list[str]) -> Settings:
    """The settings of a command line and the environment; --help exits. Raises UsageError."""
    read: list[Settings] = []

    def serve(settings: Settings) -> int:
        """Serve the page. Research use, not a medical device."""
        read.append(settings)
        return 0

    status = command(serve, "vip demo" if Path(sys.argv[0]).stem == "vip" else "python app.py")(argv)
    if not read:  # --help
        sys.exit(status)
    return read[0]

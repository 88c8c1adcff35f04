"""Which language model to ask and where: from the environment or from arguments. The key is never shown."""

import ipaddress
import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from vip_core.errors import GenerationError

OPENAI = "https://api.openai.com/v1"
AZURE = (".azure.com", ".azure.us", ".azure.cn")
LOCAL_NAMES = (".localhost", ".local", ".internal", ".lan")
MAX_SAID = 160  # characters of a server's own words that are shown
NOT_SET_UP = (
    "No language model is set up: set VIP_LLM_MODEL to a model's name, and OPENAI_API_KEY for OpenAI or "
    "OPENAI_BASE_URL for another server (a local one needs no key)."
)


@dataclass(frozen=True)
class Server:
    """An OpenAI-compatible server and a model on it. Its repr shows neither address nor key.

    Attributes:
        model: the model's name there (on Azure the deployment's).
        base_url: as far as "/v1"; empty for OpenAI itself.
        key: not needed by a local server.
        timeout: seconds without a byte before an attempt is abandoned; a whole reply may take ten times as long.
        retries: of rate limits, failures of the server and broken connections, with growing pauses; a Retry-After of
            up to two minutes is honoured.
        stream: receive the reply piece by piece, so that it can be followed and cancelled.

    Raises:
        GenerationError: if the model is missing, the address is not one, the key is missing where it is needed, or it
            would be sent unencrypted over the internet.
    """

    model: str
    base_url: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    timeout: float = 120.0
    retries: int = 3
    stream: bool = True

    def __post_init__(self) -> None:
        if not self.model.strip():
            raise GenerationError("No language model is named; set VIP_LLM_MODEL, or give --model.")
        try:
            address = urlsplit(self.base_url or OPENAI)
            valid = address.scheme in ("http", "https") and bool(address.hostname) and (address.port or 1) > 0
        except ValueError:
            valid = False
        if not valid or any(character.isspace() for character in self.base_url):
            raise GenerationError(
                "The base URL is not the address of a server; it looks like http://127.0.0.1:8080/v1 or https://host/v1."
            )
        local = is_local(self.base_url)
        if not self.key and not local:
            raise GenerationError(
                f"The server ({self.kind}) needs a key: set OPENAI_API_KEY (to any value, if the "
                "server does not check it)."
            )
        if not self.key.isascii() or not self.key.isprintable():
            raise GenerationError("The key contains invalid characters; copy it again.")
        if self.key and not local and address.scheme == "http":
            raise GenerationError("Over http the key would be sent unencrypted; give the https address.")

    @property
    def kind(self) -> str:
        """openai, azure, local or other: what is recorded instead of the address."""
        host = _host(self.base_url or OPENAI)
        if host == _host(OPENAI):
            return "openai"
        if host.endswith(AZURE):
            return "azure"
        return "local" if is_local(self.base_url) else "other"

    def refusal(self, status: int, said: str) -> str:
        """A sentence for an HTTP status of an error. said: the server's own words, shown if no key can be in them."""
        said = self._without_key(said)
        if status in (401, 403):  # servers echo pieces of the key here, so their words are left out
            return f"The server refused the key (status {status}); check OPENAI_API_KEY and its permissions."
        if status == 404:
            return (
                f"The server has no model “{self.model}”, or the base URL should end differently, often in /v1{said}."
            )
        if status == 429:
            return f"Rate limit or quota exceeded (status 429){said}; try later."
        if status >= 500:
            attempts = f"{self.retries + 1} attempt{'s' * (self.retries > 0)}"
            return f"The server failed in {attempts} (status {status}){said}; try again later."
        return f"The server refused the request (status {status}){said}; check the model's name and the base URL."

    def _without_key(self, said: str) -> str:
        pieces = {self.key[i : i + 4] for i in range(max(1, len(self.key) - 3))} if self.key else set()
        said = " ".join("".join(c if c.isprintable() else " " for c in said).split()).rstrip(".")
        return "" if not said or any(piece in said for piece in pieces) else f", it replied “{said[:MAX_SAID]}”"


def server_from_environment(
    base_url: str | None = None, model: str | None = None, key: str | None = None, **more: float | bool
) -> Server:
    """A server from OPENAI_BASE_URL, VIP_LLM_MODEL and OPENAI_API_KEY where an argument is None.

    Never for an address that a stranger chose: the environment's key would go there.

    Raises:
        GenerationError: if nothing is set up, or as Server does.
    """
    base_url = os.environ.get("OPENAI_BASE_URL", "") if base_url is None else base_url
    model = os.environ.get("VIP_LLM_MODEL", "") if model is None else model
    key = os.environ.get("OPENAI_API_KEY", "") if key is None else key
    if not model.strip() or not (base_url.strip() or key.strip()):
        raise GenerationError(NOT_SET_UP)
    return Server(model.strip(), base_url.strip(), key.strip(), **more)  # type: ignore[arg-type]


def is_local(base_url: str) -> bool:
    """Whether an address is on this machine or in a private network, judged by its name alone, without a look-up."""
    host = _host(base_url)
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return bool(host) and ("." not in host or host.endswith(LOCAL_NAMES))
    return address.is_private or address.is_loopback or address.is_link_local


def _host(base_url: str) -> str:
    try:
        return (urlsplit(base_url).hostname or "").rstrip(".").lower()
    except ValueError:
        return ""

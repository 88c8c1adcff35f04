"""Generating symptoms for a visitor: whose language model may be used, how often, and a cancellable call."""

import hashlib
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

from vip_core.errors import GenerationCancelled, GenerationError, UsageError
from vip_core.models.backbone import Backbone
from vip_core.vsg import Generated, GenerationRequest, Progress, Server, generate, server_from_environment

from ..settings import Settings

HOUR = 3600.0  # seconds
MAX_ASKED = 400  # symptoms that one use of the host's language model may ask for: classes x symptoms x samples
MAX_SECONDS = 180.0  # that it may take
POLL = 0.1  # seconds between two looks at a call
PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-real-ip")
NOT_OPEN = (
    "The language model of this page is not open to visitors; give a key of your own, or ask the operator to set "
    "VIP_VISITORS_MAY_GENERATE=1."
)
NO_ADDRESS = (
    "This page accepts no server address from visitors, because it would call it from within its "
    "own network; leave it empty, or ask the operator to set VIP_VISITORS_MAY_SET_BASE_URL=1."
)


class Allowance:
    """How often each visitor has used the host's language model in the last hour; kept in memory alone, as hashes."""

    def __init__(self, limit: int):
        self.limit = limit
        self._salt = secrets.token_bytes(16)  # the hashes mean nothing to who finds them
        self._times: dict[bytes, deque[float]] = {}
        self._lock = threading.Lock()

    def take(self, *names: str) -> None:
        """Count one use for a visitor, known by several names (page, address). Raises UsageError at the limit."""
        now = time.monotonic()
        keys = {hashlib.blake2b(name.encode(), key=self._salt).digest() for name in names if name}
        with self._lock:
            for key, times in list(self._times.items()):
                while times and times[0] <= now - HOUR:
                    times.popleft()
                if not times:
                    del self._times[key]
            if any(len(self._times.get(key, ())) >= self.limit for key in keys):
                raise UsageError(
                    f"You have used the page’s language model {self.limit} times in the last hour, which is the limit; "
                    "come back later, or give a key of your own."
                )
            for key in keys:
                self._times.setdefault(key, deque()).append(now)


def check_budget(request: GenerationRequest) -> None:
    """Raise UsageError for one use of the host's language model that would cost too much as a whole."""
    asked = len(request.classes) * request.number * request.samples
    if asked > MAX_ASKED:
        raise UsageError(
            f"{len(request.classes)} classes, {request.number} symptoms and {request.samples} samples make "
            f"{asked:,} symptoms; the limit with the page’s language model is {MAX_ASKED}. Ask for fewer, or give a "
            "key of your own."
        )


class Calls:
    """The calls in progress, by the page that made them, so that cancelling or closing it can stop them."""

    def __init__(self) -> None:
        self._stops: dict[str, threading.Event] = {}

    def begin(self, page: str) -> threading.Event:
        """An event that is set when the page gives its call up."""
        self.stop(page)
        self._stops[page] = threading.Event()
        return self._stops[page]

    def end(self, page: str, stop: threading.Event) -> None:
        """The call is over."""
        if self._stops.get(page) is stop:
            del self._stops[page]

    def stop(self, page: str) -> None:
        """Stop the page's call, if there is one."""
        if stop := self._stops.get(page):
            stop.set()


def may_set_base_url(settings: Settings, headers: Mapping[str, str]) -> bool:
    """Whether this visitor may choose the address we call: by the setting, else only from this machine."""
    if settings.visitors_may_set_base_url is None:
        return settings.alone and not any(name in headers for name in PROXY_HEADERS)  # a proxy brings others in
    return settings.visitors_may_set_base_url


def choose_server(
    settings: Settings, model: str, base_url: str, key: str, address_allowed: bool
) -> tuple[Server, bool]:
    """The server to ask, and whether it is the host's own. The host's key never goes to an address of a visitor.

    Raises GenerationError or UsageError.
    """
    model, base_url, key = model.strip(), base_url.strip(), key.strip()
    if base_url and not address_allowed:
        raise UsageError(NO_ADDRESS)
    if base_url or key:
        return Server(model=model, base_url=base_url, key=key), False
    server = server_from_environment()
    if not settings.visitors_may_generate:
        raise GenerationError(NOT_OPEN)
    if model and model != server.model:
        raise UsageError("The page’s own language model cannot be changed; leave the model empty, or give a key.")
    return server, True


def host_is_set_up() -> bool:
    """Whether the host has a language model."""
    try:
        server_from_environment()
    except GenerationError:
        return False
    return True


def host_serves(settings: Settings) -> bool:
    """Whether visitors without a key can generate."""
    return settings.visitors_may_generate and host_is_set_up()


def generate_until(
    stop: threading.Event,
    request: GenerationRequest,
    server: Server | None,
    backbone: Backbone,
    on_progress: Callable[[Progress], None],
) -> Generated:
    """`generate`, but given up as soon as `stop` is set, even while a server is silent. on_progress: called from here.

    Raises what `generate` raises.
    """
    latest: list[Progress] = []
    results: list[Generated] = []
    errors: list[Exception] = []

    def work() -> None:
        try:
            results.append(generate(request, server, backbone, lambda step: latest.append(step), stop.is_set))
        except Exception as error:  # raised again below, in the visitor's own thread
            errors.append(error)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    until = time.monotonic() + MAX_SECONDS
    while worker.is_alive() and not stop.is_set():
        if time.monotonic() > until:
            stop.set()
            raise GenerationError(
                f"The language model took over {MAX_SECONDS:.0f} s. Ask for fewer symptoms or samples."
            )
        worker.join(POLL)
        if latest:
            on_progress(latest[-1])
            latest.clear()
    if stop.is_set():
        raise GenerationCancelled("Cancelled; nothing has changed.")
    if errors:
        raise errors[0]
    return results[0]

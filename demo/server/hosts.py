"""Which names this server answers to, and which pages may call it from a browser.

A page of any site can send requests to a server on the visitor's own machine. If the owner of a host name points it to
127.0.0.1, the browser even takes both for the same origin. Both attacks show in the headers: Host is the name that the
browser believes it is talking to, and Origin the site of the page that sends the request.
"""

import os
import socket
from collections.abc import Mapping
from functools import cached_property
from ipaddress import ip_address

from ..settings import Settings

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def name_of(host: str) -> str:
    """The name of a Host header or an authority, without port and brackets, in lower case."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host


def is_address(name: str) -> bool:
    """Whether a name is an IP address, which cannot be used for DNS rebinding."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


class Hosts:
    """The names that a server with these settings answers to."""

    def __init__(self, settings: Settings):
        self.settings = settings
        self.extra: set[str] = set()  # such as the address of Gradio's tunnel, known once it is open

    @cached_property
    def names(self) -> frozenset[str]:
        """Loopback names, those of VIP_ALLOWED_HOSTS, the address served on, and that of a Hugging Face Space."""
        own = {*LOOPBACK, name_of(self.settings.host), *map(name_of, self.settings.allowed_hosts)}
        if space := os.environ.get("SPACE_HOST"):
            own |= set(space.lower().split(","))
        if not self.settings.alone:
            own |= {socket.gethostname().lower(), socket.getfqdn().lower()}
        return frozenset(own - {"0.0.0.0", "::", ""})

    def accept(self, headers: Mapping[str, str]) -> bool:
        """Whether this server answers to the Host header, and to the name that a proxy passes on."""
        return all(self._known(name_of(host)) for host in self._hosts(headers))

    def own_origin(self, headers: Mapping[str, str]) -> bool:
        """Whether a request comes from this server's own page, or from no page at all."""
        origin = headers.get("origin")
        if origin is None:
            site, mode = headers.get("sec-fetch-site", "none"), headers.get("sec-fetch-mode")
            return site in ("none", "same-origin") or mode == "navigate"
        scheme, _, authority = origin.lower().partition("://")
        default = {"http": ":80", "https": ":443"}.get(scheme, "")
        same = {host.lower().removesuffix(default) if default else host.lower() for host in self._hosts(headers)}
        return scheme in ("http", "https") and authority in same

    def _hosts(self, headers: Mapping[str, str]) -> list[str]:
        """The Host header and, behind a stated proxy, the host that it was asked for."""
        forwarded = headers.get("x-forwarded-host") if self.settings.proxies else None
        return [headers.get("host", ""), *(part.strip() for part in (forwarded or "").split(",") if part.strip())]

    def _known(self, name: str) -> bool:
        if name in self.names or name in self.extra or "*" in self.settings.allowed_hosts:
            return True
        if any(pattern.startswith(".") and name.endswith(pattern) for pattern in self.settings.allowed_hosts):
            return True
        return not self.settings.alone and is_address(name)


def visitor_address(scope_client: tuple[str, int] | None, headers: Mapping[str, str], proxies: int) -> str:
    """The address of the visitor: that of the connection, or that seen by the outermost of so many proxies.

    Every proxy appends the address it was called from to X-Forwarded-For, so entries are counted from the right; those
    before were written by the caller and may be forged.
    """
    own = scope_client[0] if scope_client else ""
    chain = [part.strip() for part in headers.get("x-forwarded-for", "").split(",") if part.strip()]
    return chain[-proxies] if 0 < proxies <= len(chain) else own

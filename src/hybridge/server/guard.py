"""Which pages and which host names may reach this port: the guard against DNS rebinding and foreign web pages."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Protocol

from hybridge.errors import NotAllowed
from hybridge.server.call import header


class Asked(Protocol):
    """A request, as far as this guard looks at it; the names of headers are in lower case."""

    @property
    def headers(self) -> Mapping[bytes, bytes]: ...


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """On loopback `Host` must be a loopback name; an `Origin` must be one of `cors`."""

    def __init__(self, *, bound_to: str, cors: Iterable[str]) -> None:
        self._loopback = is_loopback(bound_to)
        self._origins = frozenset(origin.encode() for origin in cors)
        #: Names that have passed; only loopback names ever get in, and those are few.
        self._hosts: set[bytes] = set()

    def check(self, call: Asked) -> list[bytes]:
        """What the page that calls must be told, as lines of a head; nothing where no page does.

        Raises `NotAllowed` with `origin_not_allowed`.
        """
        if self._loopback and (host := call.headers.get(b"host", b"")) not in self._hosts:
            self._check_host(host)
        origin = call.headers.get(b"origin")
        if origin is None:
            return []
        if origin not in self._origins:
            raise NotAllowed(
                f"pages of {origin.decode('latin-1')} may not call this gateway; add the origin to server.cors",
                code="origin_not_allowed",
            )
        return [
            header(b"access-control-allow-origin", origin),
            b"access-control-expose-headers: *\r\n",
            b"vary: origin\r\n",
        ]

    def _check_host(self, host: bytes) -> None:
        name = host.decode("latin-1").lower()
        bare = name.rsplit(":", 1)[0] if not name.endswith("]") else name
        if not is_loopback(bare):
            raise NotAllowed(
                f"this gateway listens on loopback and answers to loopback names only, not to {name or 'no name'}",
                code="origin_not_allowed",
            )
        if len(self._hosts) < 64:
            self._hosts.add(host)

    @staticmethod
    def preflight_lines(call: Asked) -> list[bytes]:
        """The answer to a browser that asks before it calls. Its page was admitted, so it may send what it names:
        SDKs have headers of their own."""
        return [
            b"access-control-allow-methods: GET, POST, OPTIONS\r\n",
            header(b"access-control-allow-headers", call.headers.get(b"access-control-request-headers", b"*")),
            b"access-control-max-age: 600\r\n",
        ]

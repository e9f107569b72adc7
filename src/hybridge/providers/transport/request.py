"""Requests on the wire: addresses and heads, checked and serialised once, used often."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from hybridge.errors import ConnectFailed, InvalidRequest

DEFAULT_PORTS = {"http": 80, "https": 443}

#: Framing and the connection are ours alone: a caller who sets them could smuggle a request.
RESERVED = frozenset(
    "accept-encoding connection content-length expect host keep-alive proxy-authorization proxy-connection te trailer"
    " transfer-encoding upgrade".split()
)

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_ADDRESS = re.compile(r"[\x21-\x7e]+")
_HOST = re.compile(r"[0-9a-z._-]+|[0-9a-f:.]*:[0-9a-f:.]*")


class Origin(NamedTuple):
    """Scheme, host (lower case, IPv6 without brackets) and port."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """`host`, or `host:port` where the port is not the scheme's own."""
        return self.host_and_port if self.port != DEFAULT_PORTS[self.scheme] else self._bracketed

    @property
    def host_and_port(self) -> str:
        """`host:port`, as CONNECT wants it."""
        return f"{self._bracketed}:{self.port}"

    @property
    def _bracketed(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


def parse_url(url: str) -> tuple[Origin, str]:
    """Origin and request target (path and query) of `url`; user info and fragment are left out.

    Raises `InvalidRequest` for characters that cannot stand in an address, `ConnectFailed` where it leads nowhere.
    """
    # urlsplit removes line breaks silently, so they must be found before.
    if not _ADDRESS.fullmatch(url):
        raise InvalidRequest("the provider's address holds characters that cannot be sent")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise ConnectFailed("the provider's address is malformed") from exc
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in DEFAULT_PORTS or not _HOST.fullmatch(host) or port == 0:
        raise ConnectFailed("the provider's address is not http://host or https://host")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Origin(parts.scheme, host, port or DEFAULT_PORTS[parts.scheme]), target


class HeaderBlock:
    """Headers that were checked and serialised once, for those that never change. Its `repr` shows no value."""

    __slots__ = ("wire",)

    def __init__(self, wire: bytes) -> None:
        self.wire = wire

    def __repr__(self) -> str:
        return f"<HeaderBlock of {len(self.wire)} bytes>"


#: What `send` takes: pairs, blocks of pairs that were encoded before, or both.
Headers = HeaderBlock | Sequence["HeaderBlock | tuple[str, str]"]


def encode_headers(headers: Iterable[tuple[str, str]]) -> HeaderBlock:
    """Check and serialise constant headers once. Raises `InvalidRequest` as `send` does."""
    return HeaderBlock(b"".join([_line(name, value) for name, value in headers]))


def wire_headers(headers: Headers) -> bytes:
    """The header lines of a request. Raises `InvalidRequest` for a name or value that could break out of its line."""
    if isinstance(headers, HeaderBlock):
        return headers.wire
    return b"".join([item.wire if isinstance(item, HeaderBlock) else _line(*item) for item in headers])


def _line(name: str, value: str) -> bytes:
    if not _TOKEN.fullmatch(name):
        raise InvalidRequest("a header's name cannot be sent")
    if not _VALUE.fullmatch(value):
        raise InvalidRequest(f"the value of header {name} cannot be sent", param=name)
    if name.lower() in RESERVED:
        raise InvalidRequest(f"header {name} belongs to the connection", param=name)
    return f"{name}: {value}\r\n".encode("latin-1")


def request_line(method: str, target: str, host: str, proxy_authorization: str) -> bytes:
    """The start of a head that is the same for every call to one address."""
    if not _TOKEN.fullmatch(method):
        raise InvalidRequest("the method cannot be sent")
    proxy = f"proxy-authorization: {proxy_authorization}\r\n" if proxy_authorization else ""
    return f"{method} {target} HTTP/1.1\r\nhost: {host}\r\naccept-encoding: identity\r\n{proxy}".encode("ascii")

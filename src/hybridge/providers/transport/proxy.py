"""Which proxy the environment wants for an origin.

HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, lower case first, as curl and Go read them
(https://curl.se/docs/manpage.html#ENVIRONMENT, https://pkg.go.dev/golang.org/x/net/http/httpproxy).
Loopback addresses are always reached directly. Only `http://` proxies are spoken to.
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from hybridge.errors import ConnectFailed
from hybridge.providers.transport.request import Origin


class Proxy(NamedTuple):
    """Where a proxy listens and what it wants to see; `authorization` is a header value or empty."""

    host: str
    port: int
    authorization: str = ""

    def __repr__(self) -> str:
        return f"<Proxy {self.host}:{self.port}>"


class Proxies:
    """The environment's wishes, read once."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        def read(name: str) -> str:
            return (environ.get(name) or environ.get(name.upper()) or "").strip()

        # Under CGI a client's `Proxy:` header arrives as HTTP_PROXY (https://httpoxy.org).
        plain = environ.get("http_proxy", "") if "REQUEST_METHOD" in environ else read("http_proxy")
        everything = read("all_proxy")
        self._addresses = {"http": plain or everything, "https": read("https_proxy") or everything}
        self._exceptions = [entry.strip().lower() for entry in read("no_proxy").split(",") if entry.strip()]

    def proxy_for(self, origin: Origin) -> Proxy | None:
        """The proxy for `origin`. Raises `ConnectFailed` where it is one that Hybridge does not speak to."""
        address = self._addresses[origin.scheme]
        if not address or is_loopback(origin.host) or any(_matches(entry, origin) for entry in self._exceptions):
            return None
        return parse_proxy(address)


def parse_proxy(address: str) -> Proxy:
    """Read `http://user:password@host:port` or `host:port`. Raises `ConnectFailed`, which never shows a password."""
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        port = parts.port
    except ValueError as exc:
        raise ConnectFailed("the address of the proxy in the environment is malformed") from exc
    if parts.scheme != "http" or not parts.hostname:
        raise ConnectFailed(f"the proxy in the environment is {parts.scheme}://, only http:// is supported")
    authorization = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + base64.b64encode(pair.encode()).decode("ascii")
    return Proxy(parts.hostname, port or 80, authorization)


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine by its spelling."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _matches(entry: str, origin: Origin) -> bool:
    if entry == "*":
        return True
    if "/" in entry:
        return _in_network(entry, origin.host)
    name, port = _split_port(entry)
    if port and port != str(origin.port):
        return False
    name = name.lstrip("*").lstrip(".")
    return bool(name) and (origin.host == name or origin.host.endswith(f".{name}"))


def _split_port(entry: str) -> tuple[str, str]:
    """Name and port; an IPv6 address may stand in brackets or bare."""
    if entry.startswith("["):
        name, _, port = entry[1:].partition("]")
        return name, port.lstrip(":")
    if entry.count(":") > 1:
        return entry, ""
    name, _, port = entry.partition(":")
    return name, port


def _in_network(entry: str, host: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False

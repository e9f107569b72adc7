"""The one place that fetches an address a client gave: images that a dialect needs as bytes.

Check and pin are one step: the transport's own resolver refuses a name unless *every* address it has is public, and
the socket is opened to one of the very addresses that were looked at. No proxy is used, as it would resolve by itself.
"""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import re
import ssl
from collections.abc import Collection, Sequence
from urllib.parse import urljoin, urlsplit

from hybridge.errors import InvalidRequest, ProviderError, TooLarge
from hybridge.providers.transport import Address, Answer, HttpTransport, Resolver
from hybridge.providers.transport.dns import system_resolver

LIMIT_BYTES = 20_000_000
TIMEOUT_S = 10.0
MOST_REDIRECTS = 3
LONGEST_URL = 8192
PARAM = "image_url"

_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_PORTS = {"https": 443, "http": 80}
_TYPES = frozenset(("image/png", "image/jpeg", "image/jpg", "image/gif", "image/webp"))
_ACCEPT = (("accept", "image/png, image/jpeg, image/gif, image/webp"),)
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?|\[[0-9a-f:.]+\]")
#: A last label that begins like a number: `2130706433`, `0x7f.1`, `0177.0.0.1` are addresses to some resolvers.
_NUMBER = re.compile(r"(?:.*\.)?[0-9][^.]*\.?")

#: Not to be reached although `ipaddress` calls some of them global: clouds' metadata, translated and tunnelled IPv4.
#: Source: https://www.iana.org/assignments/iana-ipv6-special-registry; Azure's 168.63.129.16.
_CLOSED = tuple(
    map(
        ipaddress.ip_network,
        (
            "100.64.0.0/10",
            "168.63.129.16/32",
            "192.0.0.0/24",
            "192.88.99.0/24",
            "198.18.0.0/15",
            "::/96",
            "::ffff:0:0/96",
            "64:ff9b::/96",
            "64:ff9b:1::/48",
            "2001::/23",
            "2002::/16",
            "3fff::/20",
        ),
    )
)
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet; anything that is not plainly so is not."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address) and (ip.scope_id is not None or ip not in _GLOBAL_UNICAST):
        return False
    if not ip.is_global or ip.is_multicast:
        return False
    return not any(ip in network for network in _CLOSED if network.version == ip.version)


def public_resolver(resolve: Resolver = system_resolver, allow: Collection[str] = ()) -> Resolver:
    """A resolver that refuses names with any address that is neither public nor in `allow` (exact IP addresses)."""

    async def checked(host: str, port: int) -> Sequence[Address]:
        addresses = await resolve(host, port)
        if not all(place[0] in allow or is_public(place[0]) for _, place in addresses):
            raise _refused("does not lead to a public address")
        return addresses

    return checked


class ImageFetcher:
    """Fetches images; belongs to the event loop that first uses it.

    `resolve`, `ssl_context`, `allow` (IP addresses that are no danger) and `ports` (beyond 443 and 80) are for networks
    of one's own. Sends neither cookies nor any header of a client.
    """

    def __init__(
        self,
        *,
        allow_http: bool = False,
        resolve: Resolver = system_resolver,
        allow: Collection[str] = (),
        ports: Collection[int] = (),
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._allow_http = allow_http
        self._ports = frozenset(ports)
        self._transport = HttpTransport(
            pool_size=8,
            idle=5.0,
            ssl_context=ssl_context,
            resolver=public_resolver(resolve, frozenset(allow)),
            environ={},
        )

    def __repr__(self) -> str:
        return f"<ImageFetcher over {self._transport!r}>"

    async def fetch(self, url: str, *, limit: int = LIMIT_BYTES, timeout: float = TIMEOUT_S) -> tuple[str, str]:
        """An image: its media type and its bytes in base64.

        `limit` is in bytes, `timeout` in seconds for everything together. Raises `InvalidRequest` for whatever is wrong
        with the address or with what stands there.
        """
        deadline = asyncio.get_running_loop().time() + timeout
        try:
            body = await self._follow(url, limit, deadline)
        except TooLarge as exc:
            raise _refused(f"is larger than {limit} bytes") from exc
        except ProviderError as exc:
            raise _refused(f"cannot be fetched: {exc.message}") from exc
        media_type = _kind_of(body)
        if media_type is None:
            raise _refused("is no PNG, JPEG, GIF or WebP image")
        return media_type, base64.b64encode(body).decode("ascii")

    async def aclose(self) -> None:
        """Close every connection."""
        await self._transport.aclose()

    async def _follow(self, url: str, limit: int, deadline: float) -> bytes:
        for _ in range(MOST_REDIRECTS + 1):
            self._check(url)
            answer = await self._transport.send(
                "GET", url, _ACCEPT, connect=TIMEOUT_S, deadline=deadline, total=deadline
            )
            try:
                if answer.status not in _REDIRECTS:
                    return await _image(answer, limit)
                url = urljoin(url, answer.headers.get("location", ""))
            finally:
                answer.close()
        raise _refused(f"redirects more than {MOST_REDIRECTS} times")

    def _check(self, url: str) -> None:
        """Refuse what cannot be an ordinary public address before anything is resolved."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as exc:
            raise _refused("is malformed") from exc
        if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or "\\" in url or " " in url:
            raise _refused("holds characters that cannot stand in one, or too many")
        if parts.scheme != "https" and not (parts.scheme == "http" and self._allow_http):
            raise _refused("must begin with https://")
        host = parts.netloc.lower().removesuffix(f":{port}")
        if not _HOST.fullmatch(host):
            raise _refused("must name a plain host, without user or password")
        if _NUMBER.fullmatch(host) and not _is_address(host):
            raise _refused("must name its host in the usual way")
        if port is not None and port != _PORTS[parts.scheme] and port not in self._ports:
            raise _refused(f"must use the usual port, not {port}")


def _is_address(host: str) -> bool:
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


async def _image(answer: Answer, limit: int) -> bytes:
    if answer.status != 200:
        raise _refused(f"was answered with status {answer.status}")
    content_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type not in _TYPES:
        raise _refused(f"is not served as an image but as {content_type[:80] or 'nothing'}")
    return await answer.read(limit)


def _kind_of(body: bytes) -> str | None:
    """The media type that the first bytes tell, whatever was claimed."""
    if body.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if body.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if body.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if body.startswith(b"RIFF") and body[8:12] == b"WEBP":
        return "image/webp"
    return None


def _refused(why: str) -> InvalidRequest:
    return InvalidRequest(f"the image's address {why}", param=PARAM)

"""Images by address: what is fetched, and above all what is not."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from hybridge.errors import InvalidRequest
from hybridge.providers.fetch import ImageFetcher, is_public, public_resolver
from hybridge.providers.transport import Address

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 32
HERE = "127.0.0.1"

Reply = Callable[[str], bytes]


def answer(body: bytes = PNG, content_type: str = "image/png", status: str = "200 OK", *more: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", f"content-type: {content_type}", *more]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


class Pictures:
    """A web server on a real socket that closes after each answer; `reply` turns a path into the bytes of one."""

    def __init__(self) -> None:
        self.reply: Reply = lambda path: answer()
        self.heads: list[str] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        writer.write(self.reply(head.split(" ")[1]))
        writer.close()

    async def open(self, tls: ssl.SSLContext | None = None) -> asyncio.Server:
        """Listen on a free port."""
        server = await asyncio.start_server(self.serve, HERE, 0, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        return server


@pytest.fixture
async def pictures() -> AsyncIterator[Pictures]:
    pictures = Pictures()
    server = await pictures.open()
    yield pictures
    server.close()


def names(**known: str) -> Callable[[str, int], Any]:
    """A resolver that knows `pictures.example` and what it is told, by first label, addresses separated by spaces."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[Address]:
        asked.append(host)
        found = {"pictures": HERE, **known}.get(host.partition(".")[0], host)
        return [
            (socket.AF_INET6, (one, port, 0, 0)) if ":" in one else (socket.AF_INET, (one, port))
            for one in found.split()
        ]

    resolve.asked = asked  # type: ignore[attr-defined]
    return resolve


async def fetched(pictures: Pictures, url: str = "", limit: int = 1000, **options: Any) -> tuple[str, str]:
    options = {"resolve": names(), "allow": {HERE}, "ports": {pictures.port}, "allow_http": True, **options}
    fetcher = ImageFetcher(**options)
    try:
        return await fetcher.fetch(url or f"http://pictures.example:{pictures.port}/a.png", limit=limit, timeout=5.0)
    finally:
        await fetcher.aclose()


async def refused(pictures: Pictures, url: str = "", **options: Any) -> str:
    with pytest.raises(InvalidRequest) as refusal:
        await fetched(pictures, url, **options)
    assert (refusal.value.param, refusal.value.status) == ("image_url", 400)
    return refusal.value.message


async def test_an_image_comes_with_its_type(pictures: Pictures) -> None:
    assert await fetched(pictures) == ("image/png", base64.b64encode(PNG).decode())
    (head,) = pictures.heads
    assert head.startswith("GET /a.png HTTP/1.1\r\n")
    sent = {line.partition(":")[0].lower() for line in head.split("\r\n")[1:] if line}
    assert sent <= {"host", "accept", "accept-encoding", "content-length"}


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b"\xff\xd8\xff\xe0 jpeg", "image/jpeg"),
        (b"GIF89a...", "image/gif"),
        (b"GIF87a...", "image/gif"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
    ],
)
async def test_the_bytes_say_the_type(pictures: Pictures, body: bytes, media_type: str) -> None:
    pictures.reply = lambda path: answer(body, "image/jpg; charset=binary")
    assert (await fetched(pictures))[0] == media_type


async def test_over_tls_the_name_is_proven() -> None:
    authority = trustme.CA()
    served, trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("pictures.example").configure_cert(served)
    authority.configure_trust(trusted)
    pictures = Pictures()
    server = await pictures.open(served)
    options: Any = {"ssl_context": trusted, "allow_http": False}
    assert (await fetched(pictures, f"https://pictures.example:{pictures.port}/", **options))[0] == "image/png"
    other = f"https://other.example:{pictures.port}/"
    assert "not trusted" in await refused(pictures, other, resolve=names(other=HERE), **options)
    server.close()


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (answer(b"<html>"), "no PNG, JPEG, GIF or WebP"),
        (answer(PNG, "text/html"), "not served as an image but as text/html"),
        (answer(PNG, "image/svg+xml"), "not served as an image but as image/svg+xml"),
        (answer(PNG, ""), "not served as an image but as nothing"),
        (answer(PNG, status="404 Not Found"), "answered with status 404"),
        (answer(PNG, status="206 Partial Content"), "answered with status 206"),
        (answer(PNG + b"\0" * 2000), "larger than 1000 bytes"),
        (b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\n\r\n" + PNG + b"\0" * 2000, "larger than 1000 bytes"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\ncontent-type: image/png\r\n\r\n" + PNG, "cannot be fetched"),
        (b"SSH-2.0-nothing\r\n\r\n", "cannot be fetched"),
    ],
)
async def test_what_is_no_image_is_refused(pictures: Pictures, reply: bytes, says: str) -> None:
    pictures.reply = lambda path: reply
    assert says in await refused(pictures)


async def test_silence_is_refused_in_time(pictures: Pictures) -> None:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(never, HERE, 0)
    port = server.sockets[0].getsockname()[1]
    fetcher = ImageFetcher(resolve=names(), allow={HERE}, ports={port}, allow_http=True)
    with pytest.raises(InvalidRequest, match="cannot be fetched"):
        await fetcher.fetch(f"http://pictures.example:{port}/", timeout=0.05)
    assert repr(fetcher).startswith("<ImageFetcher over <HttpTransport ")
    await fetcher.aclose()
    server.close()


async def test_redirects_are_followed_up_to_three(pictures: Pictures) -> None:
    def reply(path: str) -> bytes:
        left = int(path.rpartition("/")[2])
        return answer(b"", "", "302 Found", f"location: {left - 1}", "set-cookie: a=b") if left else answer()

    pictures.reply = reply
    at = f"http://pictures.example:{pictures.port}"
    assert (await fetched(pictures, f"{at}/3"))[0] == "image/png"
    assert [head.split(" ")[1] for head in pictures.heads] == ["/3", "/2", "/1", "/0"]
    assert not any("cookie" in head.lower() for head in pictures.heads)
    assert "redirects more than 3 times" in await refused(pictures, f"{at}/4")


@pytest.mark.parametrize(
    ("location", "says"),
    [
        ("http://inside.example:{port}/", "public address"),
        ("http://pictures.example:22/", "usual port"),
        ("file:///etc/passwd", "must begin with https://"),
        ("data:image/png;base64,AAAA", "must begin with https://"),
        ("http://user@pictures.example:{port}/", "plain host"),
        ("http://2130706433:{port}/", "usual way"),
        ("", "redirects more than"),
    ],
)
async def test_every_redirect_is_checked_again(pictures: Pictures, location: str, says: str) -> None:
    target = location.format(port=pictures.port)
    pictures.reply = lambda path: answer(b"", "", "307 Temporary Redirect", f"location: {target}")
    assert says in await refused(pictures, resolve=names(inside="10.0.0.1"))


@pytest.mark.parametrize(
    "addresses",
    [
        "10.1.2.3",
        "169.254.169.254",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "8.8.8.8 127.0.0.2",
        "8.8.8.8 ::1",
    ],
)
async def test_one_address_inside_is_enough_to_refuse(pictures: Pictures, addresses: str) -> None:
    url = f"http://outside.example:{pictures.port}/"
    assert "public address" in await refused(pictures, url, resolve=names(outside=addresses))
    assert pictures.heads == []


async def test_loopback_is_refused_where_it_is_not_allowed(pictures: Pictures) -> None:
    assert "public address" in await refused(pictures, allow=())
    assert "public address" in await refused(pictures, f"http://{HERE}:{pictures.port}/", allow=())
    assert "public address" in await refused(pictures, f"http://[::1]:{pictures.port}/", allow={HERE})


async def test_the_address_that_was_checked_is_the_one_that_is_used(pictures: Pictures) -> None:
    turns = iter((HERE, "10.0.0.1"))

    async def rebinding(host: str, port: int) -> Sequence[Address]:
        return [(socket.AF_INET, (next(turns), port))]

    assert (await fetched(pictures, resolve=rebinding))[0] == "image/png"
    assert len(pictures.heads) == 1


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://pictures.example/a.png", "must begin with https://"),
        ("ftp://pictures.example/a.png", "must begin with https://"),
        ("//pictures.example/a.png", "must begin with https://"),
        ("https://", "plain host"),
        ("https:///a.png", "plain host"),
        ("https://user:pass@pictures.example/", "plain host"),
        ("https://pictures.example@inside.example/", "plain host"),
        ("https://pictures.example:8443/", "usual port"),
        ("https://pictures.example:80/", "usual port"),
        ("https://pictures.example:99999/", "malformed"),
        ("https://[::1/", "malformed"),
        ("https://[fe80::1%25eth0]/", "plain host"),
        ("https://2130706433/", "usual way"),
        ("https://0x7f000001/", "usual way"),
        ("https://0177.0.0.1/", "usual way"),
        ("https://127.1/", "usual way"),
        ("https://pictures.0x7f/", "usual way"),
        ("https://pictures%2eexample/", "plain host"),
        ("https://pictures.example\\@inside.example/", "characters"),
        ("https://pictures.example/a b", "characters"),
        ("https://pictures.example/\r\nhost: inside", "characters"),
        ("https://bücher.example/", "characters"),
        ("https://pictures.example/" + "a" * 9000, "characters"),
    ],
)
async def test_tricks_in_an_address(pictures: Pictures, url: str, says: str) -> None:
    resolve = names()
    assert says in await refused(pictures, url, allow_http=False, resolve=resolve, ports=())
    assert resolve.asked == []  # type: ignore[attr-defined]


async def test_no_proxy_comes_between(pictures: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
    assert (await fetched(pictures))[0] == "image/png"


async def test_what_is_announced_as_too_large_is_not_waited_for(pictures: Pictures) -> None:
    pictures.reply = lambda path: b"HTTP/1.1 200 OK\r\ncontent-length: 1001\r\ncontent-type: image/png\r\n\r\n"
    assert "larger than 1000 bytes" in await refused(pictures)


async def test_names_that_are_nowhere(pictures: Pictures) -> None:
    async def nowhere(host: str, port: int) -> Sequence[Address]:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    assert "cannot be fetched" in await refused(pictures, resolve=nowhere)


@pytest.mark.parametrize(
    "address",
    """
    0.0.0.0 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254 168.63.129.16 169.254.169.254 172.16.0.1
    192.0.0.192 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.1.1 239.1.1.1 240.0.0.1
    255.255.255.255 :: ::1 ::8.8.8.8 ::ffff:8.8.8.8 ::ffff:10.0.0.1 64:ff9b::8.8.8.8 64:ff9b:1::1 100::1 2001::1
    2001:db8::1 2002:808:808::1 3fff::1 fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0 2606:4700::1%eth0 fec0::1 ff02::1
    localhost 2130706433 0x7f.1
    """.split(),
)
def test_what_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "172.32.0.1", "2606:4700::1111", "2001:4860:4860::8888"])
def test_what_is_public(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses())
def test_whatever_is_not_global_is_not_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert address.is_global or not is_public(str(address))


@given(st.ip_addresses(v=4))
def test_no_address_hides_in_another(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    hidden = (0xFFFF << 32, 0, 0x64_FF9B << 96, 0x2002 << 112)
    assert not any(is_public(str(ipaddress.IPv6Address(base + number))) for base in hidden[:3])
    assert not is_public(str(ipaddress.IPv6Address(hidden[3] + (number << 80))))


async def test_public_addresses_pass_as_they_are() -> None:
    resolve = public_resolver(names(outside="8.8.8.8 2606:4700::1111"))
    assert await resolve("outside.example", 443) == [
        (socket.AF_INET, ("8.8.8.8", 443)),
        (socket.AF_INET6, ("2606:4700::1111", 443, 0, 0)),
    ]

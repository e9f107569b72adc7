"""Proxies from the environment: which, for whom, and what they are told."""

from __future__ import annotations

import asyncio
import ssl

import pytest
import trustme

from hybridge.errors import ConnectFailed
from hybridge.providers.transport import HttpTransport, TlsContext
from hybridge.providers.transport.proxy import Proxies, Proxy
from hybridge.providers.transport.request import parse_url
from tests.providers.transport.conftest import Serve
from tests.providers.transport.scripted import OK, Asked, Peer, fetched, post, saying


def chosen(environ: dict[str, str], url: str) -> Proxy | None:
    """The proxy for an address."""
    return Proxies(environ).proxy_for(parse_url(url)[0])


@pytest.mark.parametrize(
    ("environ", "url", "host"),
    [
        ({}, "http://a.test/", None),
        ({"HTTP_PROXY": "http://p:1"}, "http://a.test/", "p"),
        ({"http_proxy": "http://q:1", "HTTP_PROXY": "http://p:1"}, "http://a.test/", "q"),
        ({"HTTP_PROXY": "p:1"}, "http://a.test/", "p"),
        ({"HTTP_PROXY": "http://p:1"}, "https://a.test/", None),
        ({"HTTPS_PROXY": "http://p:1"}, "https://a.test/", "p"),
        ({"ALL_PROXY": "http://p:1"}, "https://a.test/", "p"),
        ({"ALL_PROXY": "http://p:1", "https_proxy": "http://q:1"}, "https://a.test/", "q"),
        ({"HTTP_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, "http://a.test/", None),
        ({"HTTP_PROXY": " "}, "http://a.test/", None),
    ],
)
def test_which_proxy(environ: dict[str, str], url: str, host: str | None) -> None:
    proxy = chosen(environ, url)
    assert (proxy and proxy.host) == host


@pytest.mark.parametrize(
    ("exceptions", "url", "direct"),
    [
        ("*", "http://a.test/", True),
        ("a.test", "http://a.test/", True),
        ("a.test", "http://b.a.test/", True),
        (".a.test", "http://b.a.test/", True),
        ("*.a.test", "http://b.a.test/", True),
        ("a.test", "http://ba.test/", False),
        ("x, A.Test ,y", "http://a.test/", True),
        ("a.test:8000", "http://a.test:8000/", True),
        ("a.test:8000", "http://a.test/", False),
        ("10.0.0.0/8", "http://10.1.2.3/", True),
        ("10.0.0.0/8", "http://11.1.2.3/", False),
        ("10.0.0.0/8", "http://a.test/", False),
        ("2001:db8::/32", "http://[2001:db8::1]/", True),
        ("2001:db8::1", "http://[2001:db8::1]/", True),
        ("[2001:db8::1]:80", "http://[2001:db8::1]/", True),
        ("[2001:db8::1]:81", "http://[2001:db8::1]/", False),
        ("nonsense/99", "http://a.test/", False),
        (",,.", "http://a.test/", False),
        ("", "http://localhost:1/", True),
        ("", "http://x.localhost/", True),
        ("", "http://127.0.0.2/", True),
        ("", "http://[::1]/", True),
    ],
)
def test_for_whom(exceptions: str, url: str, direct: bool) -> None:
    assert (chosen({"HTTP_PROXY": "http://p:1", "NO_PROXY": exceptions}, url) is None) == direct


def test_a_password_is_never_shown() -> None:
    proxy = chosen({"HTTP_PROXY": "http://us%40er:pass@p:3128"}, "http://a.test/")
    assert proxy == Proxy("p", 3128, "Basic dXNAZXI6cGFzcw==")
    assert repr(proxy) == "<Proxy p:3128>"


@pytest.mark.parametrize("address", ["socks5://p:1", "https://u:secret@p:1", "http://p:x", "http://"])
async def test_a_proxy_that_cannot_be_used(address: str) -> None:
    transport = HttpTransport(environ={"HTTP_PROXY": address})
    with pytest.raises(ConnectFailed, match="proxy in the environment") as failed:
        await post(transport, "http://a.test/")
    assert "secret" not in str(failed.value)
    await transport.aclose()


async def test_plain(serve: Serve) -> None:
    heard: list[Asked] = []

    async def script(peer: Peer) -> None:
        while True:
            heard.append(await peer.asked())
            await peer.say(OK)

    server = await serve(script)
    transport = HttpTransport(environ={"http_proxy": f"http://u:p@127.0.0.1:{server.port}"})
    for _ in range(2):
        assert await fetched(transport, "http://provider.test/v1?x=1") == (200, b"ok")
    assert heard[0].line == "POST http://provider.test/v1?x=1 HTTP/1.1"
    assert heard[0].headers["host"] == "provider.test"
    assert heard[0].headers["proxy-authorization"] == "Basic dTpw"
    assert server.connections == 1
    await transport.aclose()


async def relay(peer: Peer, port: int) -> None:
    """Join a client to a local server, both ways."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def flow(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while piece := await source.read(65_536):
            sink.write(piece)
        sink.close()

    await asyncio.gather(flow(peer.reader, writer), flow(reader, peer.writer), return_exceptions=True)


async def test_tunnel(serve: Serve) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("provider.test").configure_cert(context)
    heard: list[Asked] = []

    async def script(peer: Peer) -> None:
        while True:
            heard.append(await peer.asked())
            await peer.say(OK)

    origin = await serve(script, context)

    async def proxying(peer: Peer) -> None:
        heard.append(await peer.asked())
        await peer.say(b"HTTP/1.1 200 Connection", b" established\r\nvia: p\r\n\r", b"\n")
        await relay(peer, origin.port)

    proxy = await serve(proxying)
    trust = TlsContext()
    authority.configure_trust(trust)
    transport = HttpTransport(environ={"https_proxy": f"http://u:p@127.0.0.1:{proxy.port}"}, ssl_context=trust)
    for _ in range(2):
        assert await fetched(transport, "https://provider.test/v1") == (200, b"ok")
    assert heard[0].head == (
        b"CONNECT provider.test:443 HTTP/1.1\r\nhost: provider.test:443\r\nproxy-authorization: Basic dTpw"
    )
    # What is meant for the proxy does not travel through it.
    assert [asked.line for asked in heard[1:]] == ["POST /v1 HTTP/1.1"] * 2
    assert "proxy-authorization" not in heard[1].headers
    assert (proxy.connections, origin.connections) == (1, 1)
    await transport.aclose()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "refused the tunnel: 407"),
        (b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 2\r\n\r\nno", "refused the tunnel: 502"),
        (b"nonsense\r\n\r\n", "refused the tunnel: nonsense"),
        (b"HTTP/1.1 200 OK\r\n\r\nmore", "sent more"),
        (b"HTTP/1.1 200 OK\r\n", "no answer to CONNECT"),
        (b"", "no answer to CONNECT"),
        (b"x" * 20_000, "no answer to CONNECT"),
    ],
)
async def test_no_tunnel(serve: Serve, answer: bytes, reason: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.asked()
        peer.writer.write(answer)
        await peer.writer.drain()
        peer.close()
        await peer.gone()

    proxy = await serve(script)
    transport = HttpTransport(environ={"https_proxy": f"http://127.0.0.1:{proxy.port}"})
    with pytest.raises(ConnectFailed, match=f"https://provider.test: <Proxy 127.0.0.1:.*{reason}"):
        await post(transport, "https://provider.test/v1")
    assert repr(transport) == "<HttpTransport 0 open, 0 idle, 0 waiting>"
    await transport.aclose()


async def test_loopback_needs_no_proxy(serve: Serve) -> None:
    server = await serve(saying(OK))
    transport = HttpTransport(environ={"ALL_PROXY": "http://127.0.0.1:1"})
    assert await fetched(transport, server.url) == (200, b"ok")
    await transport.aclose()

"""TLS: verified, or refused; sessions used again."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl

import pytest
import trustme

from hybridge.errors import ConnectFailed, ConnectionLost, ConnectTimeout, MalformedAnswer
from hybridge.providers.transport import HttpTransport, TlsContext
from tests.providers.transport.conftest import Serve
from tests.providers.transport.scripted import (
    OK,
    Peer,
    Server,
    fetched,
    post,
    saying,
    saying_last,
    soon,
    to_loopback,
    turns,
)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority of our own."""
    return trustme.CA()


def server_side(authority: trustme.CA, *names: str, expired: bool = False) -> ssl.SSLContext:
    """A server's context with a certificate for `names`."""
    before, after = dt.datetime(2020, 1, 1), dt.datetime(2020, 2, 1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2", "http/1.1"])
    certificate = authority.issue_cert(*names, not_before=before, not_after=after) if expired else None
    (certificate or authority.issue_cert(*names)).configure_cert(context)
    return context


def trusting(authority: trustme.CA) -> HttpTransport:
    """A transport that trusts our authority and resolves every name to this machine."""
    context = TlsContext()
    authority.configure_trust(context)
    return HttpTransport(environ={}, ssl_context=context, resolver=to_loopback())


def at(server: Server, name: str) -> str:
    """The server's address under a name."""
    return f"https://{name}:{server.port}/v1/chat"


@pytest.mark.parametrize("name", ["provider.test", "127.0.0.1"])
async def test_verified(serve: Serve, authority: trustme.CA, name: str) -> None:
    agreed: list[object] = []

    async def script(peer: Peer) -> None:
        link = peer.writer.get_extra_info("ssl_object")
        agreed.append(link.selected_alpn_protocol())
        await saying(OK)(peer)

    server = await serve(script, server_side(authority, name))
    transport = trusting(authority)
    for _ in range(3):
        assert await fetched(transport, at(server, name)) == (200, b"ok")
    assert (server.connections, agreed) == (1, ["http/1.1"])
    await transport.aclose()


@pytest.mark.parametrize(
    ("name", "called", "expired", "reason"),
    [
        ("other.test", "provider.test", False, "Hostname mismatch"),
        ("*.provider.test", "provider.test", False, "Hostname mismatch"),
        ("provider.test", "127.0.0.1", False, "IP address mismatch"),
        ("provider.test", "provider.test", True, "expired"),
    ],
)
async def test_not_trusted(
    serve: Serve, authority: trustme.CA, name: str, called: str, expired: bool, reason: str
) -> None:
    server = await serve(saying(OK), server_side(authority, name, expired=expired))
    transport = trusting(authority)
    with pytest.raises(ConnectFailed, match=f"https://{called}:.*certificate not trusted: .*{reason}"):
        await post(transport, at(server, called))
    assert server.connections == 0
    assert repr(transport) == "<HttpTransport 0 open, 0 idle, 0 waiting>"
    await transport.aclose()


async def test_unknown_authority(serve: Serve, authority: trustme.CA) -> None:
    server = await serve(saying(OK), server_side(authority, "provider.test"))
    transport = HttpTransport(environ={}, resolver=to_loopback())
    with pytest.raises(ConnectFailed, match="certificate not trusted") as failed:
        await post(transport, at(server, "provider.test"))
    assert isinstance(failed.value.__cause__, ssl.SSLCertVerificationError)
    await transport.aclose()


async def test_no_tls_on_the_other_side(serve: Serve, authority: trustme.CA) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.readexactly(5)
        await peer.say(b"HTTP/1.1 400 This is plain HTTP\r\n\r\n")

    server = await serve(script)
    transport = trusting(authority)
    with pytest.raises(ConnectFailed):
        await post(transport, at(server, "provider.test"))
    await transport.aclose()


async def test_a_plain_request_to_a_tls_server(serve: Serve, authority: trustme.CA) -> None:
    server = await serve(saying(OK), server_side(authority, "provider.test"))
    transport = HttpTransport(environ={})
    with pytest.raises((ConnectionLost, MalformedAnswer)):
        await post(transport, f"http://127.0.0.1:{server.port}/")
    await transport.aclose()


async def test_a_handshake_without_end(serve: Serve, authority: trustme.CA) -> None:
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.gone()
        gone.set()

    server = await serve(script)
    transport = trusting(authority)
    with pytest.raises(ConnectTimeout):
        await transport.send("POST", at(server, "provider.test"), (), b"", connect=0.05, deadline=soon())
    await gone.wait()
    assert repr(transport) == "<HttpTransport 0 open, 0 idle, 0 waiting>"
    await transport.aclose()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_sessions_are_used_again(serve: Serve, authority: trustme.CA, version: ssl.TLSVersion) -> None:
    reused: list[bool] = []

    async def script(peer: Peer) -> None:
        reused.append(peer.writer.get_extra_info("ssl_object").session_reused)
        await saying_last(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok")(peer)

    async def keeping(peer: Peer) -> None:
        reused.append(peer.writer.get_extra_info("ssl_object").session_reused)
        await peer.asked()
        await peer.say(OK)

    context = server_side(authority, "provider.test")
    context.maximum_version = version
    server = await serve(keeping, context)
    transport = trusting(authority)
    assert await fetched(transport, at(server, "provider.test")) == (200, b"ok")
    while "0 open" not in repr(transport):
        await turns(1)
    server.script = script
    for _ in range(2):
        assert await fetched(transport, at(server, "provider.test")) == (200, b"ok")
    assert reused == [False, True, True]
    await transport.aclose()


async def test_an_answer_may_end_with_its_connection(serve: Serve, authority: trustme.CA) -> None:
    server = await serve(saying_last(b"HTTP/1.1 200 OK\r\n\r\nsome", b" more"), server_side(authority, "provider.test"))
    transport = trusting(authority)
    assert await fetched(transport, at(server, "provider.test")) == (200, b"some more")
    await transport.aclose()


async def test_large_bodies_both_ways(serve: Serve, authority: trustme.CA) -> None:
    body = bytes(range(256)) * 20_000

    async def script(peer: Peer) -> None:
        asked = await peer.asked()
        assert asked.body == body
        peer.writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        await peer.writer.drain()
        await peer.gone()

    server = await serve(script, server_side(authority, "provider.test"))
    transport = trusting(authority)
    answer = await post(transport, at(server, "provider.test"), body)
    assert await answer.read(len(body)) == body
    await transport.aclose()


async def test_a_stale_connection_is_tried_once_more(serve: Serve, authority: trustme.CA) -> None:
    async def script(peer: Peer) -> None:
        await peer.asked()
        await peer.say(OK)
        if peer.number == 1:
            await peer.asked()

    server = await serve(script, server_side(authority, "provider.test"))
    transport = trusting(authority)
    for _ in range(2):
        assert await fetched(transport, at(server, "provider.test")) == (200, b"ok")
    assert server.connections == 2
    await transport.aclose()


async def test_cancelling_closes(serve: Serve, authority: trustme.CA) -> None:
    reached, gone = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.asked()
        reached.set()
        await peer.gone()
        gone.set()

    server = await serve(script, server_side(authority, "provider.test"))
    transport = trusting(authority)
    task = asyncio.create_task(post(transport, at(server, "provider.test")))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await gone.wait()
    await transport.aclose()
    assert repr(transport) == "<HttpTransport 0 open, 0 idle, 0 waiting>"
